"""A source with its open file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from worker.audio.opus import QUANTUM
from worker.manifest.schema import Source
from worker.stems.mix_slot import MixPacket
from worker.stems.speaker_track import SPURT_GAP, SpeakerTrack, SpeechSink
from worker.stems.stem_file import StemFile

Run = tuple[int, int, str]
"""(from, to, evidence for the speaker) in samples of meeting time."""

Shared = tuple[int, int, tuple[int, ...]]
"""(from, to, the keys of the other stems) in samples of meeting time."""


class Stem:
    """One source's file while it is written; ``sinks`` receive the source's speech as well."""

    def __init__(self, path: Path, sinks: Sequence[SpeechSink] = ()) -> None:
        self.path = path
        self.file = StemFile(path)
        self.track = SpeakerTrack(self.file, sinks)
        self.sources: dict[Source, None] = {}


class GatedStem(Stem):
    """A stem of a mix: packets that it may share with other stems, each with the evidence for this speaker."""

    def __init__(self, path: Path, sinks: Sequence[SpeechSink] = ()) -> None:
        super().__init__(path, sinks)
        self.duplicates = 0
        """Packets that were left out because another track had brought that moment of this source."""
        self.attribution: list[Run] = []
        self.overlaps: list[Shared] = []

    def add(self, source: Source, packet: MixPacket, evidence: str, others: tuple[int, ...]) -> None:
        """Writes a packet of the mix at its place. ``others`` are the keys of the stems that share it."""
        self.sources[source] = None
        track = self.track
        position = track.speak(packet.position, packet.samples, packet.payload)
        if packet.recovered:
            track.recovered += 1
        else:
            track.received += 1
        track.lost += packet.lost
        self._note(position, position + packet.samples, evidence, others)

    def _note(self, position: int, end: int, evidence: str, others: tuple[int, ...]) -> None:
        """Notes the packet's evidence and sharing; a run that continues is one entry."""
        runs = self.attribution
        if runs and runs[-1][2] == evidence and position - runs[-1][1] < SPURT_GAP:
            runs[-1] = (runs[-1][0], end, evidence)
        else:
            runs.append((position, end, evidence))
        if not others:
            return
        shared = self.overlaps
        if shared and shared[-1][2] == others and position - shared[-1][1] < QUANTUM:
            shared[-1] = (shared[-1][0], end, others)
        else:
            shared.append((position, end, others))
