"""Orders and places packets at once, for what is heard live (pure).

What worker.stems does for the recording looks at half a second of packets behind the one that is placed. Here a packet in
sequence does not wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
    """Corrects drift at the next packet that is quiet enough: few are known in advance from which to choose the quietest."""

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
        super().place(packet)

    def _check_drift(self, packet: Packet) -> None:
        self._clock.roll(packet.timestamp)
        self._awaits_quiet = is_drifted(self._clock.drift)
