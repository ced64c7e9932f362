"""Estimates the offset of a sender's RTP clock from meeting time by the arrival of its packets (pure).

Arrival time alone shows when a slot's packets were spoken: JavaScript does not get sender reports. A packet is never early,
only late, so the lowest recent (arrival minus timestamp) is the floor, and jitter lies above it.
"""

from __future__ import annotations

from collections import deque

BLOCK_SAMPLES = 48_000
"""One second: the lowest offset is kept for each second of RTP time."""

REMEMBERED_BLOCKS = 10
"""The floor is the lowest offset of the last ten seconds, in which a clock drifts by 1 ms at 100 ppm."""


class ArrivalFloor:
    """The lowest recent offset (arrival minus timestamp) of one RTP clock, in samples at 48 kHz.

    Added to a packet's timestamp it gives the packet's place in meeting time, as far as arrivals show.
    """

    def __init__(self, offset: float, timestamp: int) -> None:
        self.value = offset
        """The floor, in samples."""
        self.block_ends = timestamp + BLOCK_SAMPLES
        """``roll`` is due from this timestamp on."""
        self.block_low = offset
        """The lowest offset since the last ``roll``."""
        self._blocks: deque[float] = deque(maxlen=REMEMBERED_BLOCKS)

    def roll(self, timestamp: int) -> None:
        """Closes the block that ends before ``timestamp`` (RTP ticks, unwrapped) and computes the floor again."""
        self._blocks.append(self.block_low)
        self.value = min(self._blocks)
        self.block_low = float("inf")
        self.block_ends = timestamp + BLOCK_SAMPLES

    def lower(self, offset: float) -> None:
        """Lowers the floor to one packet's offset, if that is lower."""
        self.block_low = min(self.block_low, offset)
        self.value = min(self.value, offset)
