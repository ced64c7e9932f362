"""Routes the attributed packets of a mix into the stems of their speakers, and opens stems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from worker.audio.opus import SAMPLE_RATE
from worker.manifest.assemble import FIRST_CAPTION_SOURCE
from worker.manifest.schema import Source
from worker.stems.attribution import SpeakerEvidence
from worker.stems.gate import Attribution
from worker.stems.mix_slot import MixPacket
from worker.stems.stem import GatedStem
from worker.stems.stem_set import MOST_SOURCES, SourceSinks

MAX_STEP_BACK = SAMPLE_RATE // 20
"""A packet at most 50 ms before the end of its stem (another slot's clock) is appended; one further back is in the stem
already, from another track."""

FIRST_UNKNOWN = -1
"""The source of the first unknown speaker; further ones count down."""


class StemRouter:
    """The stems of a gated mix by source, in order of first speech.

    ``source_of_user`` returns the source of a captioned user. Each of ``sinks`` is opened for each source.
    """

    def __init__(
        self, folder: Path, source_of_user: Callable[[str], int], sinks: Sequence[SourceSinks] = ()
    ) -> None:
        self.stems: dict[int, GatedStem] = {}
        self.refused = 0
        """Packets of sources past MOST_SOURCES, counted once for each such source."""
        self._folder = folder
        self._source_of_user = source_of_user
        self._sinks = sinks
        self._settled = 0

    def settle(self, position: int) -> None:
        """Writes silence up to ``position``, in stems that are opened later as well."""
        self._settled = position
        for stem in self.stems.values():
            stem.track.be_silent_until(position)

    def write(self, packet: MixPacket, attribution: Attribution) -> SpeakerEvidence:
        """Writes a packet into the stems of all its speakers, or of an unknown one; returns the evidence that was used."""
        speakers = [
            speaker if isinstance(speaker, int) else self._source_of_user(speaker)
            for speaker in attribution.speakers
        ]
        kept = [self._write_to(source, speakers, packet, attribution.evidence) for source in speakers]
        evidence = attribution.evidence if any(kept) else SpeakerEvidence.NONE
        if evidence is SpeakerEvidence.NONE:
            self._write_to_unknown(packet)
        return evidence

    def _write_to(
        self, source: int, speakers: list[int], packet: MixPacket, evidence: SpeakerEvidence
    ) -> bool:
        """Writes into the stem of ``source``; returns False if the packet cannot be that source's."""
        stem = self._stem(source)
        if stem is None:
            self.refused += 1
            return True
        if stem.track.end - packet.position > MAX_STEP_BACK:
            # Two tracks bring the same moment of one source: by CSRC it is a copy, by hints it is another speaker's.
            stem.duplicates += evidence is SpeakerEvidence.CSRC
            return evidence is SpeakerEvidence.CSRC
        known = source if 0 <= source < FIRST_CAPTION_SOURCE else None
        stem.add(
            Source(ssrc=packet.ssrc, csrc=known),
            packet,
            evidence,
            tuple(each for each in speakers if each != source),
        )
        return True

    def _write_to_unknown(self, packet: MixPacket) -> None:
        """Writes into the first unknown speaker's stem that has room: two tracks at once are two unknown speakers."""
        source = FIRST_UNKNOWN
        while source in self.stems and self.stems[source].track.end - packet.position > MAX_STEP_BACK:
            source -= 1
        stem = self._stem(source)
        if stem is None:
            self.refused += 1
            return
        stem.add(Source(ssrc=packet.ssrc, csrc=None), packet, SpeakerEvidence.NONE, ())

    def _stem(self, source: int) -> GatedStem | None:
        """The stem of a source, opened when it is first heard; None past MOST_SOURCES."""
        stem = self.stems.get(source)
        if stem is None and len(self.stems) < MOST_SOURCES:
            path = self._folder / f"source-{len(self.stems)}.webm"
            opened = [sinks.open_source(source) for sinks in self._sinks]
            stem = self.stems[source] = GatedStem(path, opened)
            stem.track.be_silent_until(self._settled)
        return stem
