"""Speech that comes as one mix of everybody, as Microsoft Teams sends it: stems are that mix, gated by who speaks.

Packets go unchanged into the stem of each source that is in them. Nothing is decoded, so overlapping speech is not separated.
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
from worker.stems.mix_slot import MixSlot, Sound
from worker.stems.mix_totals import MixTotals
from worker.stems.speaker_hints import SpeakerHints
from worker.stems.stem import GatedStem, Stem
from worker.stems.stem_router import StemRouter
from worker.stems.stem_set import SourceSinks
from worker.tape.events import PageEvent, WorkerEvent


class GatedStems:
    """A stem for each source id; for unknown speakers, counted down from -1, and for those who only captions name.

    ``hints_in`` finds in an event of the tape who is said to speak. Each track of the platform's mix is in ``mixer`` once; each
    source, which is that mix while it speaks, is in what each of ``sinks`` opens for it.
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
        self._hints = SpeakerHints(hints_in, self._gate.tell)
        self._router = StemRouter(folder, users.source, sinks)
        self._totals = MixTotals()
        self._settled = 0

    @property
    def stems(self) -> dict[int, Stem]:
        """By source, in order of first speech."""
        return dict(self._router.stems)

    @property
    def refused(self) -> int:
        """Packets of sources past MOST_SOURCES, but for those in other stems."""
        return self._router.refused

    def observe(self, event: PageEvent | WorkerEvent) -> None:
        """Takes in what the platform tells of who speaks."""
        self._users.observe(event)
        self._hints.observe(event)

    def begin(self, zero: float) -> None:
        """The recording begins; who was dominant before still is."""
        self._hints.begin(zero)

    def open_slot(self, ssrc: int) -> MixSlot:
        """The mix on a new track, or under a new SSRC."""
        slot = MixSlot(ssrc, [self._mixer.open_input()] if self._mixer else [])
        slot.track.be_silent_until(self._settled)
        self._slots.append(slot)
        return slot

    def decide(self, now: float) -> None:
        """Writes what is decided at meeting time ``now``."""
        placed = [sound for slot in self._slots for sound in slot.take()]
        if len(self._slots) > 1:
            placed.sort(key=attrgetter("position"))
        for sound in placed:
            self._gate.push(sound)
        self._gate.decide(now)

    def settle(self, position: int) -> None:
        """Lays silence up to ``position``."""
        self._settled = position
        for slot in self._slots:
            slot.track.be_silent_until(position)
        self._router.settle(position)

    def close(self, end: int) -> int:
        """Decides everything, with what is known by now, and closes the stems."""
        self.decide(float("inf"))
        end = max([end, *(slot.track.speech_end for slot in self._slots)])
        stems = self._router.stems.values()
        end = max([end, *(stem.track.end for stem in stems)])
        for stem in stems:
            stem.track.be_silent_until(end)
            stem.file.close()
        return end

    def heard(self) -> list[HeardSource]:
        """What is to be said of each stem."""
        return [_heard(source, stem) for source, stem in self._router.stems.items()]

    def known(self, roster: Roster) -> Roster:
        """The roster, with the stems of those whom only captions name."""
        return self._users.known(roster)

    def gated_mix(self) -> GatedMix:
        """What the mix came to."""
        return self._totals.gated_mix(self._slots)

    def _write(self, sound: Sound, attribution: Attribution) -> None:
        """Writes a packet into the stems of all who are in it."""
        if attribution == NOISE:
            self._totals.count_noise()
            return
        told_by = self._router.write(sound, attribution)
        self._totals.count(sound.samples, told_by, shared=len(attribution.speakers) > 1)


def _heard(source: int, stem: GatedStem) -> HeardSource:
    track = stem.track
    return HeardSource(
        source=source,
        sources=list(stem.sources),
        intervals=[(start / SAMPLE_RATE, end / SAMPLE_RATE) for start, end in track.intervals()],
        packets=Packets(
            received=track.received, recovered=track.recovered, lost=track.lost, duplicate=stem.doubled
        ),
        isolation="gated-mix",
        attribution=[
            (start / SAMPLE_RATE, end / SAMPLE_RATE, told_by) for start, end, told_by in stem.attribution
        ],
        overlaps=[(start / SAMPLE_RATE, end / SAMPLE_RATE, others) for start, end, others in stem.overlaps],
    )
