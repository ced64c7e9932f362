"""Judges the times that events claim by the worker's own log times (pure).

The page's clock is translated to the worker's before anything is written; tapes from before that, and a page whose clock goes
wrong, hold times of another clock. An event was written after it happened, so nothing is later than its log time, and a page
whose times are all far in the past has a clock that is behind.
"""

from __future__ import annotations

from worker.tape.events import FrameBatch, VideoBatch

TOLERANCE = 1.0
"""Seconds; a time up to this much after its log time is believed: two clocks are never exactly the same."""

LATEST_DELIVERY = 10.0
"""Seconds. A document whose packets have never been written sooner after their arrival than this is not slow but has a clock
that is behind: a packet so late would have no place any more."""

LONGEST_MEETING = 48 * 3600.0
"""Seconds. No recording lasts longer, so a log time after that is damaged."""


class MeetingClock:
    """Converts Unix times to meeting time, in seconds; ``zero`` is meeting time 0."""

    def __init__(self, zero: float) -> None:
        self.zero = zero
        self._least_delays: dict[int, float] = {}
        """By document: the shortest time from a batch's last arrival to its log time, in seconds."""

    def event_time(self, at: float, logged: float) -> float:
        """The meeting time of an event that claims ``at``: its log time at most, give or take TOLERANCE."""
        return min(at - self.zero, self.latest(logged))

    def page_zero(self, batch: FrameBatch | VideoBatch, logged: float) -> float:
        """Meeting time 0 on the clock of the batch's document, in seconds. ``batch`` holds at least one frame."""
        delay = logged - batch.frames[-1].arrival
        least = self._least_delays.get(batch.document)
        if least is None or delay < least:
            least = self._least_delays[batch.document] = max(0.0, delay)
        return self.zero if least <= LATEST_DELIVERY else self.zero - least

    def latest(self, logged: float) -> float:
        """The latest meeting time that is believed of what was logged at ``logged``."""
        return min(logged + TOLERANCE - self.zero, LONGEST_MEETING)
