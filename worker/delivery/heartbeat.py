"""Repeats a sign of life in a thread of its own until it is stopped or learns that it came too late."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final

from worker.delivery.errors import UnavailableError

logger = logging.getLogger(__name__)

STOP_TIMEOUT: Final = 1.0
"""Seconds. A beat may be waiting for a service that is away; that must not hold up the end of the worker."""


class Heartbeat:
    """Calls ``beat`` every ``interval`` seconds, first after ``first`` (None: one interval); a context manager.

    A beat that raises UnavailableError is tried again after a quarter of the interval: that S3 or SQS does not answer does not
    yet mean that anything was lost. Any other exception ends the heartbeat and goes to ``on_lost``, which is called in the
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
        """Whether it was told to stop."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Ends it: no beat begins any more, and ``on_lost`` is not called. A beat under way is waited for a second."""
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
                logger.warning("%s: a heartbeat failed, the next is soon: %s", self._name, error)
                wait = self._interval / 4
            except Exception as error:
                if self._stopped.is_set():
                    return
                logger.exception("%s: lost", self._name)
                self._on_lost(error)
                return
