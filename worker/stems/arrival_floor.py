"""Estimates the offset of a sender's RTP clock from meeting time by the arrival of its packets (pure).

Arrival time alone shows when a slot's packets were spoken: JavaScript does not get sender reports. A packet is never early,
only late, so the lowest recent (arrival minus timestamp) is the floor, and jitter is above it. A floor that moves slowly
and steadily is a drifting clock; one that moves at once, or fast, is another path or a queue that fills or drains.
"""

from __future__ import annotations

from collections import deque

from worker.audio.opus import SAMPLE_RATE

BLOCK_SAMPLES = SAMPLE_RATE
"""One second: the lowest offset is kept for each second of RTP time."""

REMEMBERED_BLOCKS = 10
"""The floor is the lowest offset of the last ten seconds, in which a clock drifts by 1 ms at 100 ppm."""

LATE = SAMPLE_RATE // 10
"""A second in which all packets are 100 ms late or more does not raise the floor."""

MAX_DRIFT = REMEMBERED_BLOCKS * BLOCK_SAMPLES // 2_000
"""Clocks drift by 500 ppm at most, 5 ms in ten seconds of samples; a floor that moves by more does so for another reason."""

MEASURED_SPANS = 3
"""A drift is believed once it was measured from the lowest offsets of three times ten seconds."""


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
        self._span_low: float | None = None
        """The floor at the end of the last whole span of ten blocks, at first that of the first block."""
        self._span_blocks = 0
        self._spans = 0
        self._drifted = 0.0

    @property
    def drifted(self) -> float:
        """How far the clock has drifted from the places, in samples; 0 until it was measured long enough."""
        return self._drifted + self._step() if self._spans >= MEASURED_SPANS else 0.0

    def roll(self, timestamp: int) -> None:
        """Closes the block that ends before ``timestamp`` (RTP ticks, unwrapped) and computes the floor again."""
        # A block that is late as a whole is a queue's, and says nothing about the path.
        self._blocks.append(self.block_low if self.block_low - self.value < LATE else self.value)
        if self._span_low is None:
            self._span_low = self.block_low
        self.value = min(self._blocks)
        self.block_low = float("inf")
        self.block_ends = timestamp + BLOCK_SAMPLES
        self._span_blocks += 1
        if self._span_blocks == REMEMBERED_BLOCKS:
            self._close_span()

    def lower(self, offset: float) -> None:
        """Lowers the floor to one packet's offset, if that is lower."""
        self.block_low = min(self.block_low, offset)
        self.value = min(self.value, offset)

    def drift_from(self, remaining: float) -> None:
        """Places have been corrected; ``remaining`` samples of the drift are left."""
        self._drifted = remaining - self._step()

    def _step(self) -> float:
        """How far the floor moved since the last whole span, if a clock can drift so far."""
        step = 0.0 if self._span_low is None else self.value - self._span_low
        return step if abs(step) <= MAX_DRIFT else 0.0

    def _close_span(self) -> None:
        """Adds what the clock drifted in the last ten seconds."""
        self._drifted += self._step()
        self._span_low = self.value
        self._span_blocks = 0
        self._spans += 1
