"""Places video frames in time by their RTP timestamps and the arrival of the least delayed of them (pure)."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")


class PlacedFrame(NamedTuple, Generic[Item]):
    """A frame's ``item``, shown from ``seconds`` on, on the clock of the arrivals."""

    seconds: float
    item: Item


class FrameClock(Generic[Item]):
    """The clock of one video source: one SSRC, and one person who is shown on it (a new one for a new source).

    Frames are held for up to HOLD seconds at a start, after a pause and at a jump of the timestamps, until it shows which were
    delayed. The places are strictly increasing.
    """

    def put(self, timestamp: int, arrival: float, item: Item) -> list[PlacedFrame[Item]]:
        """Takes the next frame, in decoding order: its 32-bit RTP timestamp (90 kHz) and its arrival in seconds. Returns the
        frames that are placed by now, in order: mostly this one alone."""
        raise NotImplementedError

    def flush(self) -> list[PlacedFrame[Item]]:
        """Places what is held: at the end of the source, or where no more is to be waited for."""
        raise NotImplementedError
