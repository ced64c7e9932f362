"""Remembers which sequence numbers were lost, to distinguish a late packet from a duplicate (pure)."""

from __future__ import annotations

from collections import deque

REMEMBERED_LOSSES = 1_024
"""Lost sequence numbers that are kept; a new stream counts all before its first packet as lost."""


class LostSequences:
    """The latest lost sequence numbers of a stream, which do not wrap; a gap takes the memory of one number."""

    def __init__(self) -> None:
        self._gaps: deque[tuple[int, int]] = deque()
        """(first, end), in ascending order."""
        self._count = 0

    def add(self, first: int, end: int) -> None:
        """All numbers from ``first`` up to ``end``, which is not lost, are missing; above all that were added before."""
        first = max(first, end - REMEMBERED_LOSSES)
        if first >= end:
            return
        self._gaps.append((first, end))
        self._count += end - first
        while self._count > REMEMBERED_LOSSES:
            first, end = self._gaps.popleft()
            kept = max(0, REMEMBERED_LOSSES - self._count + end - first)
            self._count -= end - first - kept
            if kept:
                self._gaps.appendleft((end - kept, end))

    def __contains__(self, sequence: int) -> bool:
        return any(first <= sequence < end for first, end in self._gaps)

    def take(self, sequence: int) -> bool:
        """Whether ``sequence`` is lost; from then on it is not."""
        for index, (first, end) in enumerate(self._gaps):
            if first <= sequence < end:
                rest = [gap for gap in ((first, sequence), (sequence + 1, end)) if gap[0] < gap[1]]
                del self._gaps[index]
                for gap in reversed(rest):
                    self._gaps.insert(index, gap)
                self._count -= 1
                return True
        return False

    def clear(self) -> None:
        """Forgets all: the stream has restarted."""
        self._gaps.clear()
        self._count = 0
