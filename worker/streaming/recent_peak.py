"""The greatest of the values that were noted recently (pure)."""

from __future__ import annotations

from typing import Final

SPAN: Final = 5.0
"""Seconds. A value counts for one to two spans, and until others are noted."""


class RecentPeak:
    """``value`` is ``first`` until something is noted. Times are in seconds and never fall."""

    def __init__(self, first: float) -> None:
        self.value = first
        self._before = self._now = float("-inf")
        self._ends = float("-inf")

    def note(self, at: float, value: float) -> None:
        """``value`` was observed at ``at``."""
        if at >= self._ends:
            self._before, self._now = self._now, value
            self._ends = at + SPAN
        else:
            self._now = max(self._now, value)
        self.value = max(self._before, self._now)
