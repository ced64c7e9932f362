"""Gives each packet of a slot its place in meeting time (pure).

Inside a talk-spurt RTP time decides, sample by sample. After each change of (SSRC, CSRC) and each pause, arrival time does.
The drift of a sender that never pauses is corrected where its speech is quietest. A mixer that fills its pauses with comfort
noise is corrected there as in a pause: at the cost of a packet of noise.
"""

from __future__ import annotations

from collections.abc import Callable

from worker.audio.opus import (
    LONGEST_PACKET,
    LONGEST_SILENCE,
    LONGEST_SINGLE,
    QUANTUM,
    SAMPLE_RATE,
    SINGLE_SAMPLES,
    OpusError,
    is_silence,
    packet_samples,
)
from worker.audio.payload_kinds import PayloadKind
from worker.roster.voice import is_voiced
from worker.stems.arrival_pace import FORGOTTEN, lowest_offset
from worker.stems.drift_correction import packet_to_correct_at, shift_at
from worker.stems.jitter_buffer import JitterBuffer, Packet, count_packet
from worker.stems.rtp_clock import STALL, STALL_IN_SPEECH, RtpClock
from worker.stems.speaker_track import SpeakerTrack

SEAMLESS = 4 * QUANTUM
"""Speech that continues in another slot within 10 ms gets no gap: jitter must not cut a word."""

SPURT_BREAK = SAMPLE_RATE // 10
"""When a source moves to another slot, its packets after a gap above 100 ms do not belong to the talk-spurt that moves."""

NOISE_BEFORE = SAMPLE_RATE // 2
"""A packet of comfort noise is left out for late places only 500 ms after the last voice, and the wait in the buffer before the
next: the ends of words have no voice."""

LONGER_LOOK = 1.5
"""Seconds that a late packet waits on where the wait in the buffer does not show whether it was queued or its sender's clock
stood still."""

MOST_AHEAD = SAMPLE_RATE - LONGEST_PACKET
"""So no packet ends later than a second after its arrival: a sender whose packets say that they last longer than they do would
make everybody's files longer."""

MOST_OVERLAP = SAMPLE_RATE // 10
"""A slot that goes on with a source for more than 100 ms after another begins keeps it; estimates of places differ by less."""


class SlotPlacement:
    """Where the packets of one slot (SSRC) go: to which track, at which sample."""

    def __init__(self, buffer: JitterBuffer, track_of: Callable[[int | None], SpeakerTrack | None]) -> None:
        """``track_of`` returns the track of a CSRC, or of this slot's own SSRC for packets that list none.

        Packets for which it returns None are counted in ``refused``.
        """
        self.buffer = buffer
        self._track_of = track_of
        self._track: SpeakerTrack | None = None
        self._csrc: int | None = None
        self._clock = RtpClock()
        self._next_timestamp = -1
        """The timestamp at which the talk-spurt continues; -1 if it has ended."""
        self._clock_timestamp = 0
        """The timestamp at which the last packet ended, speech or silence."""
        self._offset = 0.0
        """That of the last packet of speech: its arrival minus its timestamp, in samples."""
        self._next_sequence = -1
        self._last_samples = 960
        self._correct_at = -1
        """The sequence number of the packet at which the drift is corrected; -1: none."""
        self._noise = 0
        """Samples of comfort noise since the last voice, while places are late."""
        self._voice_heard = False
        """Whether anybody has spoken at all: before that no word can be cut."""

    def place(self, packet: Packet) -> None:  # noqa: PLR0912 - one packet, one pass: calls would cost more than the branches
        """Places the slot's next packet in sequence order."""
        payload = packet.payload
        samples = SINGLE_SAMPLES[payload[0]] if LONGEST_SILENCE < len(payload) <= LONGEST_SINGLE else 0
        if not samples:
            samples = self._examine(packet)
            if not samples:
                return
        sequence = packet.sequence
        timestamp = packet.timestamp
        track = self._track
        clock = self._clock
        offset = packet.arrival * SAMPLE_RATE - timestamp
        if track is None or packet.csrc != self._csrc:
            track = self._begin(packet)
            if track is None:
                self._skip(packet, samples)
                return
        elif offset - clock.floor.value > STALL and self._waits_on(packet, offset):
            return
        elif timestamp != self._next_timestamp:
            self._resume(packet, track)
        elif sequence == self._correct_at and self._correct(packet, samples):
            track.trimmed += 1
            return
        if offset - clock.floor.value > STALL_IN_SPEECH and clock.check_stall(
            packet, self.buffer.pending, offset - self._offset
        ):
            track.expect_speech()
        floor = clock.floor
        if offset < floor.block_low:
            floor.lower(offset)
        self._offset = offset
        if not self._voice_heard:
            self._voice_heard = is_voiced(packet.csrcs, payload)
        if clock.is_late and self._is_in_noise(packet, samples):
            clock.catch_up(timestamp + samples)
            self._skip(packet, samples)
            self._noise = 0
            track.trimmed += 1
            return
        if timestamp >= floor.block_ends:
            self._check_drift(packet)
        most = offset + MOST_AHEAD
        if clock.base > most:
            clock.anchor(timestamp, lowest_offset(packet, self.buffer.pending))
        if track.end - timestamp > most:
            self.buffer.counts.ahead += 1
            self._skip(packet, samples)
            return
        position = track.speak(clock.base + timestamp, samples, payload)
        clock.base = position - timestamp
        self._next_timestamp = self._clock_timestamp = timestamp + samples
        self._next_sequence = sequence + 1
        self._last_samples = samples
        if packet.recovered:
            track.recovered += 1
        else:
            track.received += 1

    def leave_out(self, packet: Packet) -> None:
        """Takes the slot's next packet in sequence order without placing it: another slot has brought it."""
        count_packet(self.buffer.counts.duplicate, packet)
        self._skip(packet, 0)

    def hand_over(self, csrc: int | None) -> None:
        """The source moves to another slot: first places the waiting rest of its talk-spurt here."""
        if self._csrc != csrc:
            return
        pending = self.buffer.pending
        while (
            pending
            and pending[0].csrc == csrc
            and 0 <= pending[0].timestamp - self._clock_timestamp <= SPURT_BREAK
        ):
            self.place(self.buffer.take())
        self._track = None

    @property
    def clock_end(self) -> int | None:
        """The RTP timestamp (32-bit) at which the talk-spurt goes on; None after silence."""
        return self._next_timestamp & 0xFFFF_FFFF if self._next_timestamp >= 0 else None

    def brings(self, csrc: int | None, payload: bytes, place: int) -> bool:
        """Whether this slot goes on with the source after ``place`` (samples of meeting time), or has ``payload`` waiting."""
        copies, last = 0, self._clock_timestamp
        for each in self.buffer.pending:
            # A slot that was silent does not go on with the source, it begins anew.
            if each.csrc != csrc or each.csrc != self._csrc or not 0 <= each.timestamp - last <= SAMPLE_RATE:
                break
            last = each.timestamp
            if each.payload and not is_silence(each.payload):
                if self._clock.base + each.timestamp > place + MOST_OVERLAP:
                    return True
                copies += each.payload == payload
        return copies == 1 and self._track is not None and payload not in self._track.recent

    def _begin(self, packet: Packet) -> SpeakerTrack | None:
        """Another source has the slot now: anchors its clock by arrival time.

        Returns None if the packet gets no place: its source has no track, or another slot still brings the source.
        """
        if self._track is not None:
            self._track.lost += self._missing(packet)
        self._csrc = packet.csrc
        self._track = track = self._track_of(packet.csrc)
        if track is None:
            return None
        offset = lowest_offset(packet, self.buffer.pending)
        owner = track.slot
        if owner is not None and owner is not self:
            place = round(offset) + packet.timestamp
            if track.repeats(packet.payload, place) or owner.brings(packet.csrc, packet.payload, place):
                self._track = None
                count_packet(self.buffer.counts.duplicate, packet)
                return None
            owner.hand_over(packet.csrc)
        track.slot = self
        if packet.timestamp & 0xFFFF_FFFF == track.clock_end:
            track.expect_speech()
        clock = self._clock
        clock.anchor(packet.timestamp, offset)
        if abs(clock.base + packet.timestamp - track.speech_end) <= SEAMLESS:
            clock.base = track.speech_end - packet.timestamp
        return track

    def _resume(self, packet: Packet, track: SpeakerTrack) -> None:
        """The same source continues after a loss or a pause; after a pause its place may be corrected."""
        gap = packet.timestamp - self._clock_timestamp
        missing = self._missing(packet)
        track.lost += missing
        lost_samples = min(gap, missing * self._last_samples)
        if lost_samples > 0 and self._next_timestamp >= 0:
            track.conceal(lost_samples)
        if gap == lost_samples and self._next_timestamp >= 0:
            return
        step = packet.arrival * SAMPLE_RATE - packet.timestamp - self._offset
        self._clock.resume(packet, self.buffer.pending, gap, step)

    def _waits_on(self, packet: Packet, offset: float) -> bool:
        """Whether a late packet must wait for more packets to show why it is late; each waits once."""
        gap = packet.timestamp - self._clock_timestamp
        if packet.due > packet.arrival or not 0 <= gap <= FORGOTTEN:
            return False
        goes_on = self._next_timestamp >= 0 and gap <= self._missing(packet) * self._last_samples
        least = STALL_IN_SPEECH if goes_on else STALL
        if not self._clock.is_unsure(packet, self.buffer.pending, offset - self._offset, least):
            return False
        self.buffer.put_back(packet, packet.arrival + LONGER_LOOK)
        return True

    def _examine(self, packet: Packet) -> int:
        """The samples of a packet of speech. Returns 0 for one that needs no place: padding, silence, or what is not Opus."""
        payload = packet.payload
        if not payload:
            self._next_sequence = packet.sequence + 1
            return 0
        try:
            samples = packet_samples(payload)
        except OpusError:
            self.buffer.payloads.left_out[PayloadKind.MALFORMED_OPUS] += 1
            self._be_silent(packet, 0)
            return 0
        if not is_silence(payload):
            return samples
        self._be_silent(packet, samples)
        return 0

    def _be_silent(self, packet: Packet, samples: int) -> None:
        """Ends the talk-spurt at ``packet``, which lasts ``samples``."""
        if packet.csrc == self._csrc and self._track is not None:
            self._track.lost += self._missing(packet)
        else:
            self._csrc = packet.csrc
            self._track = None
        self._clock_timestamp = packet.timestamp + samples
        self._next_timestamp = -1
        self._next_sequence = packet.sequence + 1

    def _is_in_noise(self, packet: Packet, samples: int) -> bool:
        """Whether only comfort noise is near a packet of late places, as far as is known."""
        if is_voiced(packet.csrcs, packet.payload):
            self._noise = 0
            return False
        self._noise += samples
        waiting = self.buffer.pending
        if self._voice_heard and self._noise <= NOISE_BEFORE:
            return False
        return not any(is_voiced(each.csrcs, each.payload) for each in waiting)

    def _missing(self, packet: Packet) -> int:
        """How many packets are missing between the last one and this."""
        return max(0, packet.sequence - self._next_sequence) if self._next_sequence >= 0 else 0

    def _check_drift(self, packet: Packet) -> None:
        """Once a second: looks for a packet at which to correct the drift of a source that does not pause."""
        self._clock.roll(packet.timestamp)
        quiet = packet_to_correct_at(self._clock.drift, packet, self.buffer.pending)
        if quiet is not None:
            self._correct_at = quiet.sequence

    def _correct(self, packet: Packet, samples: int) -> bool:
        """Corrects the drift at ``packet``; returns True where the packet must be left out for it."""
        self._correct_at = -1
        shift = shift_at(self._clock.drift, samples)
        self._clock.correct_drift(shift)
        if shift >= 0:
            return False
        self._skip(packet, samples)
        return True

    def _skip(self, packet: Packet, samples: int) -> None:
        """Goes on behind a packet that is left out."""
        self._next_timestamp = self._clock_timestamp = packet.timestamp + samples
        self._next_sequence = packet.sequence + 1
