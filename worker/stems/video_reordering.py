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

MOST_WAITING: Final = 500
"""Frames that ``release`` lets wait at most, about 8 s of 60 a second."""


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
        self._before_restart: list[OrderedFrame] = []
        """Frames from before the timestamps began anew."""
        self._waiting: list[OrderedFrame] = []
        """In order, each at a place of its own."""
        self._newest: int | None = None
        """The newest timestamp, unwrapped."""
        self._newest_arrived = 0.0
        self._last: tuple[int, int] | None = None
        """The place of the last frame that was given out."""
        self._given: deque[tuple[int, int]] = deque(maxlen=MOST_WAITING)
        """The places of the latest frames that were given out."""
        self._lacks = False
        """Whether a frame is missing before the next one that is given out, because it came late."""

    def push(self, frame: VideoFrame, arrival: float, logged: float) -> None:
        """Takes the next frame by arrival."""
        timestamp = self._unwrapped(frame.timestamp)
        if self._begins_anew(frame, timestamp, arrival):
            self._before_restart += self._waiting
            self._waiting = []
            self._newest = self._last = None
            self._given.clear()
            timestamp = frame.timestamp
            # Where it needs others, those of the new timestamps are missing.
            self.gap |= not frame.key
        place = (timestamp, frame.spatial)
        # A place alone sorts before the frame at it.
        index = bisect_left(self._waiting, place)
        if self._waiting[index : index + 1] and self._waiting[index][:2] == place:
            self.repeated += 1
            return
        if self._last is not None and place <= self._last:
            if place in self._given:
                self.repeated += 1
            else:
                self.late += 1
                self._lacks = True
            return
        if self._newest is None or timestamp > self._newest:
            self._newest, self._newest_arrived = timestamp, arrival
        self._waiting.insert(index, OrderedFrame(*place, frame, arrival, logged, self.gap, arrival))
        self.gap = False
        self.waiting_bytes += len(frame.payload)

    def release(self, until: float = inf) -> list[OrderedFrame]:
        """Gives out the frames that were logged by ``until`` (Unix seconds), in decoding order, as far as none before them
        still waits."""
        queue = self._before_restart + self._waiting
        count = 0
        while count < len(queue) and (queue[count].logged <= until or len(queue) - count > MOST_WAITING):
            count += 1
        # What stays came before some that go, where it waits for one behind them.
        sent_by = list(accumulate((each.arrival for each in reversed(queue)), min))[::-1]
        released = [each._replace(sent_by=by) for each, by in zip(queue[:count], sent_by, strict=False)]
        if released and self._lacks:
            released[0] = released[0]._replace(after_gap=True)
            self._lacks = False
        of_before = len(self._before_restart)
        del self._before_restart[:count]
        if count > of_before:
            del self._waiting[: count - of_before]
            self._last = released[-1][:2]
            self._given += [each[:2] for each in released[of_before:]]
        self.waiting_bytes -= sum(len(each.frame.payload) for each in released)
        return released

    def _unwrapped(self, timestamp: int) -> int:
        """The 32-bit timestamp as the number nearest to the newest one."""
        if self._newest is None:
            return timestamp
        return self._newest + ((timestamp - self._newest + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000

    def _begins_anew(self, frame: VideoFrame, timestamp: int, arrival: float) -> bool:
        """Whether the sender's timestamps begin anew; a key frame needs nothing before it, so it is never late."""
        if self._newest is None:
            return False
        if frame.key and self._last is not None and timestamp < self._last[0]:
            return True
        paused = max(0.0, arrival - self._newest_arrived) * TICKS
        return not -RESTART < timestamp - self._newest < paused + RESTART
