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
            now = self._clock()
            left, at = self._buckets.get((workspace, kind), (float(per_minute), now))
            left = min(float(per_minute), left + (now - at) * per_minute / MINUTE)
            if left >= 1:
                self._buckets[workspace, kind] = left - 1, now
                return None
            self._buckets[workspace, kind] = left, now
            return math.ceil((1 - left) * MINUTE / per_minute)
