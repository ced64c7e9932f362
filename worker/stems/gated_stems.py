"""Makes stems of one mix of everybody, as Microsoft Teams sends it: each stem is that mix while its source speaks.

Packets go unchanged into the stem of each source that speaks in them. Nothing is decoded, so overlapping speech is not
separated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from pathlib import Path

from worker.audio.mixer import Mixer
from worker.audio.opus import SAMPLE_RATE
from worker.manifest.assemble import HeardSource
from worker.manifest.schema import GatedMix, Packets
from worker.roster.roster import Roster
from worker.roster.speaking import Said
from worker.stems.caption_users import CaptionUsers
from worker.stems.gate import NOISE, Attribution, Gate
from worker.stems.mix_slot import MixPacket, MixSlot
from worker.stems.mix_totals import MixTotals
from worker.stems.speaker_hints import SpeakerHints
from worker.stems.stem import GatedStem, Stem
from worker.stems.stem_router import StemRouter
from worker.stems.stem_set import SourceSinks
from worker.tape.events import PageEvent, WorkerEvent


class GatedStems:
    """A stem for each source id. Unknown speakers count down from -1; users known from captions alone count up from
    FIRST_CAPTION_SOURCE.

    ``hints_in`` finds the hints of who speaks in an event of the tape. ``mixer`` gets each track of the mix once. Each of
    ``sinks`` is opened for each source and gets the mix while that source speaks.
    """

    def __init__(
        self,
        folder: Path,
        mixer: Mixer | None,
        users: CaptionUsers,
        hints_in: Callable[[PageEvent | WorkerEvent], list[Said]],
        sinks: Sequence[SourceSinks] = (),
    ) -> None:
        self._mixer = mixer
        self._users = users
        self._slots: list[MixSlot] = []
        self._gate = Gate(self._write)
        self._hints = SpeakerHints(hints_in, self._gate.add_hint)
        self._router = StemRouter(folder, users.source, sinks)
        self._totals = MixTotals()
        self._settled = 0

    @property
    def stems(self) -> dict[int, Stem]:
        """By source, in order of first speech."""
        return dict(self._router.stems)

    @property
    def refused(self) -> int:
        """Packets of sources past MOST_SOURCES, counted once for each such source."""
        return self._router.refused

    def observe(self, event: PageEvent | WorkerEvent) -> None:
        """Takes the tape's next event that is not audio: roster messages and hints of who speaks count."""
        self._users.observe(event)
        self._hints.observe(event)

    def begin(self, zero: float) -> None:
        """The recording begins: ``zero`` is meeting time 0 in Unix seconds; hints from before it count as well."""
        self._hints.begin(zero)

    def open_slot(self, ssrc: int) -> MixSlot:
        """Opens a slot for a new track of the mix, or a new SSRC."""
        slot = MixSlot(ssrc, [self._mixer.open_input()] if self._mixer else [], self._slots)
        slot.track.be_silent_until(self._settled)
        self._slots.append(slot)
        return slot

    def decide(self, now: float) -> None:
        """Writes the packets that can be attributed at meeting time ``now`` (seconds)."""
        placed = [packet for slot in self._slots for packet in slot.take()]
        if len(self._slots) > 1:
            placed.sort(key=attrgetter("position"))
        for packet in placed:
            self._gate.push(packet)
        self._gate.decide(now)

    def settle(self, position: int) -> None:
        """Writes silence up to ``position``, in stems that are opened later as well."""
        self._settled = position
        for slot in self._slots:
            slot.track.be_silent_until(position)
        self._router.settle(position)

    def close(self, end: int) -> int:
        """Attributes and writes all packets that wait and closes the stems, all at the same place, which it returns."""
        self.decide(float("inf"))
        end = max([end, *(slot.track.speech_end for slot in self._slots)])
        stems = self._router.stems.values()
        end = max([end, *(stem.track.end for stem in stems)])
        for stem in stems:
            stem.track.be_silent_until(end)
            stem.file.close()
        return end

    def heard(self) -> list[HeardSource]:
        """Describes each stem for the manifest."""
        return [_heard(source, stem) for source, stem in self._router.stems.items()]

    def known(self, roster: Roster) -> Roster:
        """The roster with the sources of users known from captions alone."""
        return self._users.with_assigned(roster)

    def gated_mix(self) -> GatedMix:
        """The totals of the mix."""
        return self._totals.gated_mix(self._slots)

    def _write(self, packet: MixPacket, attribution: Attribution) -> None:
        """Writes a packet into the stems of all its speakers."""
        if attribution == NOISE:
            self._totals.count_noise()
            return
        evidence = self._router.write(packet, attribution)
        self._totals.count(packet.samples, evidence, shared=len(attribution.speakers) > 1)


def _heard(source: int, stem: GatedStem) -> HeardSource:
    track = stem.track
    return HeardSource(
        source=source,
        sources=list(stem.sources),
        intervals=[(start / SAMPLE_RATE, end / SAMPLE_RATE) for start, end in track.intervals()],
        packets=Packets(
            received=track.received, recovered=track.recovered, lost=track.lost, duplicate=stem.duplicates
        ),
        isolation="gated-mix",
        attribution=[
            (start / SAMPLE_RATE, end / SAMPLE_RATE, evidence) for start, end, evidence in stem.attribution
        ],
        overlaps=[(start / SAMPLE_RATE, end / SAMPLE_RATE, others) for start, end, others in stem.overlaps],
    )
