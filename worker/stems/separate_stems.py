"""Makes stems of slots that carry one source at a time, as Google Meet sends them: each packet is one speaker's alone.

A packet that lists several sources all the same is a mix: it goes into the stem of each, and once into the mix.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from worker.audio.mixer import Mix
from worker.audio.opus import SAMPLE_RATE, packet_samples
from worker.manifest.assemble import HeardSource
from worker.manifest.schema import GatedMix, Packets, Source
from worker.roster.roster import Roster
from worker.roster.tenures import split_key, tenure_key
from worker.stems.attribution import SpeakerEvidence
from worker.stems.divided_stems import divided_stems, divided_warning, without_owners
from worker.stems.jitter_buffer import Packet, SlotCounts
from worker.stems.overflow import MOST_SOURCES, OVERFLOW, OverflowFloor
from worker.stems.overflow_stem import OverflowStem
from worker.stems.separate_slot import SeparateSlot
from worker.stems.speaker_track import SpeakerTrack, SpeechSink
from worker.stems.stem import Stem
from worker.stems.stem_set import SlotAddress, SourceSinks
from worker.tape.events import PageEvent, WorkerEvent


class SeparateStems:
    """A stem for each CSRC in each of its tenures; packets that list none go into a stem of their SSRC, under its complement.

    ``tenure_of`` returns the number of a source's tenure at a time in Unix seconds, as far as is known. ``mixer`` gets every
    source. Each of ``sinks`` is opened for each stem.
    """

    def __init__(
        self,
        folder: Path,
        mixer: Mix | None,
        tenure_of: Callable[[int, float], int],
        sinks: Sequence[SourceSinks] = (),
    ) -> None:
        self.stems: dict[int, Stem] = {}
        self._folder = folder
        self._mixer = mixer
        self._tenure_of = tenure_of
        self._sinks = sinks
        self._zero = 0.0
        self._slots: dict[SlotAddress, SeparateSlot] = {}
        self._floor = OverflowFloor()
        self._overflow: OverflowStem | None = None
        self._late: Counter[int] = Counter()
        self._duplicate: Counter[int] = Counter()
        """Packets by source that closed slots dropped."""
        self._shared_packets = 0
        self._settled = 0

    def observe(self, event: PageEvent | WorkerEvent) -> None:
        """Ignores events: packets and tenures alone show whose speech is whose."""

    def begin(self, zero: float) -> None:
        """The recording begins: ``zero`` is meeting time 0 in Unix seconds."""
        self._zero = zero

    def open_slot(self, address: SlotAddress) -> SeparateSlot:
        """Opens a slot for a new virtual stream."""
        slot = self._slots[address] = SeparateSlot(address.ssrc, self)
        return slot

    def close_slot(self, address: SlotAddress) -> None:
        """Forgets a slot in which nothing waits; its counts stay."""
        slot = self._slots.pop(address)
        for stem in self.stems.values():
            if stem.track.slot is slot:
                stem.track.slot = None
                stem.track.clock_end = slot.clock_end
        _count_dropped(slot.buffer.counts, slot.ssrc, self._late, self._duplicate)

    def decide(self, now: float) -> None:
        """Writes the overflow stem; in the others a packet is written when it is placed."""
        if self._overflow:
            self._overflow.write_until(now * SAMPLE_RATE)

    def settle(self, position: int) -> None:
        """Writes silence up to ``position``, in stems that are opened later as well."""
        self._settled = position
        for stem in self.stems.values():
            stem.track.be_silent_until(position)
        if self._overflow:
            self._overflow.settle(position)

    def close(self, end: int) -> int:
        """Closes the stems, all at the same place, which it returns."""
        if self._overflow:
            self._overflow.close()
        end = max([end, *(stem.track.end for stem in self.stems.values())])
        for stem in self.stems.values():
            stem.track.be_silent_until(end)
            stem.close()
        return end

    def heard(self) -> list[HeardSource]:
        """Describes each stem with speech for the manifest."""
        late, duplicate = Counter(self._late), Counter(self._duplicate)
        for slot in self._slots.values():
            _count_dropped(slot.buffer.counts, slot.ssrc, late, duplicate)
        divided = self._divided()
        described = []
        for key, stem in self.stems.items():
            if not stem.track.speech_length:
                continue
            source, tenure = split_key(key)
            # What was dropped is not counted by tenure.
            dropped = (late[source], duplicate[source]) if not tenure else (0, 0)
            described.append(_heard(key, stem, *dropped, divided=key in divided))
        return described

    def known(self, roster: Roster) -> Roster:
        """The roster without the owners of stems that hold the speech of several."""
        return without_owners(roster, self._divided())

    def gated_mix(self) -> GatedMix | None:
        """None: the platform sends no mix."""
        return None

    def warnings(self) -> list[str]:
        """Sentences about files that hold more than one speaker."""
        warnings = self._floor.warnings()
        if self._shared_packets:
            warnings.append(
                f"{self._shared_packets} packets list several speakers and are in the file of each; "
                "nothing separates them."
            )
        return warnings + divided_warning(self._divided())

    def key(self, csrc: int | None, ssrc: int, arrival: float) -> int:
        """See worker.stems.separate_slot.Tracks."""
        if csrc is None:
            return ~ssrc
        tenure = self._tenure_of(csrc, self._zero + arrival)
        return tenure_key(csrc, tenure) if tenure else csrc

    def track(self, key: int, csrc: int | None, ssrc: int) -> SpeakerTrack:
        """See worker.stems.separate_slot.Tracks."""
        source = Source(ssrc=ssrc, csrc=csrc)
        stem = self._stem(key)
        if stem is not None:
            stem.list_source(source)
            return stem.track
        if self._overflow is None:
            self._overflow = OverflowStem(self._open(OVERFLOW, None), self._floor, self._open_mix_input)
        return self._overflow.track(key, source, self._settled)

    def share(self, placed: SpeakerTrack, packet: Packet, keys: list[int], ssrc: int) -> None:
        """See worker.stems.separate_slot.Tracks."""
        self._shared_packets += 1
        end = placed.end
        start = end - packet_samples(packet.payload)
        own, *others = keys
        for key in others:
            stem = self._stem(key)
            if stem is None:
                self._floor.add_source(key)
                continue
            stem.list_source(Source(ssrc=ssrc, csrc=split_key(key)[0]))
            stem.share(start, end - start, packet.payload, tuple(each for each in keys if each != key))
        if own in self.stems:
            self.stems[own].note_overlap(start, end, tuple(others))

    def _stem(self, key: int) -> Stem | None:
        """The stem with that key, opened when it is first heard; None past MOST_SOURCES."""
        stem = self.stems.get(key)
        if stem is None and len(self.stems) < MOST_SOURCES:
            stem = self._open(key, self._open_mix_input())
        return stem

    def _open_mix_input(self) -> SpeechSink | None:
        return self._mixer.open_input() if self._mixer else None

    def _open(self, key: int, mix_input: SpeechSink | None) -> Stem:
        path = self._folder / f"source-{len(self.stems)}.webm"
        stem = self.stems[key] = Stem(path, [sinks.open_source(key) for sinks in self._sinks], mix_input)
        stem.track.be_silent_until(self._settled)
        return stem

    def _divided(self) -> list[int]:
        return divided_stems(self.stems, lambda source, moment: self._tenure_of(source, self._zero + moment))


def _count_dropped(counts: SlotCounts, ssrc: int, late: Counter[int], duplicate: Counter[int]) -> None:
    for dropped, by_source in ((counts.late, late), (counts.duplicate, duplicate)):
        for csrc, count in dropped.items():
            by_source[~ssrc if csrc is None else csrc] += count


def _heard(key: int, stem: Stem, late: int, duplicate: int, *, divided: bool) -> HeardSource:
    track = stem.track
    intervals = [(start / SAMPLE_RATE, end / SAMPLE_RATE) for start, end in track.intervals()]
    isolation = "mixed-only" if key < 0 or divided else "gated-mix" if stem.overlaps else "separated"
    return HeardSource(
        source=key,
        sources=stem.sources,
        intervals=intervals,
        packets=Packets(
            received=track.received,
            recovered=track.recovered,
            lost=track.lost,
            late=late,
            duplicate=duplicate + stem.duplicates,
            trimmed=track.trimmed,
        ),
        isolation=isolation,
        attribution=[(*each, SpeakerEvidence.CSRC.value) for each in intervals] if stem.overlaps else None,
        overlaps=[(start / SAMPLE_RATE, end / SAMPLE_RATE, others) for start, end, others in stem.overlaps]
        if stem.overlaps
        else None,
    )
