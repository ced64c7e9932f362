"""Routes the attributed packets of a mix into the stems of their speakers, and opens stems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from worker.audio.opus import SAMPLE_RATE
from worker.manifest.assemble import MOST_CSRC
from worker.manifest.schema import Source
from worker.stems.attribution import ToldBy
from worker.stems.gate import Attribution
from worker.stems.mix_slot import Sound
from worker.stems.stem import GatedStem
from worker.stems.stem_set import MOST_SOURCES, SourceSinks

DOUBLED = SAMPLE_RATE // 20
"""A packet may lie 50 ms before the end of its stem (another slot's clock) and is put behind it; what lies further back is
there already, from another track."""

UNKNOWN = -1
"""The source of the first unknown speaker; further ones count down."""


class StemRouter:
    """The stems of a gated mix by source, in order of first speech.

    ``source_of_user`` gives the source of a user whom captions name. Each of ``sinks`` is opened for each source.
    """

    def __init__(
        self, folder: Path, source_of_user: Callable[[str], int], sinks: Sequence[SourceSinks] = ()
    ) -> None:
        self.stems: dict[int, GatedStem] = {}
        self.refused = 0
        """Packets of sources past MOST_SOURCES, but for those in other stems."""
        self._folder = folder
        self._source_of_user = source_of_user
        self._sinks = sinks
        self._settled = 0

    def settle(self, position: int) -> None:
        """Lays silence up to ``position``, in stems that are opened later as well."""
        self._settled = position
        for stem in self.stems.values():
            stem.track.be_silent_until(position)

    def write(self, sound: Sound, attribution: Attribution) -> ToldBy:
        """Writes a packet into the stems of all its speakers, or else of an unknown one; returns what it was kept by."""
        speakers = [
            speaker if isinstance(speaker, int) else self._source_of_user(speaker)
            for speaker in attribution.speakers
        ]
        kept = [self._write_to(source, speakers, sound, attribution.told_by) for source in speakers]
        told_by = attribution.told_by if any(kept) else ToldBy.NONE
        if told_by is ToldBy.NONE:
            self._write_to_unknown(sound)
        return told_by

    def _write_to(self, source: int, speakers: list[int], sound: Sound, told_by: ToldBy) -> bool:
        """Writes into the stem of ``source``; False where the packet cannot be of that source after all."""
        stem = self._stem(source)
        if stem is None:
            self.refused += 1
            return True
        if stem.track.end - sound.position > DOUBLED:
            # Two tracks bring the same moment of one source: by its own list it is a copy, by hints somebody else's.
            stem.doubled += told_by is ToldBy.CSRC
            return told_by is ToldBy.CSRC
        known = source if 0 <= source < MOST_CSRC else None
        stem.add(
            Source(ssrc=sound.ssrc, csrc=known),
            sound,
            told_by,
            tuple(each for each in speakers if each != source),
        )
        return True

    def _write_to_unknown(self, sound: Sound) -> None:
        """Writes into the first unknown speaker's stem that has room: two tracks at once are two unknown speakers."""
        source = UNKNOWN
        while source in self.stems and self.stems[source].track.end - sound.position > DOUBLED:
            source -= 1
        stem = self._stem(source)
        if stem is None:
            self.refused += 1
            return
        stem.add(Source(ssrc=sound.ssrc, csrc=None), sound, ToldBy.NONE, ())

    def _stem(self, source: int) -> GatedStem | None:
        """The stem of a source, opened when it is first heard; None past MOST_SOURCES."""
        stem = self.stems.get(source)
        if stem is None and len(self.stems) < MOST_SOURCES:
            path = self._folder / f"source-{len(self.stems)}.webm"
            opened = [sinks.open_source(source) for sinks in self._sinks]
            stem = self.stems[source] = GatedStem(path, opened)
            stem.track.be_silent_until(self._settled)
        return stem
