"""Bounds what a page says about the numbers of its batches (pure).

Any script of a hostile page can send a batch with any number and any count of dropped frames, among those of the tap's own
script. What is taken from them goes onto the tape, and from there into manifest, metrics and log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

MOST_MISSING: Final = 1000
"""Batches that may be missing before one: more are never in flight. It is also what a page can begin in a second, as its timers
take a millisecond or more."""


class Counted(NamedTuple):
    """One batch, as far as its numbers are believed.

    ``sequence`` and ``dropped`` are the batch's own, as in FrameBatch: neither ever decreases. ``missing`` batches are missing
    before it, and ``newly_dropped`` frames were dropped since the one before. ``odd`` says what is wrong with the numbers that
    the page sent, in one line; "" where nothing is.
    """

    sequence: int
    dropped: int
    missing: int
    newly_dropped: int
    odd: str


@dataclass
class _Run:
    """Numbers that follow each other: the page's next one, and the frames that it has dropped so far."""

    expected: int = 0
    dropped: int = 0


class BatchNumbers:
    """The numbers of one document's batches of one kind.

    ``since``: seconds by any clock, from when on the document can have sent frames, of which there are at most
    ``frames_per_second``. A batch that neither follows the one before nor comes after a gap of at most MOST_MISSING is odd: it
    counts as the next one, and nothing as missing before it. The numbers that follow it are expected then, and those that were
    before, so that one odd batch changes nothing for the others.
    """

    def __init__(self, since: float, frames_per_second: float) -> None:
        self._since = since
        self._frames_per_second = frames_per_second
        self._run = _Run()
        self._former: _Run | None = None
        """The numbers that went on until others came."""
        self._next = 0
        """The number of the next batch, had none been odd."""
        self._missing = 0
        self._dropped = 0

    def take(self, sequence: int, dropped: int, at: float) -> Counted:
        """Takes the next batch, which arrived ``at`` (seconds by the clock of ``since``) with these numbers."""
        passed = at - self._since
        most_missing = min(MOST_MISSING, int(MOST_MISSING * (1 + passed)) - self._missing)
        missing, odd = self._follow(sequence, dropped, max(0, most_missing))
        most_dropped = int(self._frames_per_second * passed) - self._dropped
        newly_dropped, odd_drops = self._drop(dropped, max(0, most_dropped))
        self._missing += missing
        self._dropped += newly_dropped
        number = self._next + missing
        self._next = number + 1
        return Counted(number, self._dropped, missing, newly_dropped, odd or odd_drops)

    def _follow(self, sequence: int, dropped: int, most: int) -> tuple[int, str]:
        """Goes on with the numbers that the batch belongs to. Returns how many are missing before it and what is odd."""
        if self._former is not None and sequence == self._former.expected != self._run.expected:
            self._run, self._former = self._former, self._run
        expected = self._run.expected
        missing = sequence - expected
        if missing:
            self._former = _Run(expected, self._run.dropped)
        self._run.expected = sequence + 1
        if 0 <= missing <= most:
            return missing, ""
        self._run.dropped = dropped
        return 0, f"sequence {sequence}: expected {expected} to {expected + most}"

    def _drop(self, dropped: int, most: int) -> tuple[int, str]:
        """Returns how many frames the page has dropped since its batch before, and what is odd. More than could be sent are not
        believed."""
        before = self._run.dropped
        if 0 <= dropped - before <= most:
            self._run.dropped = dropped
            return dropped - before, ""
        if dropped < before:
            self._run.dropped = dropped
        return 0, f"dropped {dropped}: expected {before} to {before + most}"
