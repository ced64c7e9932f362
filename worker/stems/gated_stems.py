"""Makes stems of one mix of everybody, as Microsoft Teams sends it: each stem is that mix while its source speaks.

Packets go unchanged into the stem of each source that speaks in them. Nothing is decoded, so overlapping speech is not
separated. Each packet goes into the mixed audio once, also if a second track repeats it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from worker.audio.mixer import Mix
from worker.audio.opus import SAMPLE_RATE
from worker.manifest.assemble import HeardSource
from worker.manifest.schema import GatedMix, Packets
from worker.roster.roster import Roster
from worker.roster.speaking import Said
from worker.stems.caption_users import CaptionUsers
from worker.stems.divided_stems import divided_stems, divided_warning, without_owners
from worker.stems.gate import NOISE, Attribution, Gate
from worker.stems.mix_slot import MixPacket, MixSlot
from worker.stems.mix_totals import MixTotals
from worker.stems.overflow import OVERFLOW
from worker.stems.repeated_packets import RepeatedPackets
from worker.stems.silent_tracks import SilentTracks
from worker.stems.speaker_hints import SpeakerHints
from worker.stems.speaker_track import SpeechSink
from worker.stems.stem import GatedStem, Stem
from worker.stems.stem_router import StemRouter
from worker.stems.stem_set import SlotAddress, SourceSinks
from worker.tape.events import PageEvent, ReceiverTapped, WorkerEvent


class GatedStems:
    """A stem for each source id in each of its tenures. Unknown speakers count down from -1; users known from captions alone
    count up from FIRST_CAPTION_SOURCE.

    ``tenure_of`` returns the number of a source's tenure at a time in Unix seconds. ``hints_in`` finds the hints of who speaks
    in an event of the tape. ``mixer`` gets each packet of the mix once. Each of ``sinks`` is opened for each stem and gets the
    mix while its source speaks.
    """

    def __init__(
        self,
        folder: Path,
        mixer: Mix | None,
        users: CaptionUsers,
        tenure_of: Callable[[int, float], int],
        hints_in: Callable[[PageEvent | WorkerEvent], list[Said]],
        sinks: Sequence[SourceSinks] = (),
    ) -> None:
        self._mixer = mixer
        self._users = users
        self._tracks: dict[int, _Track] = {}
        """By the number of their slot."""
        self._streams: dict[tuple[int, int, int], list[MixSlot]] = {}
        """The slots of each stream, by document, receiver and SSRC: one more after each pause of the recording."""
        self._latest: dict[int, MixSlot] = {}
        """By the number of their stream, the last slot of each."""
        self._numbers: dict[SlotAddress, int] = {}
        self._slots_opened = 0
        self._gate = Gate(self._write)
        self._hints = SpeakerHints(hints_in, self._gate.add_hint)
        self._tenure_of = tenure_of
        self._folder = folder
        self._sinks = sinks
        self._router = StemRouter(self._open_stem, users.source, self._tenure_at, self._delivers)
        self._repeated = RepeatedPackets()
        self._repeated_packets = 0
        self._silent = SilentTracks()
        self._totals = MixTotals()
        self._zero = 0.0
        self._settled = 0

    @property
    def stems(self) -> dict[int, Stem]:
        """By source, in order of first speech."""
        return dict(self._router.stems)

    def observe(self, event: PageEvent | WorkerEvent) -> None:
        """Takes the tape's next event that is not audio: roster messages and hints of who speaks count."""
        self._users.observe(event)
        self._hints.observe(event)
        if isinstance(event, ReceiverTapped) and event.kind == "audio":
            self._silent.open((event.document, event.receiver))

    def begin(self, zero: float) -> None:
        """The recording begins: ``zero`` is meeting time 0 in Unix seconds; hints from before it count as well."""
        self._zero = zero
        self._hints.begin(zero)

    def open_slot(self, address: SlotAddress) -> MixSlot:
        """Opens a slot for a new track of the mix, or a new SSRC."""
        slots = self._streams.setdefault(_stream(address), [])
        stream = slots[0].stream if slots else self._slots_opened
        slot = MixSlot(self._slots_opened, address.ssrc, stream)
        slots.append(slot)
        self._latest[stream] = slot
        self._slots_opened += 1
        slot.track.be_silent_until(self._settled)
        receiver = (address.document, address.receiver)
        self._silent.open(receiver)
        mix_input = self._mixer.open_input() if self._mixer else None
        self._tracks[slot.number] = _Track(slot, receiver, mix_input)
        self._numbers[address] = slot.number
        return slot

    def close_slot(self, address: SlotAddress) -> None:
        """Forgets a slot in which nothing waits, and whose packets are all decided; its counts stay."""
        number = self._numbers.pop(address)
        slot = self._tracks.pop(number).slot
        self._totals.close_slot(slot)
        slots = self._streams[_stream(address)]
        slots.remove(slot)
        if not slots:
            del self._streams[_stream(address)], self._latest[slot.stream]
            self._router.repeating.forget(slot.stream)

    def decide(self, now: float) -> None:
        """Writes the packets that can be attributed at meeting time ``now`` (seconds)."""
        placed = [packet for each in self._tracks.values() for packet in each.slot.take()]
        if len(self._tracks) > 1:
            placed.sort(key=attrgetter("position"))
        for packet in placed:
            self._gate.push(packet)
        self._gate.decide(now)

    def settle(self, position: int) -> None:
        """Writes silence up to ``position``, in stems that are opened later as well."""
        self._settled = position
        for each in self._tracks.values():
            each.slot.track.be_silent_until(position)
        self._router.settle(position)

    def close(self, end: int) -> int:
        """Attributes and writes all packets that wait and closes the stems, all at the same place, which it returns."""
        self.decide(float("inf"))
        end = max([end, *(each.slot.track.speech_end for each in self._tracks.values())])
        stems = self._router.stems.values()
        end = max([end, *(stem.track.end for stem in stems)])
        for stem in stems:
            stem.track.be_silent_until(end)
            stem.close()
        return end

    def heard(self) -> list[HeardSource]:
        """Describes each stem with speech for the manifest."""
        mixed = {OVERFLOW, *self._divided()}
        return [
            _heard(key, stem, "mixed-only" if key in mixed else "gated-mix")
            for key, stem in self._router.stems.items()
            if stem.track.speech_length
        ]

    def known(self, roster: Roster) -> Roster:
        """The roster with the sources of users known from captions alone, without the owners of stems that hold several."""
        return without_owners(self._users.with_assigned(roster), self._divided())

    def gated_mix(self) -> GatedMix:
        """The totals of the mix."""
        return self._totals.gated_mix(each.slot for each in self._tracks.values())

    def warnings(self) -> list[str]:
        """Sentences about tracks and sources that are not what the platform should send."""
        warnings = self._router.overflow.warnings() + self._silent.warnings()
        if self._repeated_packets:
            warnings.append(
                f"{self._repeated_packets} packets came on a second track as well and are in the files once."
            )
        return warnings + divided_warning(self._divided())

    def _open_stem(self, key: int) -> GatedStem:
        path = self._folder / f"source-{len(self._router.stems)}.webm"
        return GatedStem(path, [sinks.open_source(key) for sinks in self._sinks])

    def _tenure_at(self, source: int, moment: float) -> int:
        return self._tenure_of(source, self._zero + moment)

    def _delivers(self, stream: int, position: int) -> bool:
        slot = self._latest.get(stream)
        return slot is not None and slot.last_arrival * SAMPLE_RATE >= position

    def _divided(self) -> list[int]:
        return divided_stems(self._router.stems, self._tenure_at)

    def _write(self, packet: MixPacket, attribution: Attribution) -> None:
        """Writes a packet into the stems of all its speakers, and into the mix."""
        track = self._tracks[packet.slot]
        if packet.voiced:
            self._silent.add_speech(track.receiver, packet.samples)
        if self._is_repeated(packet, attribution):
            self._repeated_packets += 1
            return
        if track.mix_input:
            if packet.concealed:
                track.mix_input.conceal(packet.concealed_at, packet.concealed)
            track.mix_input.speak(packet.position, packet.samples, packet.payload)

    def _is_repeated(self, packet: MixPacket, attribution: Attribution) -> bool:
        """Writes a packet into the stems, unless another track had brought it; returns whether one had."""
        if self._slots_opened > 1 and self._repeated.is_repeated(
            packet.stream, packet.position, packet.payload, packet.csrcs
        ):
            return True
        if attribution == NOISE:
            self._totals.count_noise()
            return packet.stream in self._router.repeating
        routed = self._router.write(packet, attribution)
        if not routed.repeated:
            self._totals.count(packet.samples, routed.evidence, shared=len(attribution.speakers) > 1)
        return routed.repeated


class _Track(NamedTuple):
    """A slot of the mix, its document and receiver, and its way into the mixed audio."""

    slot: MixSlot
    receiver: tuple[int, int]
    mix_input: SpeechSink | None


def _stream(address: SlotAddress) -> tuple[int, int, int]:
    return (address.document, address.receiver, address.ssrc)


def _heard(source: int, stem: GatedStem, isolation: str) -> HeardSource:
    track = stem.track
    return HeardSource(
        source=source,
        sources=stem.sources,
        intervals=[(start / SAMPLE_RATE, end / SAMPLE_RATE) for start, end in track.intervals()],
        packets=Packets(
            received=track.received, recovered=track.recovered, lost=track.lost, duplicate=stem.duplicates
        ),
        isolation=isolation,
        attribution=[
            (start / SAMPLE_RATE, end / SAMPLE_RATE, evidence) for start, end, evidence in stem.attribution
        ],
        overlaps=[(start / SAMPLE_RATE, end / SAMPLE_RATE, others) for start, end, others in stem.overlaps],
    )
