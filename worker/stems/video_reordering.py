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


class _Former(NamedTuple):
    """Timestamps that went on until others began at ``until`` (by arrival): the ``newest`` and when it ``arrived``, where their
    frames ``begin`` among those that wait from before, and the place of the ``last`` one that was given out."""

    newest: int
    arrived: float
    until: float
    begin: int
    last: tuple[int, int] | None

    def has(self, frame: VideoFrame, arrival: float) -> bool:
        """Whether a frame with another timestamp than is expected is one of them.

        A key frame that was captured once the others had begun is not: the sender has gone back to these timestamps. What comes
        without a key frame cannot be decoded, from before or not.
        """
        step = _nearest(frame.timestamp, self.newest) - self.newest
        if frame.key and step > (self.until - self.arrived + STRAGGLERS_JITTER) * TICKS:
            return False
        return arrival - self.until <= STRAGGLING and -RESTART < step < STRAGGLING * TICKS

    def after(self, released: list[OrderedFrame]) -> _Former:
        """After those that waited from before were given out up to here."""
        mine = released[self.begin :]
        return self._replace(
            begin=max(0, self.begin - len(released)), last=mine[-1][:2] if mine else self.last
        )


def _nearest(timestamp: int, number: int) -> int:
    """The number nearest to ``number`` that has these 32 bits."""
    return number + ((timestamp - number + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000


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
        self._former: _Former | None = None
        """The timestamps before they began anew the last time."""
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
            if self._former is not None and self._former.has(frame, arrival):
                self._push_straggler(frame, arrival, logged, self._former)
                return
            self._former = _Former(
                self._newest or 0, self._newest_arrived, arrival, len(self._before_restart), self._last
            )
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
        if self._former is not None:
            self._former = self._former.after(released[:of_before])
        del self._before_restart[:count]
        if count > of_before:
            del self._waiting[: count - of_before]
            self._last = released[-1][:2]
            self._given += [each[:2] for each in released[of_before:]]
        self.waiting_bytes -= sum(len(each.frame.payload) for each in released)
        return released

    def _push_straggler(self, frame: VideoFrame, arrival: float, logged: float, former: _Former) -> None:
        """Takes a frame from before the timestamps began anew."""
        place = (_nearest(frame.timestamp, former.newest), frame.spatial)
        same = self._before_restart[former.begin :]
        index = bisect_left(same, place)
        if same[index : index + 1] and same[index][:2] == place:
            self.repeated += 1
        elif self._last is not None or (former.last is not None and place <= former.last):
            self.late += 1
            self._lacks |= bool(same)
        else:
            ordered = OrderedFrame(*place, frame, arrival, logged, False, arrival)
            self._before_restart.insert(former.begin + index, ordered)
            self.waiting_bytes += len(frame.payload)

    def _unwrapped(self, timestamp: int) -> int:
        """The 32-bit timestamp as the number nearest to the newest one."""
        return timestamp if self._newest is None else _nearest(timestamp, self._newest)

    def _begins_anew(self, frame: VideoFrame, timestamp: int, arrival: float) -> bool:
        """Whether the sender's timestamps begin anew; a key frame needs nothing before it, so it is never late."""
        if self._newest is None:
            return False
        if frame.key and self._last is not None and timestamp < self._last[0]:
            return True
        paused = max(0.0, arrival - self._newest_arrived) * TICKS
        return not -RESTART < timestamp - self._newest < paused + RESTART
