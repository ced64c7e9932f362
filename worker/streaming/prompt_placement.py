"""Orders and places packets at once, for what is heard live (pure).

What worker.stems does for the recording looks at half a second of packets behind the one that is placed. Here a packet in
sequence does not wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from worker.audio.opus import QUANTUM, SAMPLE_RATE
from worker.roster.sources import contributing_source
from worker.stems.drift_correction import allows_correction, is_drifted
from worker.stems.jitter_buffer import MAX_MISORDER, JitterBuffer, Packet, count_packet
from worker.stems.placement import SPURT_BREAK, SlotPlacement
from worker.stems.speaker_track import SpeakerTrack


class PromptBuffer(JitterBuffer):
    """Releases packets in sequence at once.

    Those behind a gap, and the first of all, wait for ``deadline`` seconds after their arrival at most. Then the stream goes
    on; what is missing and comes later is counted as late. A packet that was put back waits as long. The first of another
    source waits for ``jitter`` seconds, or ``deadline`` if that is less: those behind it show by how much it was delayed.
    """

    def __init__(
        self,
        deadline: float,
        source_of: Callable[[tuple[int, ...]], int | None] = contributing_source,
        jitter: Callable[[], float] = lambda: 0.0,
    ) -> None:
        super().__init__(source_of)
        self._deadline = deadline
        self._jitter = jitter
        self._put_back = -1
        """The sequence number of a packet that waits for those behind it to show why it is late."""

    def release(self, now: float) -> Iterator[Packet]:
        """See JitterBuffer."""
        pending = self.pending
        limit = now - self._deadline
        while pending and (pending[0].due <= limit or self._goes_on(pending[0], now)):
            yield self.take()

    def _goes_on(self, packet: Packet, now: float) -> bool:
        """Whether ``packet`` is the next in sequence, and has no reason to wait."""
        if packet.sequence != self._released_sequence + 1:
            return False
        if packet.sequence == self._put_back:
            return packet.arrival <= now - self._deadline
        if packet.csrc == self._released_csrc or not packet.payload:
            return True
        return packet.due <= now - self._jitter()

    def put_back(self, packet: Packet, due: float) -> None:
        """See JitterBuffer; here the packet waits for ``deadline``, whatever ``due`` is."""
        self._put_back = packet.sequence
        super().put_back(packet, due)

    def take(self) -> Packet:
        """See JitterBuffer. What was sent shortly before the first packet of all and comes later is late, and no new stream."""
        if not self._has_released:
            first = self.pending[0].sequence
            self._lost.add(first - MAX_MISORDER, first)
        return super().take()


EARLIER = 5 * QUANTUM
"""Places that are more than 12.5 ms later than a packet's arrival shows are corrected at that packet: by more than the PCM
follows without a gap (worker.audio.pcm_chunks.MOST_BEHIND)."""

LATEST_TAIL = SAMPLE_RATE * 6 // 5
"""The end of a talk-spurt comes up to 1.2 s late through the slot that its source has left; what is later begins anew."""


class PromptPlacement(SlotPlacement):
    """Places packets of which few behind them are known in advance.

    Drift is corrected at the next packet that is quiet enough. Each anchor is provisional: it may be that of a packet that was
    queued, or of a clock that did not stand still. As soon as a packet shows that places are too late, it goes to its place,
    even before what was placed too late. What comes late through a slot that its source has left goes by that slot's clock.
    """

    _awaits_quiet = False
    """Whether a drift is to be corrected."""

    _left: SpeakerTrack | None = None
    """The track of the source that has moved from here to another slot."""

    def place(self, packet: Packet) -> None:
        """Places the slot's next packet in sequence order."""
        if self._awaits_quiet and packet.payload and not packet.recovered:
            drift = self._clock.drift
            if not is_drifted(drift):
                self._awaits_quiet = False
            elif allows_correction(drift, packet):
                self._correct_at = packet.sequence
        if packet.payload and packet.csrc == self._csrc and self._track is not None:
            if self._is_earlier(packet):
                # What was lost has no length that is known: concealed, it would lie where this packet goes.
                self._next_sequence = packet.sequence
            self._go_back(self._track, packet)
        super().place(packet)

    def hand_over(self, csrc: int | None) -> None:
        """See SlotPlacement."""
        if csrc == self._csrc and self._track is not None:
            self._left = self._track
        super().hand_over(csrc)

    def _begin(self, packet: Packet) -> SpeakerTrack | None:
        left = self._left
        if left is not None and self._is_tail(packet) and self._track_of(packet.csrc) is left:
            return self._begin_tail(packet, left)
        track = super()._begin(packet)
        if track is not None:
            self._left = None
            self._go_back(track, packet)
        return track

    def _is_earlier(self, packet: Packet) -> bool:
        """Anchors anew if the packet shows that places are too late; returns whether."""
        clock = self._clock
        offset = packet.arrival * SAMPLE_RATE - packet.timestamp
        if clock.undo_standstill(packet.timestamp, offset):
            return True
        if clock.base - offset <= EARLIER:
            return False
        clock.move_earlier(packet.timestamp, offset)
        return True

    def _is_tail(self, packet: Packet) -> bool:
        """Whether the packet belongs to the talk-spurt that moved to another slot, and was late."""
        late = packet.arrival * SAMPLE_RATE - packet.timestamp - self._clock.base
        gap = packet.timestamp - self._clock_timestamp
        return packet.csrc == self._csrc and EARLIER < late <= LATEST_TAIL and 0 <= gap <= SPURT_BREAK

    def _begin_tail(self, packet: Packet, track: SpeakerTrack) -> SpeakerTrack | None:
        """Goes back to the place of a late packet; its source stays in the slot to which it moved."""
        if track.repeats(packet.payload, self._clock.base + packet.timestamp):
            count_packet(self.buffer.counts.duplicate, packet)
            return None
        # The packet is late itself, after none that was.
        self._offset = packet.arrival * SAMPLE_RATE - packet.timestamp
        self._go_back(track, packet)
        return track

    def _go_back(self, track: SpeakerTrack, packet: Packet) -> None:
        """Lets the packet have its place, where ``track`` is further."""
        place = self._clock.base + packet.timestamp
        if track.end - place > EARLIER:
            track.go_back(place)

    def _check_drift(self, packet: Packet) -> None:
        self._clock.roll(packet.timestamp)
        self._awaits_quiet = is_drifted(self._clock.drift)
