"""Estimates how late a platform's hints are, from speech that begins after a pause (pure).

Hints of who speaks (the dominant-speaker history, captions) are late, or on another clock. Each hint is compared with every
speech onset nearby; the true lag is the one that most comparisons have in common.
"""

from __future__ import annotations

from collections import Counter, deque

BIN_SECONDS = 0.05
"""The resolution of an estimate."""

REMEMBERED = 300
"""Comparisons that count; older ones are dropped, because networks change."""

LEAST_EVIDENCE = 3
"""Comparisons that must agree before the estimate leaves its default."""

_NEIGHBOURS = 2
"""Bins on either side that count as the same lag: jitter."""


class LagEstimate:
    """The lag that most comparisons have in common, in seconds."""

    def __init__(self, default: float) -> None:
        self.value = default
        """The estimate: ``default`` until LEAST_EVIDENCE comparisons agree."""
        self._default = round(default / BIN_SECONDS)
        self._counts: Counter[int] = Counter()
        self._order: deque[int] = deque()

    def learn(self, lags: list[float]) -> None:
        """Adds the comparisons of one hint with each speech onset nearby."""
        for lag in lags:
            place = round(lag / BIN_SECONDS)
            self._counts[place] += 1
            self._order.append(place)
        while len(self._order) > REMEMBERED:
            self._counts[self._order.popleft()] -= 1
        agreed = {place: self._agreeing(place) for place, count in self._counts.items() if count > 0}
        best = max(
            agreed, key=lambda place: (agreed[place], -abs(place - self._default), -place), default=None
        )
        if best is not None and agreed[best] >= LEAST_EVIDENCE:
            self.value = best * BIN_SECONDS

    def _agreeing(self, place: int) -> float:
        """How many comparisons are in this bin or near it; those in the bin itself count one and a half times."""
        return self._counts[place] / 2 + sum(
            self._counts[place + step] for step in range(-_NEIGHBOURS, _NEIGHBOURS + 1)
        )


class SpeechOnsets:
    """The latest times at which speech began after a pause, in seconds of meeting time."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=200)

    def add(self, at: float) -> None:
        """Adds an onset at ``at``."""
        self._times.append(at)

    def between(self, begin: float, end: float) -> list[float]:
        """The onsets from ``begin`` to ``end``, both included."""
        return [at for at in self._times if begin <= at <= end]
