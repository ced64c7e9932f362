"""Orders and places packets at once, for what is heard live (pure).

What worker.stems does for the recording looks at half a second of packets behind the one that is placed. Here a packet in
sequence does not wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from worker.audio.opus import SAMPLE_RATE
from worker.roster.sources import contributing_source
from worker.stems.drift_correction import allows_correction, is_drifted
from worker.stems.jitter_buffer import MAX_MISORDER, JitterBuffer, Packet
from worker.stems.placement import SlotPlacement


class PromptBuffer(JitterBuffer):
    """Releases packets in sequence at once.

    Those behind a gap, and the first of all, wait for ``deadline`` seconds after their arrival at most. Then the stream goes
    on; what is missing and comes later is counted as late. A packet that was put back is in sequence, so it does not wait on.
    """

    def __init__(
        self, deadline: float, source_of: Callable[[tuple[int, ...]], int | None] = contributing_source
    ) -> None:
        super().__init__(source_of)
        self._deadline = deadline

    def release(self, now: float) -> Iterator[Packet]:
        """See JitterBuffer."""
        pending = self.pending
        limit = now - self._deadline
        while pending and (pending[0].sequence == self._released_sequence + 1 or pending[0].due <= limit):
            yield self.take()

    def take(self) -> Packet:
        """See JitterBuffer. What was sent shortly before the first packet of all and comes later is late, and no new stream."""
        if not self._has_released:
            first = self.pending[0].sequence
            self._lost.add(first - MAX_MISORDER, first)
        return super().take()


class PromptPlacement(SlotPlacement):
    """Places packets of which few behind them are known in advance.

    Drift is corrected at the next packet that is quiet enough. A late packet seldom shows why it is late: as soon as later
    ones show that it was queued, and that no clock stood still, they go back to their places, before what was placed too late.
    """

    _awaits_quiet = False
    """Whether a drift is to be corrected."""

    def place(self, packet: Packet) -> None:
        """Places the slot's next packet in sequence order."""
        if self._awaits_quiet and packet.payload and not packet.recovered:
            drift = self._clock.drift
            if not is_drifted(drift):
                self._awaits_quiet = False
            elif allows_correction(drift, packet):
                self._correct_at = packet.sequence
        if packet.payload and packet.csrc == self._csrc and self._track is not None:
            offset = packet.arrival * SAMPLE_RATE - packet.timestamp
            if self._clock.undo_standstill(packet.timestamp, offset):
                self._track.go_back(self._clock.base + packet.timestamp)
        super().place(packet)

    def _check_drift(self, packet: Packet) -> None:
        self._clock.roll(packet.timestamp)
        self._awaits_quiet = is_drifted(self._clock.drift)
