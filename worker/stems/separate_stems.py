"""Makes stems of slots that carry one source at a time, as Google Meet sends them: each packet is one speaker's alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from worker.audio.mixer import Mixer
from worker.audio.opus import SAMPLE_RATE
from worker.manifest.assemble import HeardSource
from worker.manifest.schema import GatedMix, Packets, Source
from worker.roster.roster import Roster
from worker.stems.jitter_buffer import JitterBuffer
from worker.stems.placement import SlotPlacement
from worker.stems.speaker_track import SpeakerTrack, SpeechSink
from worker.stems.stem import Stem
from worker.stems.stem_set import MOST_SOURCES, SourceSinks
from worker.tape.events import PageEvent, WorkerEvent


class SeparateStems:
    """A stem for each CSRC; packets that list none go into a stem of their SSRC, under its bitwise complement.

    ``mixer`` gets every source. Each of ``sinks`` is opened for each source.
    """

    def __init__(self, folder: Path, mixer: Mixer | None, sinks: Sequence[SourceSinks] = ()) -> None:
        self.stems: dict[int, Stem] = {}
        self._folder = folder
        self._mixer = mixer
        self._sinks = sinks
        self._slots: list[tuple[int, SlotPlacement]] = []
        """With their SSRCs."""
        self._settled = 0

    @property
    def refused(self) -> int:
        """Packets of sources past MOST_SOURCES."""
        return sum(slot.refused for _, slot in self._slots)

    def observe(self, event: PageEvent | WorkerEvent) -> None:
        """Ignores events: the packets alone show whose they are."""

    def begin(self, zero: float) -> None:
        """Does nothing: the places of packets are meeting time already."""

    def open_slot(self, ssrc: int) -> SlotPlacement:
        """Opens a slot for a new virtual stream."""
        slot = SlotPlacement(JitterBuffer(), lambda csrc: self._track(csrc, ssrc))
        self._slots.append((ssrc, slot))
        return slot

    def decide(self, now: float) -> None:
        """Does nothing: a packet is written when it is placed."""

    def settle(self, position: int) -> None:
        """Writes silence up to ``position``, in stems that are opened later as well."""
        self._settled = position
        for stem in self.stems.values():
            stem.track.be_silent_until(position)

    def close(self, end: int) -> int:
        """Closes the stems, all at the same place, which it returns."""
        end = max([end, *(stem.track.end for stem in self.stems.values())])
        for stem in self.stems.values():
            stem.track.be_silent_until(end)
            stem.file.close()
        return end

    def heard(self) -> list[HeardSource]:
        """Describes each stem for the manifest."""
        return [self._heard(source, stem) for source, stem in self.stems.items()]

    def known(self, roster: Roster) -> Roster:
        """The roster as it is: stems are its own sources."""
        return roster

    def gated_mix(self) -> GatedMix | None:
        """None: the platform sends no mix."""
        return None

    def _track(self, csrc: int | None, ssrc: int) -> SpeakerTrack | None:
        """The track of a source, opened when it is first heard; None past MOST_SOURCES."""
        source = ~ssrc if csrc is None else csrc
        stem = self.stems.get(source)
        if stem is None:
            if len(self.stems) >= MOST_SOURCES:
                return None
            path = self._folder / f"source-{len(self.stems)}.webm"
            stem = self.stems[source] = Stem(path, self._open_sinks(source))
            stem.track.be_silent_until(self._settled)
        stem.sources[Source(ssrc=ssrc, csrc=csrc)] = None
        return stem.track

    def _open_sinks(self, source: int) -> list[SpeechSink]:
        opened: list[SpeechSink] = [sinks.open_source(source) for sinks in self._sinks]
        return [self._mixer.open_input(), *opened] if self._mixer else opened

    def _heard(self, source: int, stem: Stem) -> HeardSource:
        track = stem.track
        late = duplicate = 0
        for ssrc, slot in self._slots:
            for csrc, count in slot.buffer.counts.late.items():
                late += count * (source == (~ssrc if csrc is None else csrc))
            for csrc, count in slot.buffer.counts.duplicate.items():
                duplicate += count * (source == (~ssrc if csrc is None else csrc))
        return HeardSource(
            source=source,
            sources=list(stem.sources),
            intervals=[(start / SAMPLE_RATE, end / SAMPLE_RATE) for start, end in track.intervals()],
            packets=Packets(
                received=track.received,
                recovered=track.recovered,
                lost=track.lost,
                late=late,
                duplicate=duplicate,
                trimmed=track.trimmed,
            ),
            isolation="separated" if source >= 0 else "mixed-only",
        )
