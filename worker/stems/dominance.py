"""Who was dominant when: the history that Teams tells over ``main-channel``, set back by how late it tells it (pure)."""

from __future__ import annotations

from collections import deque

import msgspec

from worker.stems.lag_estimate import Beginnings, LagEstimate

LAG_MOST = 2.0
"""Seconds by which a change of the dominant speaker is told late, at most."""

EARLY_MOST = 0.25
"""Seconds by which it may be told before the speech arrives, which takes another way."""

LAG_DEFAULT = 0.3
"""Until the call has shown its own lag."""

SNAP = 0.35
"""A change belongs to the speech that began this near, in seconds, to where the lag puts it."""

FIRST_MARGIN = 0.6
"""Seconds before the first speech of all that belong to it: a first word may begin without a voice."""

CHANGES_MOST = 1_000


class _Change(msgspec.Struct):
    told_at: float
    source: int
    since: float | None = None
    """When that one began to be dominant; None until the speech around it is known."""


class DominantSpeakers:
    """The dominant speaker at each moment; all times are Unix seconds."""

    def __init__(self, beginnings: Beginnings) -> None:
        """``beginnings`` is filled by whoever hears the packets."""
        self.lag = LagEstimate(LAG_DEFAULT)
        self._beginnings = beginnings
        self._changes: deque[_Change] = deque(maxlen=CHANGES_MOST)
        self._first: _Change | None = None
        self._told: int | None = None

    def tell(self, at: float, history: tuple[int, ...]) -> None:
        """The platform says at ``at`` who is dominant (the first of ``history``, never empty), and who was before."""
        source = history[0]
        if source == self._told:
            return
        change = _Change(at, source)
        if self._told is None and len(history) > 1:
            self._changes.append(_Change(at, history[1], since=float("-inf")))
        elif self._told is None:
            self._first = change
        self._told = source
        self._changes.append(change)

    def at(self, moment: float, heard_until: float) -> int | None:
        """Who was dominant at ``moment``; None before anybody was.

        Moments must not run back by much. Changes told until ``moment`` + LAG_MOST decide; so ``heard_until``, up to which all
        speech is known, should lie EARLY_MOST further on.
        """
        for change in self._changes:
            if change.since is None and change.told_at + EARLY_MOST <= heard_until:
                self._settle(change)
        while len(self._changes) > 1 and self._has_begun(self._changes[1], moment):
            self._changes.popleft()
        return (
            self._changes[0].source if self._changes and self._has_begun(self._changes[0], moment) else None
        )

    def _has_begun(self, change: _Change, moment: float) -> bool:
        return change.since is not None and change.since <= moment

    def _settle(self, change: _Change) -> None:
        """Dominance begins with the speech that it was told of; where that one cut in, the lag has to do.

        The first of all begins with all speech that it can have been told of: nobody was dominant before.
        """
        near = self._beginnings.between(change.told_at - LAG_MOST, change.told_at + EARLY_MOST)
        self.lag.learn([change.told_at - begun for begun in near])
        expected = change.told_at - self.lag.value
        if change is self._first:
            change.since = min([*near, expected]) - FIRST_MARGIN
            return
        snapped = min(near, key=lambda begun: abs(begun - expected), default=expected)
        change.since = snapped if abs(snapped - expected) <= SNAP else expected
