"""Repeats a call, such as the renewal of a lease, in a background thread until it is stopped or what it keeps is lost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

logger = logging.getLogger(__name__)

STOP_TIMEOUT: Final = 1.0
"""Seconds to wait for a beat under way: it may wait for an unavailable service, which must not delay the worker's end."""

RETRY_PART: Final = 4
"""A beat that failed is retried after this part of the interval."""


class Heartbeat:
    """Calls ``beat`` every ``interval`` seconds, first after ``first`` (None: one interval); a context manager.

    Only an exception of the types ``lost`` ends it, and goes to ``on_lost``, which is called in the heartbeat's thread and must
    not block. After any other exception the beat is retried: a service that does not answer, or that refuses the request, has
    not given away what the heartbeat keeps. ``name`` is for logs.
    """

    def __init__(
        self,
        name: str,
        interval: float,
        beat: Callable[[], None],
        lost: type[Exception],
        on_lost: Callable[[Exception], None],
        first: float | None = None,
    ) -> None:
        self._name = name
        self._interval = interval
        self._beat = beat
        self._lost = lost
        self._on_lost = on_lost
        self._first = interval if first is None else first
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"heartbeat-{name}", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def stopped(self) -> bool:
        """Whether stop() was called."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Begins no further beat and does not call ``on_lost`` any more. Waits up to STOP_TIMEOUT for a beat under way."""
        self._stopped.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(STOP_TIMEOUT)

    def _run(self) -> None:
        wait = self._first
        while not self._stopped.wait(wait):
            try:
                self._beat()
                wait = self._interval
            except self._lost as error:
                if not self._stopped.is_set():
                    logger.error("%s: lost: %s", self._name, error)
                    self._on_lost(error)
                return
            except Exception as error:
                logger.warning("%s: a heartbeat failed, the next try is soon: %s", self._name, error)
                logger.debug("the heartbeat failed here", exc_info=error)
                wait = self._interval / RETRY_PART
