"""Delivers items in order in a background thread, so that adding one never blocks and never fails."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, NamedTuple, TypeVar

from worker.delivery.errors import UnavailableError

logger = logging.getLogger(__name__)

T = TypeVar("T")

PAUSE: Final = 5.0
"""Seconds between a failed delivery and the next try of the same item."""


class _Waiting(NamedTuple, Generic[T]):
    item: T
    since: float


class Outbox(Generic[T]):
    """Calls ``deliver`` with one item after the other. Thread-safe.

    Where ``deliver`` raises UnavailableError, the same item is retried, without a limit, and the others wait behind it. Any
    other exception drops that item. ``limit`` bounds the items that wait: beyond it the oldest is dropped. ``label`` names
    an item in logs; ``clock`` returns Unix seconds.
    """

    def __init__(
        self,
        name: str,
        deliver: Callable[[T], None],
        label: Callable[[T], str],
        *,
        limit: int | None = None,
        pause: float = PAUSE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._name = name
        self._deliver = deliver
        self._label = label
        self._limit = limit
        self._pause = pause
        self._clock = clock
        self._waiting: deque[_Waiting[T]] = deque()
        self._current: _Waiting[T] | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._drains = 0
        """Calls of drain(); each ends the wait before a retry."""
        self._delivered = 0
        self._given_up = 0
        self._thread = threading.Thread(target=self._run, name=f"outbox-{name}", daemon=True)
        self._thread.start()

    def add(self, item: T) -> None:
        """Queues ``item``. Never blocks, never raises; after ``close`` the item counts as given up."""
        with self._changed:
            if self._closed:
                self._given_up += 1
                logger.error("%s: added after the end, not delivered: %s", self._name, self._label(item))
                return
            if self._limit is not None and len(self._waiting) >= self._limit:
                self._given_up += 1
                logger.error("%s: %d are waiting, the oldest is dropped", self._name, self._limit)
                self._waiting.popleft()
            self._waiting.append(_Waiting(item, self._clock()))
            self._changed.notify_all()

    def drain(self, timeout: float) -> bool:
        """Waits up to ``timeout`` seconds until no item is left; an item that waits for its next try is tried at once.

        Returns whether no item is left: all were delivered or given up.
        """
        with self._changed:
            self._drains += 1
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not self._left(), timeout)

    def close(self) -> None:
        """Ends the thread after the delivery under way, waiting at most a second for it; other items stay undelivered."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout=1.0)

    def pending(self) -> list[T]:
        """The items that have not been delivered yet, the oldest first."""
        with self._changed:
            return [waiting.item for waiting in self._left()]

    def lag(self, now: float) -> float:
        """Seconds that the oldest pending item has waited, at ``now`` in Unix seconds; 0 if there is none."""
        with self._changed:
            left = self._left()
            return max(0.0, now - left[0].since) if left else 0.0

    @property
    def delivered(self) -> int:
        """How many were delivered."""
        return self._delivered

    @property
    def given_up(self) -> int:
        """How many will never be delivered."""
        return self._given_up

    def _left(self) -> list[_Waiting[T]]:
        return ([self._current] if self._current else []) + list(self._waiting)

    def _run(self) -> None:
        while (waiting := self._next()) is not None:
            drains = self._drains
            try:
                self._deliver(waiting.item)
                self._finish(delivered=True)
            except UnavailableError as error:
                logger.warning(
                    "%s: not delivered yet, %d waiting: %s", self._name, len(self.pending()), error
                )
                self._wait_to_retry(drains)
            except Exception:
                logger.exception("%s: dropped after an error: %s", self._name, self._label(waiting.item))
                self._finish(delivered=False)

    def _next(self) -> _Waiting[T] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._current or self._waiting)
            if self._closed:
                return None
            if self._current is None:
                self._current = self._waiting.popleft()
            return self._current

    def _finish(self, delivered: bool) -> None:
        with self._changed:
            self._current = None
            self._delivered += delivered
            self._given_up += not delivered
            self._changed.notify_all()

    def _wait_to_retry(self, drains: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._drains > drains, self._pause)
