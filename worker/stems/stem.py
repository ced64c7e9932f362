"""A source that was heard, with its open file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from worker.audio.opus import QUANTUM
from worker.audio.webm import WebmWriter
from worker.manifest.schema import Source
from worker.stems.mix_slot import Sound
from worker.stems.speaker_track import SPURT_GAP, SpeakerTrack, SpeechSink

Run = tuple[int, int, str]
"""(from, to, what told who speaks) in samples of meeting time."""

Shared = tuple[int, int, tuple[int, ...]]
"""(from, to, the keys of the other stems) in samples of meeting time."""


class Stem:
    """One source's file while it grows; ``sinks`` hear the source as well."""

    def __init__(self, path: Path, sinks: Sequence[SpeechSink] = ()) -> None:
        self.path = path
        self.file = WebmWriter(path)
        self.track = SpeakerTrack(self.file, sinks)
        self.sources: dict[Source, None] = {}


class GatedStem(Stem):
    """A stem out of a mix: packets that it may share with others, each with what told that this one speaks."""

    def __init__(self, path: Path, sinks: Sequence[SpeechSink] = ()) -> None:
        super().__init__(path, sinks)
        self.doubled = 0
        """Packets left out because another track had already brought that moment of this source."""
        self.attribution: list[Run] = []
        self.overlaps: list[Shared] = []

    def add(self, source: Source, sound: Sound, told_by: str, others: tuple[int, ...]) -> None:
        """Writes a packet of the mix at its place. ``others`` are the keys of those who share it."""
        self.sources[source] = None
        track = self.track
        position = track.speak(sound.position, sound.samples, sound.payload)
        if sound.recovered:
            track.recovered += 1
        else:
            track.received += 1
        track.lost += sound.lost
        self._note(position, position + sound.samples, told_by, others)

    def _note(self, position: int, end: int, told_by: str, others: tuple[int, ...]) -> None:
        """Runs that go on are one entry."""
        runs = self.attribution
        if runs and runs[-1][2] == told_by and position - runs[-1][1] < SPURT_GAP:
            runs[-1] = (runs[-1][0], end, told_by)
        else:
            runs.append((position, end, told_by))
        if not others:
            return
        shared = self.overlaps
        if shared and shared[-1][2] == others and position - shared[-1][1] < QUANTUM:
            shared[-1] = (shared[-1][0], end, others)
        else:
            shared.append((position, end, others))
