"""Repeats a call, such as the renewal of a lease, in a background thread until it is stopped or the call fails for good."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final

from worker.delivery.errors import UnavailableError

logger = logging.getLogger(__name__)

STOP_TIMEOUT: Final = 1.0
"""Seconds to wait for a beat under way: it may wait for an unavailable service, which must not delay the worker's end."""


class Heartbeat:
    """Calls ``beat`` every ``interval`` seconds, first after ``first`` (None: one interval); a context manager.

    A beat that raises UnavailableError is retried after a quarter of the interval: an unavailable service does not mean that
    the message or the lease is lost. Any other exception ends the heartbeat and goes to ``on_lost``, which is called in the
    heartbeat's thread and must not block. ``name`` is for logs.
    """

    def __init__(
        self,
        name: str,
        interval: float,
        beat: Callable[[], None],
        on_lost: Callable[[Exception], None],
        first: float | None = None,
    ) -> None:
        self._name = name
        self._interval = interval
        self._beat = beat
        self._on_lost = on_lost
        self._first = interval if first is None else first
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"heartbeat-{name}", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
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
            except UnavailableError as error:
                logger.warning("%s: a heartbeat failed, the next try is soon: %s", self._name, error)
                wait = self._interval / 4
            except Exception as error:
                if self._stopped.is_set():
                    return
                logger.exception("%s: lost", self._name)
                self._on_lost(error)
                return
