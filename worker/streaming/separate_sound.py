"""Live sound of a platform that sends speakers apart: a source for each CSRC in each of its tenures (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from worker.audio.decoder import DecoderPool, SpeechDecoder
from worker.audio.live_mixer import LiveMixer
from worker.audio.opus import SAMPLE_RATE, packet_samples
from worker.contracts.live_items import Isolation
from worker.roster.roster import Roster
from worker.roster.sources import contributing_sources
from worker.roster.tenures import split_key, tenure_key
from worker.roster.voice import may_be_comfort_noise
from worker.stems.jitter_buffer import Packet
from worker.stems.overflow import MOST_SOURCES
from worker.stems.separate_slot import SeparateSlot
from worker.stems.speaker_track import SPURT_GAP, SpeakerTrack
from worker.stems.stem_set import SlotAddress
from worker.streaming.live_source import LiveSource, PacketNow, longest_silent
from worker.streaming.prompt_placement import PromptBuffer, PromptPlacement
from worker.streaming.recent_peak import RecentPeak
from worker.tape.events import PageEvent, WorkerEvent


class SeparateSound:
    """The sources of a call; see worker.streaming.live_sound.SoundSources.

    ``tenure_of`` returns the number of a source's tenure at a time in Unix seconds. ``continuous``: each is one stream.
    There are at most MOST_SOURCES, of which the one that was silent for longest gives way to a new one; where all speak, the
    packets of new ones are counted in ``refused``.
    """

    def __init__(
        self,
        rate: int | None,
        mixer: LiveMixer | None,
        tenure_of: Callable[[int, float], int],
        deadline: float,
        *,
        opus: bool,
        continuous: bool,
    ) -> None:
        self.refused = 0
        """Packets of more sources than are heard at the same time."""
        self.noise = 0
        """Refreshes of comfort noise, which are nobody's speech."""
        self._rate = rate
        self._mixer = mixer
        self._tenure_of = tenure_of
        self._deadline = deadline
        self._opus = opus
        self._stream_from = 0 if continuous else None
        """Streams that are over were sent up to here: none that follows them may begin before."""
        self._zero = 0.0
        self._now = PacketNow()
        self.packet: Packet | None = None
        """The packet that is being placed."""
        self._pool = DecoderPool()
        self._voices: dict[int, _Voice] = {}
        self._touched: dict[int, _Voice] = {}
        """Those that got packets since the last ``take``, by key, in order."""
        self._slots: dict[SlotAddress, _LiveSlot] = {}
        self.lateness = RecentPeak(0.0)
        """By how much packets came later than the least delayed ones of their source, in seconds."""

    @property
    def undecodable(self) -> int:
        """Packets that could not be decoded; they are silent."""
        return self._pool.undecodable

    def observe(self, event: PageEvent | WorkerEvent) -> None:
        """Ignores events: packets and tenures alone show whose speech is whose."""

    def begin(self, zero: float) -> None:
        """The recording begins: ``zero`` is meeting time 0 in Unix seconds."""
        self._zero = zero

    def open_slot(self, address: SlotAddress) -> SeparateSlot:
        """Opens a slot for a new virtual stream."""
        slot = self._slots[address] = _LiveSlot(address.ssrc, self, self._new_buffer())
        return slot

    def _new_buffer(self) -> PromptBuffer:
        return PromptBuffer(self._deadline, jitter=lambda: self.lateness.value)

    def close_slot(self, address: SlotAddress) -> None:
        """Forgets a slot in which nothing waits."""
        slot = self._slots.pop(address)
        for voice in self._voices.values():
            if voice.track.slot is slot:
                voice.track.slot = None
                voice.track.clock_end = slot.clock_end

    def decide(self) -> None:
        """Does nothing: a packet is its source's as soon as it is placed."""

    def take(self) -> list[LiveSource]:
        """The sources of which there is something to send, decoded."""
        touched, self._touched = list(self._touched.values()), {}
        for voice in touched:
            voice.settle()
        return [voice.source for voice in touched]

    def all(self) -> Iterable[LiveSource]:
        """All sources that have spoken and are not forgotten."""
        return [voice.source for voice in self._voices.values()]

    def settle(self, position: int) -> None:
        """Ends the talk-spurts that ended before ``position`` (samples of meeting time), and forgets sources that are over."""
        self._pool.settle(position)
        at = self._zero + position / SAMPLE_RATE
        for key, voice in list(self._voices.items()):
            voice.track.forget_intervals()
            if voice.source.is_over(at, self._tenure_of(split_key(key)[0], at)):
                self._forget(voice)

    def known(self, roster: Roster) -> Roster:
        """The roster as it is."""
        return roster

    def key(self, csrc: int | None, ssrc: int, arrival: float) -> int:
        """See worker.stems.separate_slot.Tracks."""
        if csrc is None:
            return ~ssrc
        tenure = self._tenure_of(csrc, self._zero + arrival)
        return tenure_key(csrc, tenure) if tenure else csrc

    def track(self, key: int, csrc: int | None, ssrc: int) -> SpeakerTrack | None:
        """See worker.stems.separate_slot.Tracks."""
        voice = self._voice(key)
        return None if voice is None else voice.track

    def share(self, placed: SpeakerTrack, packet: Packet, keys: list[int], ssrc: int) -> None:
        """See worker.stems.separate_slot.Tracks."""
        samples = packet_samples(packet.payload)
        start = placed.end - samples
        self._now.into_mix = False
        for key in keys[1:]:
            voice = self._voice(key)
            if voice is not None and voice.track.end - start <= samples // 2:
                voice.track.speak(start, samples, packet.payload)
        self._now.into_mix = True

    def note_packet(self, packet: Packet) -> None:
        """``packet`` is the one that is being placed."""
        self.packet = packet
        now = self._now
        now.arrived = self._zero + packet.arrival
        shared = len(packet.csrcs) > 1 and len(contributing_sources(packet.csrcs)) > 1
        now.isolation = Isolation.GATED_MIX if shared else Isolation.SEPARATED

    def _voice(self, key: int) -> _Voice | None:
        voice = self._voices.get(key)
        if voice is None:
            if len(self._voices) >= MOST_SOURCES:
                silent = longest_silent(self.all(), self._now.arrived)
                if silent is None:
                    self.refused += 1
                    return None
                self._forget(self._voices[silent.key])
            source = LiveSource(
                key,
                self._now,
                self._rate,
                mixer=self._mixer,
                opus=self._opus,
                stream_from=self._stream_from,
            )
            decoder = None if self._rate is None else SpeechDecoder(source, self._pool, self._rate)
            voice = self._voices[key] = _Voice(source, decoder, self._now, self._touch, self._count_noise)
        return voice

    def _forget(self, voice: _Voice) -> None:
        slot = voice.track.slot
        if isinstance(slot, SeparateSlot):
            slot.drop_track(voice.track)
        del self._voices[voice.source.key]
        if self._stream_from is not None:
            self._stream_from = max(self._stream_from, voice.source.stream_end)

    def _touch(self, voice: _Voice) -> None:
        self._touched[voice.source.key] = voice

    def _count_noise(self) -> None:
        self.noise += 1


class _LiveSlot(SeparateSlot, PromptPlacement):
    """A slot whose packets are placed at once."""

    def __init__(self, ssrc: int, sound: SeparateSound, buffer: PromptBuffer) -> None:
        super().__init__(ssrc, sound, buffer)
        self._sound = sound

    def place(self, packet: Packet) -> None:
        """Places the slot's next packet in sequence order."""
        self._sound.note_packet(packet)
        super().place(packet)
        if packet.payload:
            late = packet.arrival - (packet.timestamp + self._clock.floor.value) / SAMPLE_RATE
            self._sound.lateness.note(packet.arrival, late)

    def hand_over(self, csrc: int | None) -> None:
        """See worker.stems.placement.SlotPlacement; called while another slot places a packet."""
        packet = self._sound.packet
        super().hand_over(csrc)
        if packet is not None:
            self._sound.note_packet(packet)


class _Held(NamedTuple):
    position: int
    samples: int
    payload: bytes
    now: PacketNow


class _Voice:
    """One source: the end of its track, where packets with their places come out.

    A packet that may be a refresh of comfort noise begins a talk-spurt only if another follows it; until then it is held.
    """

    def __init__(
        self,
        source: LiveSource,
        decoder: SpeechDecoder | None,
        now: PacketNow,
        touch: Callable[[_Voice], None],
        count_noise: Callable[[], None],
    ) -> None:
        self.source = source
        self.track = SpeakerTrack(self, [self])
        self._decoder = decoder
        self._now = now
        self._touch = touch
        self._count_noise = count_noise
        self._held: _Held | None = None
        self._end = -SPURT_GAP

    def write(self, position: int, samples: int, payload: bytes) -> None:
        """Called by the track beside ``speak``."""

    def be_silent(self, position: int, samples: int) -> None:
        """Called by the track: silence is not sent."""

    def speak(self, position: int, samples: int, payload: bytes) -> None:
        """Called by the track: a packet of speech at its place."""
        goes_on = position - self._end < SPURT_GAP
        self._end = position + samples
        held, self._held = self._held, None
        if held is not None:
            if goes_on:
                self._give(*held)
            else:
                self._count_noise()
        now = self._now
        if not goes_on and may_be_comfort_noise(payload):
            packet = PacketNow(now.arrived, now.isolation, now.into_mix)
            self._held = _Held(position, samples, payload, packet)
            return
        self._give(position, samples, payload, now)

    def conceal(self, position: int, samples: int) -> None:
        """Called by the track: speech was lost, and the next packet comes after it."""
        if self._held is None and self._decoder is not None:
            self._decoder.conceal(position, samples)

    def settle(self) -> None:
        """Decodes what waits."""
        if self._decoder is not None:
            self._decoder.settle()

    def _give(self, position: int, samples: int, payload: bytes, now: PacketNow) -> None:
        if self._decoder is not None and self.source.begins_other(now):
            self._decoder.settle()
        self.source.begin_packet(position, samples, payload, now)
        if self._decoder is not None:
            self._decoder.speak(position, samples, payload)
        self._touch(self)
