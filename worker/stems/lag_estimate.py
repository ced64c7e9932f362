"""How long after the fact something is told (pure): learned from pauses, since speech that begins behind one is plain to hear.

What tells who speaks (the dominant-speaker history, captions) is late, or runs on another clock. Each thing told is compared
with every beginning of speech nearby; the true lag is the one that most of them have in common.
"""

from __future__ import annotations

from collections import Counter, deque

BIN_SECONDS = 0.05
REMEMBERED = 300
"""So many comparisons are believed; older ones are forgotten, because networks change."""

LEAST_EVIDENCE = 3
"""So many must agree before the estimate leaves its default."""

_NEIGHBOURS = 2
"""Bins on either side that count as the same lag: jitter."""


class LagEstimate:
    """The lag that most comparisons have in common, in seconds."""

    def __init__(self, default: float) -> None:
        self.value = default
        """The estimate: ``default`` until enough agrees."""
        self._default = round(default / BIN_SECONDS)
        self._counts: Counter[int] = Counter()
        self._order: deque[int] = deque()

    def learn(self, lags: list[float]) -> None:
        """Takes the comparisons of one thing told with each beginning of speech nearby."""
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
        """How many comparisons say about this; what is exactly there counts a little more."""
        return self._counts[place] / 2 + sum(
            self._counts[place + step] for step in range(-_NEIGHBOURS, _NEIGHBOURS + 1)
        )


class Beginnings:
    """When speech began behind a pause, lately; Unix seconds."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=200)

    def add(self, at: float) -> None:
        """Speech began at ``at``."""
        self._times.append(at)

    def between(self, begin: float, end: float) -> list[float]:
        """The beginnings from ``begin`` to ``end``, both included."""
        return [at for at in self._times if begin <= at <= end]
