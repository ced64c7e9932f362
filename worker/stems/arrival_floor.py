"""Ties a sender's RTP clock to meeting time by when its packets arrive (pure).

Nothing but arrival time says when a slot's packets were spoken: sender reports are not shown to JavaScript. A packet is never
early, only late, so the smallest (arrival minus timestamp) of late is the floor, and jitter lies above it.
"""

from __future__ import annotations

from collections import deque

BLOCK_SAMPLES = 48_000
"""The floor is kept per second of RTP time."""

REMEMBERED_BLOCKS = 10
"""A floor is believed for ten seconds: 1 ms of drift at 100 ppm."""


class ArrivalFloor:
    """The smallest recent (arrival minus timestamp) of one RTP clock, in samples at 48 kHz.

    Added to a packet's timestamp it gives the packet's place in meeting time, as far as arrivals can tell.
    """

    def __init__(self, offset: float, timestamp: int) -> None:
        self.value = offset
        """The floor, in samples."""
        self.block_ends = timestamp + BLOCK_SAMPLES
        """The timestamp from which on ``roll`` is due."""
        self.block_low = offset
        """The lowest offset since the last ``roll``; whoever sees packets lowers it."""
        self._blocks: deque[float] = deque(maxlen=REMEMBERED_BLOCKS)

    def roll(self, timestamp: int) -> None:
        """Closes the block that ends before ``timestamp`` (RTP ticks, unwrapped) and takes the floor anew."""
        self._blocks.append(self.block_low)
        self.value = min(self._blocks)
        self.block_low = float("inf")
        self.block_ends = timestamp + BLOCK_SAMPLES

    def lower(self, offset: float) -> None:
        """Takes one packet's offset into account."""
        self.block_low = min(self.block_low, offset)
        self.value = min(self.value, offset)
