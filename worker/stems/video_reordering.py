"""Puts the video frames of one stream into decoding order (pure).

The page's transform gives a frame as soon as it is whole, and one whose packets had to be sent again is whole after frames that
need it. Frames carry the RTP time of their capture, and calls send no frame before one that it needs (no B-frames), so decoding
order is that of the timestamps, and of the spatial layers within one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from itertools import accumulate
from math import inf
from typing import Final, NamedTuple

from worker.tape.events import VideoFrame

TICKS: Final = 90_000
"""RTP ticks a second, of all video codecs."""

RESTART: Final = 3 * TICKS
"""A timestamp that is 3 s or more before the newest is not late, and one that is so much more after it than it arrived has not
followed it: the sender's timestamps begin anew."""

STRAGGLING: Final = 1.0
"""Seconds after the timestamps began anew in which frames from before may still come."""

STRAGGLERS_JITTER: Final = 0.1
"""Seconds by which the newest frame from before may have come late: those after it seem captured later by so much."""

MOST_WAITING: Final = 500
"""Frames that ``release`` lets wait at most, about 8 s of 60 a second."""

MOST_FORMER: Final = 4
"""Times that the timestamps began anew before the last one, from before which frames may still come."""


class OrderedFrame(NamedTuple):
    """A frame at its place in decoding order, which is that of the first two fields.

    ``arrival`` is in seconds of meeting time, ``logged`` in Unix seconds. ``after_gap``: frames are missing before it.
    ``sent_by`` is the earliest arrival of it and those that follow it, in seconds of meeting time: it was sent before them.
    """

    timestamp: int
    spatial: int
    frame: VideoFrame
    arrival: float
    logged: float
    after_gap: bool
    sent_by: float


def _nearest(timestamp: int, number: int) -> int:
    """The number nearest to ``number`` that has these 32 bits."""
    return number + ((timestamp - number + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000


class _Run:
    """Frames whose timestamps go on from each other. ``is_anew``: others came before, and none of these was given out."""

    def __init__(self, *, is_anew: bool) -> None:
        self.newest: int | None = None
        """The newest timestamp, unwrapped."""
        self.newest_arrived = 0.0
        self.until = inf
        """The arrival of the frame with which others began."""
        self.waiting: list[OrderedFrame] = []
        """In order, each at a place of its own."""
        self.last: tuple[int, int] | None = None
        """The place of the last frame that was given out."""
        self.given: deque[tuple[int, int]] = deque(maxlen=MOST_WAITING)
        """The places of the latest frames that were given out."""
        self.lacks = False
        """Whether a frame is missing before the next one that is given out, because it came late."""
        self.is_anew = is_anew

    def unwrapped(self, timestamp: int) -> int:
        """The 32-bit timestamp as the number nearest to the newest one."""
        return timestamp if self.newest is None else _nearest(timestamp, self.newest)

    def ends_at(self, frame: VideoFrame, arrival: float) -> bool:
        """Whether the sender's timestamps begin anew; a key frame needs nothing before it, so it is never late."""
        if self.newest is None:
            return False
        timestamp = self.unwrapped(frame.timestamp)
        if frame.key and self.last is not None and timestamp < self.last[0]:
            return True
        paused = max(0.0, arrival - self.newest_arrived) * TICKS
        return not -RESTART < timestamp - self.newest < paused + RESTART

    def had(self, frame: VideoFrame, arrival: float) -> bool:
        """Whether a frame that came after this run's end is one of it.

        A key frame that was captured once the others had begun is not: the sender has gone back to these timestamps. What comes
        without a key frame cannot be decoded, from before or not.
        """
        if self.newest is None:
            return False
        step = self.unwrapped(frame.timestamp) - self.newest
        if frame.key and step > (self.until - self.newest_arrived + STRAGGLERS_JITTER) * TICKS:
            return False
        return arrival - self.until <= STRAGGLING and -RESTART < step < STRAGGLING * TICKS

    def begins_after(self, frame: VideoFrame) -> bool:
        """Whether the run begins with a key frame that waits, and that ``frame`` does not need."""
        first = self.waiting[0] if self.waiting and self.last is None else None
        return first is not None and first.frame.key and self.unwrapped(frame.timestamp) < first.timestamp

    def put(self, ordered: OrderedFrame) -> None:
        """Adds a frame whose place is free."""
        index = bisect_left(self.waiting, ordered[:2])
        if self.waiting[index : index + 1] and self.waiting[index].after_gap:
            # What is missing may belong before this one, too.
            ordered = ordered._replace(after_gap=True)
        self.waiting.insert(index, ordered)

    def note_newest(self, timestamp: int, arrival: float) -> None:
        if self.newest is None or timestamp > self.newest:
            self.newest, self.newest_arrived = timestamp, arrival

    def take_after(self, key_frame: VideoFrame) -> list[OrderedFrame]:
        """Removes the frames that came after this run's end and were captured after ``key_frame``."""
        timestamp = self.unwrapped(key_frame.timestamp)
        later = [each for each in self.waiting if each.arrival > self.until]
        taken = [each for each in later if 0 < each.timestamp - timestamp < STRAGGLING * TICKS]
        self.waiting = [each for each in self.waiting if each not in taken]
        return taken

    def give_out(self, released: list[OrderedFrame]) -> list[OrderedFrame]:
        """Removes the first frames, which are ``released``; returns them with what is missing before the first."""
        if not released:
            return released
        del self.waiting[: len(released)]
        # Where it needs others, those of the new timestamps are missing.
        if self.lacks or (self.is_anew and not released[0].frame.key):
            released[0] = released[0]._replace(after_gap=True)
        self.lacks = self.is_anew = False
        self.last = released[-1][:2]
        self.given += [each[:2] for each in released]
        return released


class VideoReordering:
    """The frames of one SSRC of a receiver that wait for earlier ones."""

    def __init__(self) -> None:
        self.late = 0
        """Frames that came after one that follows them was given out."""
        self.repeated = 0
        """Frames that came twice."""
        self.waiting_bytes = 0
        self.gap = False
        """Whether frames are missing before the next one; the caller sets it."""
        self._runs = [_Run(is_anew=False)]
        """The last one goes on; the timestamps of each began after those of the one before."""

    def push(self, frame: VideoFrame, arrival: float, logged: float) -> None:
        """Takes the next frame by arrival."""
        run = self._run_of(frame, arrival)
        place = (run.unwrapped(frame.timestamp), frame.spatial)
        # A place alone sorts before the frame at it.
        index = bisect_left(run.waiting, place)
        if run.waiting[index : index + 1] and run.waiting[index][:2] == place:
            self.repeated += 1
            return
        goes_on = run is self._runs[-1]
        if (run.last is not None and place <= run.last) or (not goes_on and self._is_over(run)):
            if place in run.given:
                self.repeated += 1
            else:
                self.late += 1
                run.lacks = True
            return
        run.put(OrderedFrame(*place, frame, arrival, logged, self.gap and goes_on, arrival))
        self.waiting_bytes += len(frame.payload)
        if goes_on:
            run.note_newest(place[0], arrival)
            self.gap = False
            if frame.key and run.is_anew and run.waiting[0].frame is frame:
                self._fetch_needing(frame)

    def release(self, until: float = inf) -> list[OrderedFrame]:
        """Gives out the frames that were logged by ``until`` (Unix seconds), in decoding order, as far as none before them
        still waits."""
        queue = [each for run in self._runs for each in run.waiting]
        count = 0
        while count < len(queue) and (queue[count].logged <= until or len(queue) - count > MOST_WAITING):
            count += 1
        if not count:
            return []
        # What stays came before some that go, where it waits for one behind them.
        sent_by = list(accumulate((each.arrival for each in reversed(queue)), min))[::-1]
        going = [each._replace(sent_by=by) for each, by in zip(queue[:count], sent_by, strict=False)]
        released: list[OrderedFrame] = []
        for run in self._runs:
            begin = len(released)
            released += run.give_out(going[begin : begin + len(run.waiting)])
        self.waiting_bytes -= sum(len(each.frame.payload) for each in released)
        return released

    def _run_of(self, frame: VideoFrame, arrival: float) -> _Run:
        """The run of a frame, which may begin with it."""
        run = self._runs[-1]
        ends = run.ends_at(frame, arrival)
        if ends or run.begins_after(frame):
            for former in self._runs[-2 : -2 - MOST_FORMER : -1]:
                if former.had(frame, arrival):
                    return former
        return self._begin(frame, arrival) if ends else run

    def _begin(self, frame: VideoFrame, arrival: float) -> _Run:
        """Begins a run with a frame."""
        run = _Run(is_anew=True)
        run.note_newest(frame.timestamp, arrival)
        self._runs[-1].until = arrival
        kept = [each for each in self._runs[:-MOST_FORMER] if each.waiting]
        self._runs = [*kept, *self._runs[-MOST_FORMER:], run]
        return run

    def _fetch_needing(self, key_frame: VideoFrame) -> None:
        """Takes those that came before the first key frame of the last run, and need it, for that run: they seemed to be of a
        former one, whose timestamps the sender has gone back to."""
        run = self._runs[-1]
        for former in self._runs[-3 : -2 - MOST_FORMER : -1]:
            for each in former.take_after(key_frame):
                moved = each._replace(timestamp=run.unwrapped(each.frame.timestamp))
                if any(moved[:2] == other[:2] for other in run.waiting):
                    self.repeated += 1
                    self.waiting_bytes -= len(each.frame.payload)
                    continue
                run.put(moved)
                run.note_newest(moved.timestamp, moved.arrival)

    def _is_over(self, run: _Run) -> bool:
        """Whether a frame of a later run was given out."""
        return any(each.last is not None for each in self._runs[self._runs.index(run) + 1 :])
