"""Places video frames in time by their RTP timestamps and the arrival of the least delayed of them (pure).

A frame is never early, only late: a large key frame takes longer to send, and a lost packet to send again. So the lowest recent
offset (arrival minus timestamp) is the time that all frames take at least, and what is above it is delay. Video needs no place
to the sample, so a clock that drifts is followed by the age of what counts as recent alone.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Generic, NamedTuple, TypeVar

Item = TypeVar("Item")

TICKS: Final = 90_000
"""RTP ticks a second, of all video codecs."""

HOLD: Final = 1.0
"""Seconds by arrival that frames are held where the offset is not known. A key frame that came late is followed by frames that
came less late."""

MOST_HELD: Final = 240
"""Frames that are held at most: more than anybody sends in a second."""

BLOCK: Final = 1.0
"""Seconds: the lowest offset is kept for each second that has frames."""

RECENT_BLOCKS: Final = 10
RECENT: Final = 60.0
"""Recent are the last ten seconds that have frames, of the last 60: a clock drifts by 12 ms in it at 200 ppm."""

PAUSE: Final = 10.0
"""Seconds without a frame after which the offset is determined anew: the clock may have drifted since."""

FASTEST_DRIFT: Final = 0.000_5
"""Clocks drift by 500 ppm at most."""

JUMP: Final = 1.0
"""Seconds by which an offset changes only if the timestamps jumped, the sender's clock stood still, or a queue built up."""

LONGEST_DELAY: Final = 5.0
"""Seconds: a receiver asks for a new key frame, and drops what it waited for, before frames are later than that."""


class PlacedFrame(NamedTuple, Generic[Item]):
    """A frame's ``item``, shown from ``seconds`` on, on the clock of the arrivals."""

    seconds: float
    item: Item


class _Held(NamedTuple, Generic[Item]):
    """A frame that waits: its timestamp in seconds, unwrapped, and its arrival."""

    sent: float
    arrival: float
    item: Item

    @property
    def offset(self) -> float:
        return self.arrival - self.sent


class FrameClock(Generic[Item]):
    """The clock of one video source: one SSRC, and one person who is shown on it (a new one for a new source).

    Frames are held for up to HOLD seconds at a start, after a pause and at a jump of the timestamps, until it shows which were
    delayed. The places are strictly increasing.
    """

    def __init__(self) -> None:
        self._timestamp = 0
        """The last frame's, unwrapped."""
        self._last: _Held[Item] | None = None
        self._held: list[_Held[Item]] = []
        self._held_since = 0.0
        """The earliest arrival of those that are held."""
        self._paused = 0.0
        """How long no frame came before those that are held, in seconds."""
        self._floor: float | None = None
        self._blocks: deque[tuple[float, float]] = deque(maxlen=RECENT_BLOCKS)
        """(arrival of the first frame, lowest offset) of seconds that have frames."""
        self._placed = float("-inf")

    def put(self, timestamp: int, arrival: float, item: Item) -> list[PlacedFrame[Item]]:
        """Takes the next frame, in decoding order: its 32-bit RTP timestamp (90 kHz) and its arrival in seconds, which is later
        than that of frames behind it where its packets were sent again.

        Returns the frames that are placed by now, in order: mostly this one alone.
        """
        if self._last is None:
            self._timestamp = timestamp
        # The nearest number with these 32 bits.
        self._timestamp += (timestamp - self._timestamp + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
        frame = _Held(self._timestamp / TICKS, arrival, item)
        placed: list[PlacedFrame[Item]] = []
        last, self._last = self._last, frame
        if self._held:
            if last is not None and _has_jumped(last, frame):
                placed = self.flush()
        elif self._floor is not None and last is not None:
            paused = arrival - last.arrival
            if paused <= PAUSE and abs(frame.offset - self._floor) <= JUMP:
                self._follow(frame)
                return [self._place(frame)]
            self._paused = paused
        self._held_since = min(arrival, self._held_since) if self._held else arrival
        self._held.append(frame)
        if arrival - self._held_since >= HOLD or len(self._held) >= MOST_HELD:
            placed += self.flush()
        return placed

    def flush(self) -> list[PlacedFrame[Item]]:
        """Places what is held: at the end of the source, or where no more is to be waited for."""
        if not self._held:
            return []
        held, self._held = self._held, []
        self._determine(min(frame.offset for frame in held), held[0].arrival)
        for frame in held:
            self._follow(frame)
        self._paused = 0.0
        return [self._place(frame) for frame in held]

    def _determine(self, lowest: float, arrival: float) -> None:
        """Determines the floor by the lowest offset of frames that were held, the first of which came at ``arrival``."""
        floor = self._floor
        if floor is None or abs(lowest - floor) > JUMP:
            # Frames of a queue come faster than they were sent: a second of them would reach down to the floor.
            self._blocks.clear()
            self._blocks.append((arrival, lowest))
        elif self._paused > PAUSE:
            # After a pause comes a key frame: what is above any drift is its delay.
            self._blocks.clear()
            self._blocks.append((arrival, min(lowest, floor + self._paused * FASTEST_DRIFT)))
        self._floor = min(low for _, low in self._blocks)

    def _follow(self, frame: _Held[Item]) -> None:
        """Takes a frame's offset into the floor."""
        blocks = self._blocks
        began, low = blocks[-1]
        if frame.arrival - began < BLOCK:
            blocks[-1] = (began, min(low, frame.offset))
        else:
            blocks.append((frame.arrival, frame.offset))
            while frame.arrival - blocks[0][0] > RECENT:
                blocks.popleft()
        self._floor = min(low for _, low in blocks)

    def _place(self, frame: _Held[Item]) -> PlacedFrame[Item]:
        assert self._floor is not None
        self._placed = max(frame.sent + self._floor, self._placed + 1 / TICKS)
        return PlacedFrame(self._placed, frame.item)


def _has_jumped(before: _Held[Item], after: _Held[Item]) -> bool:
    """Whether the timestamps have jumped between two frames that are held; else one of them was delayed."""
    step = after.offset - before.offset
    return step < -LONGEST_DELAY or step - (after.arrival - before.arrival) > JUMP
