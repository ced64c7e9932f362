"""Who was dominant when: the history that Teams sends over ``main-channel``, moved back by its lag (pure)."""

from __future__ import annotations

from collections import deque

import msgspec

from worker.stems.lag_estimate import LagEstimate, SpeechOnsets

MAX_LAG = 2.0
"""A change of the dominant speaker is announced at most this many seconds late."""

MAX_EARLY = 0.25
"""It may be announced this many seconds before the speech arrives, which takes another path."""

DEFAULT_LAG = 0.3
"""Seconds; used until the call has shown its own lag."""

SNAP = 0.35
"""A change belongs to the speech that began at most this many seconds from where the lag puts it."""

FIRST_MARGIN = 0.6
"""Seconds before the first speech of the call that belong to it: a first word may begin unvoiced."""

MAX_CHANGES = 1_000
"""Changes that are kept."""


class _Change(msgspec.Struct):
    announced_at: float
    source: int
    since: float | None = None
    """When ``source`` became dominant; None until the speech around it is known."""


class DominantSpeakers:
    """The dominant speaker at each moment; all times are seconds of meeting time."""

    def __init__(self, onsets: SpeechOnsets) -> None:
        """``onsets`` is filled by the caller, from the packets."""
        self.lag = LagEstimate(DEFAULT_LAG)
        self._onsets = onsets
        self._changes: deque[_Change] = deque(maxlen=MAX_CHANGES)
        self._first: _Change | None = None
        self._latest: int | None = None

    def add(self, at: float, history: tuple[int, ...]) -> None:
        """Adds what the platform sends at ``at``: ``history``, never empty, is the dominant speaker and those before."""
        source = history[0]
        if source == self._latest:
            return
        change = _Change(at, source)
        if self._latest is None and len(history) > 1:
            self._changes.append(_Change(at, history[1], since=float("-inf")))
        elif self._latest is None:
            self._first = change
        self._latest = source
        self._changes.append(change)

    def at(self, moment: float, heard_until: float) -> int | None:
        """Who was dominant at ``moment``; None before the first speaker.

        From call to call ``moment`` must not go back by more than jitter. All speech must be known up to ``heard_until``, which
        should be MAX_LAG + MAX_EARLY after ``moment``: changes that are announced until then decide.
        """
        for change in self._changes:
            if change.since is None and change.announced_at + MAX_EARLY <= heard_until:
                self._settle(change)
        while len(self._changes) > 1 and self._has_begun(self._changes[1], moment):
            self._changes.popleft()
        return (
            self._changes[0].source if self._changes and self._has_begun(self._changes[0], moment) else None
        )

    def _has_begun(self, change: _Change, moment: float) -> bool:
        return change.since is not None and change.since <= moment

    def _settle(self, change: _Change) -> None:
        """Dominance begins with the speech that it was announced for; if that began without a pause, the lag decides.

        The first change of the call begins with the earliest speech that it can be about: nobody was dominant before.
        """
        near = self._onsets.between(change.announced_at - MAX_LAG, change.announced_at + MAX_EARLY)
        self.lag.learn([change.announced_at - onset for onset in near])
        expected = change.announced_at - self.lag.value
        if change is self._first:
            change.since = min([*near, expected]) - FIRST_MARGIN
            return
        snapped = min(near, key=lambda onset: abs(onset - expected), default=expected)
        change.since = snapped if abs(snapped - expected) <= SNAP else expected
