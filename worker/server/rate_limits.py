"""How many requests a key may make in a minute, counted by each server for itself."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Final

MINUTE: Final = 60.0
"""Seconds."""


class RateLimits:
    """Token buckets: each holds a minute's requests and fills up evenly. Thread-safe. ``clock`` returns steady seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}
        """(workspace, kind) → requests that are left, and when."""

    def take(self, workspace: str, kind: str, per_minute: int) -> int | None:
        """Counts a request. None: it may be made; else the whole seconds, at least 1, after which the next one may be."""
        with self._lock:
            left, now = self._left(workspace, kind, per_minute)
            self._buckets[workspace, kind] = left - 1 if left >= 1 else left, now
        return _wait(left, per_minute)

    def wait(self, workspace: str, kind: str, per_minute: int) -> int | None:
        """As ``take``, and counts nothing."""
        with self._lock:
            left, _ = self._left(workspace, kind, per_minute)
        return _wait(left, per_minute)

    def _left(self, workspace: str, kind: str, per_minute: int) -> tuple[float, float]:
        """The requests that are left, and the time now."""
        now = self._clock()
        left, at = self._buckets.get((workspace, kind), (float(per_minute), now))
        return min(float(per_minute), left + (now - at) * per_minute / MINUTE), now


def _wait(left: float, per_minute: int) -> int | None:
    return None if left >= 1 else math.ceil((1 - left) * MINUTE / per_minute)
