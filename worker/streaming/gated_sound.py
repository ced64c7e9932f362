"""Live sound of a platform that sends one mix of everybody: each source is that mix while it speaks (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from worker.audio.decoder import DecoderPool, Samples, SpeechDecoder
from worker.audio.live_mixer import LiveMixer
from worker.audio.opus import SAMPLE_RATE
from worker.contracts.live_items import Isolation
from worker.manifest.schema import Source
from worker.roster.roster import Roster
from worker.roster.speaking import Said
from worker.roster.tenures import split_key
from worker.stems.caption_users import CaptionUsers
from worker.stems.gate import NOISE
from worker.stems.mix_slot import MixPacket, MixSlot, one_clock
from worker.stems.overflow import MOST_SOURCES
from worker.stems.repeated_packets import RepeatedPackets
from worker.stems.speaker_hints import SpeakerHints
from worker.stems.speaker_track import SpeakerTrack
from worker.stems.stem_router import StemRouter
from worker.stems.stem_set import SlotAddress
from worker.streaming.live_gate import LiveGate
from worker.streaming.live_source import LiveSource, PacketNow, longest_silent
from worker.streaming.prompt_placement import PromptBuffer, PromptPlacement
from worker.tape.events import PageEvent, WorkerEvent


class GatedSound:
    """The sources of a call; see worker.streaming.live_sound.SoundSources.

    The mix is decoded once, whoever speaks in it, and goes once into ``mixer``. ``tenure_of`` returns the number of a source's
    tenure at a time in Unix seconds; ``hints_in`` finds the hints of who speaks in an event of the tape. ``continuous``: each
    source is one stream. Of MOST_SOURCES the one that was silent for longest gives way; where all speak, new ones share one.
    """

    def __init__(
        self,
        rate: int | None,
        mixer: LiveMixer | None,
        users: CaptionUsers,
        tenure_of: Callable[[int, float], int],
        hints_in: Callable[[PageEvent | WorkerEvent], list[Said]],
        deadline: float,
        *,
        opus: bool,
        continuous: bool,
    ) -> None:
        self.refused = 0
        """No packet is: those of too many sources share one."""
        self.noise = 0
        """Packets that are nobody's speech."""
        self._rate = rate
        self._mixer = mixer
        self._users = users
        self._tenure_of = tenure_of
        self._deadline = deadline
        self._opus = opus
        self._stream_from = 0 if continuous else None
        """Streams that are over were sent up to here: none that follows them may begin before."""
        self._zero = 0.0
        self._now = PacketNow(isolation=Isolation.GATED_MIX)
        self._pool = DecoderPool()
        self._gate = LiveGate()
        self._hints = SpeakerHints(hints_in, self._gate.add_hint)
        self._router = StemRouter(self._open_stem, users.source, self._tenure_at, self._delivers)
        self._repeated = RepeatedPackets()
        self._tracks: dict[SlotAddress, _MixTrack] = {}
        self._streams: dict[tuple[int, int, int], list[MixSlot]] = {}
        """The slots of each stream, by document, receiver and SSRC: one more after each pause of the recording."""
        self._latest: dict[int, MixSlot] = {}
        """By the number of their stream, the last slot of each."""
        self._slots_opened = 0
        self._pieces: list[tuple[int, Samples]] = []
        """The PCM of the packet that is being written, with its places."""
        self._touched: dict[int, LiveSource] = {}
        """Those that got packets since the last ``take``, by key, in order."""

    @property
    def undecodable(self) -> int:
        """Packets that could not be decoded; they are silent."""
        return self._pool.undecodable

    def observe(self, event: PageEvent | WorkerEvent) -> None:
        """Takes the tape's next event that is not audio: roster messages and hints of who speaks count."""
        self._users.observe(event)
        self._hints.observe(event)

    def begin(self, zero: float) -> None:
        """The recording begins: ``zero`` is meeting time 0 in Unix seconds; hints from before it count as well."""
        self._zero = zero
        self._hints.begin(zero)

    def open_slot(self, address: SlotAddress) -> MixSlot:
        """Opens a slot for a new track of the mix, or a new SSRC."""
        slots = self._streams.setdefault(_stream(address), [])
        stream = slots[0].stream if slots else self._slots_opened
        buffer = PromptBuffer(self._deadline, one_clock)
        slot = MixSlot(self._slots_opened, address.ssrc, stream, buffer, PromptPlacement)
        slots.append(slot)
        self._latest[stream] = slot
        self._slots_opened += 1
        decoder = None if self._rate is None else SpeechDecoder(self, self._pool, self._rate)
        self._tracks[address] = _MixTrack(slot, decoder)
        return slot

    def close_slot(self, address: SlotAddress) -> None:
        """Forgets a slot in which nothing waits."""
        self.decide()
        track = self._tracks.pop(address)
        if track.decoder is not None:
            track.decoder.rest()
        slots = self._streams[_stream(address)]
        slots.remove(track.slot)
        if not slots:
            del self._streams[_stream(address)], self._latest[track.slot.stream]
            self._router.repeating.forget(track.slot.stream)

    def decide(self) -> None:
        """Gives the packets that were placed to those who speak in them."""
        placed = [(packet, track) for track in self._tracks.values() for packet in track.slot.take()]
        if len(self._tracks) > 1:
            placed.sort(key=lambda each: each[0].position)
        for packet, track in placed:
            self._write(packet, track.decoder)

    def take(self) -> list[LiveSource]:
        """The sources of which there is something to send, decoded."""
        touched = list(self._touched.values())
        self._touched.clear()
        return touched

    def all(self) -> Iterable[LiveSource]:
        """All sources that have spoken and are not over."""
        return [stem.source for stem in self._router.stems.values()]

    def settle(self, position: int) -> None:
        """Ends the talk-spurts that ended before ``position`` (samples of meeting time), and forgets sources that are over."""
        self._pool.settle(position)
        for track in self._tracks.values():
            track.slot.track.forget_intervals()
        at = self._zero + position / SAMPLE_RATE
        for key, stem in list(self._router.stems.items()):
            stem.track.forget_intervals()
            if stem.source.is_over(at, self._tenure_of(split_key(key)[0], at)):
                self._forget(key)

    def known(self, roster: Roster) -> Roster:
        """The roster with the sources of users known from captions alone."""
        return self._users.with_assigned(roster)

    def add(self, position: int, samples: Samples) -> None:
        """Called by decoders: PCM of the packet that is being written."""
        self._pieces.append((position, samples))

    def _write(self, packet: MixPacket, decoder: SpeechDecoder | None) -> None:
        attribution = self._gate.attribution(packet)
        if self._slots_opened > 1 and self._repeated.is_repeated(
            packet.stream, packet.position, packet.payload, packet.csrcs
        ):
            return
        self._decode(packet, decoder)
        self._now.arrived = self._zero + packet.arrival
        if attribution == NOISE:
            self.noise += 1
            repeated = packet.stream in self._router.repeating
        else:
            self._make_room()
            repeated = self._router.write(packet, attribution).repeated
        if self._mixer is not None and not repeated:
            for position, samples in self._pieces:
                self._mixer.add(position, samples)

    def _decode(self, packet: MixPacket, decoder: SpeechDecoder | None) -> None:
        self._pieces.clear()
        if decoder is None:
            return
        if packet.concealed:
            decoder.conceal(packet.concealed_at, packet.concealed)
        decoder.speak(packet.position, packet.samples, packet.payload)
        decoder.settle()

    def _make_room(self) -> None:
        """Keeps a place for a new source."""
        if len(self._router.stems) >= MOST_SOURCES:
            silent = longest_silent(self.all(), self._now.arrived)
            if silent is not None:
                self._forget(silent.key)

    def _forget(self, key: int) -> None:
        stem = self._router.stems.pop(key)
        if self._stream_from is not None:
            self._stream_from = max(self._stream_from, stem.source.stream_end)

    def _open_stem(self, key: int) -> _LiveStem:
        source = LiveSource(
            key, self._now, self._rate, mixer=None, opus=self._opus, stream_from=self._stream_from
        )
        return _LiveStem(source, self._now, self._pieces, self._touched)

    def _tenure_at(self, source: int, moment: float) -> int:
        return self._tenure_of(source, self._zero + moment)

    def _delivers(self, stream: int, position: int) -> bool:
        slot = self._latest.get(stream)
        return slot is not None and slot.last_arrival * SAMPLE_RATE >= position


class _MixTrack:
    """A slot of the mix with its decoder."""

    def __init__(self, slot: MixSlot, decoder: SpeechDecoder | None) -> None:
        self.slot = slot
        self.decoder = decoder


class _LiveStem:
    """One source of the mix: a RoutedStem whose packets are sent."""

    def __init__(
        self,
        source: LiveSource,
        now: PacketNow,
        pieces: list[tuple[int, Samples]],
        touched: dict[int, LiveSource],
    ) -> None:
        self.source = source
        self.track = SpeakerTrack(self)
        self.stream = -1
        self.duplicates = 0
        self._now = now
        self._pieces = pieces
        self._touched = touched

    def write(self, position: int, samples: int, payload: bytes) -> None:
        """Called by the track, which only keeps the places here."""

    def be_silent(self, position: int, samples: int) -> None:
        """Called by the track, which only keeps the places here."""

    def add(self, source: Source, packet: MixPacket, evidence: str, others: tuple[int, ...]) -> None:
        """Takes a packet of the mix with its PCM. What was lost before it is this source's if it spoke until then."""
        if packet.stream == self.stream:
            self.track.go_back(packet.position)
        spoke_until = self.track.speech_end
        position = self.track.speak(packet.position, packet.samples, packet.payload)
        self.source.begin_packet(position, packet.samples, packet.payload, self._now)
        self.stream = packet.stream
        for place, samples in self._pieces:
            if place >= packet.position or spoke_until >= packet.concealed_at:
                self.source.add(place + position - packet.position, samples)
        self._touched[self.source.key] = self.source


def _stream(address: SlotAddress) -> tuple[int, int, int]:
    return (address.document, address.receiver, address.ssrc)
