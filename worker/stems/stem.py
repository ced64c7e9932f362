"""A source with its open file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from worker.audio.opus import QUANTUM
from worker.manifest.schema import Source
from worker.stems.mix_slot import MixPacket
from worker.stems.speaker_track import SPURT_GAP, SpeakerTrack, SpeechSink
from worker.stems.stem_file import StemFile

MOST_LISTED = 1_000
"""Pairs of SSRC and CSRC that a stem lists."""

Run = tuple[int, int, str]
"""(from, to, evidence for the speaker) in samples of meeting time."""

Shared = tuple[int, int, tuple[int, ...]]
"""(from, to, the keys of the other stems) in samples of meeting time."""


class Stem:
    """One source's file while it is written. ``sinks`` receive the source's speech as well.

    ``mix_input`` receives it too, but not the packets that another stem has put into the mix.
    """

    def __init__(
        self, path: Path, sinks: Sequence[SpeechSink] = (), mix_input: SpeechSink | None = None
    ) -> None:
        self.path = path
        self.file = StemFile(path)
        self.track = SpeakerTrack(self.file, [mix_input, *sinks] if mix_input else sinks)
        self.duplicates = 0
        """Packets that were left out because another slot had brought that moment of this source."""
        self.overlaps: list[Shared] = []
        self._sinks = sinks
        self._sources: dict[Source, None] = {}

    @property
    def sources(self) -> list[Source]:
        """The SSRCs and CSRCs of its packets, in order of first speech: the first MOST_LISTED."""
        return list(self._sources)

    def list_source(self, source: Source) -> None:
        """Notes whose packets are in the stem."""
        if len(self._sources) < MOST_LISTED:
            self._sources[source] = None

    def close(self) -> None:
        """Completes the file; removes it if it holds no speech, only comfort noise."""
        self.file.close()
        if not self.track.speech_length:
            with suppress(OSError):
                self.path.unlink()

    def share(self, position: int, samples: int, payload: bytes, others: tuple[int, ...]) -> None:
        """Writes a packet that another stem has put into the mix, unless this one has that moment already.

        ``others`` are the keys of the stems that share it.
        """
        track = self.track
        if track.end - position > samples // 2:
            self.duplicates += 1
            return
        position = track.speak(position, samples, payload, self._sinks)
        track.received += 1
        self.note_overlap(position, position + samples, others)

    def note_overlap(self, position: int, end: int, others: tuple[int, ...]) -> None:
        """Notes that a stretch is shared with ``others``; a run that continues is one entry."""
        shared = self.overlaps
        if shared and shared[-1][2] == others and position - shared[-1][1] < QUANTUM:
            shared[-1] = (shared[-1][0], end, others)
        else:
            shared.append((position, end, others))


class GatedStem(Stem):
    """A stem of a mix: packets that it may share with other stems, each with the evidence for this speaker."""

    def __init__(self, path: Path, sinks: Sequence[SpeechSink] = ()) -> None:
        super().__init__(path, sinks)
        self.attribution: list[Run] = []
        self.stream = -1
        """The stream that brought the last packet."""

    def add(self, source: Source, packet: MixPacket, evidence: str, others: tuple[int, ...]) -> None:
        """Writes a packet of the mix at its place. ``others`` are the keys of the stems that share it."""
        self.list_source(source)
        self.stream = packet.stream
        track = self.track
        position = track.speak(packet.position, packet.samples, packet.payload)
        if packet.recovered:
            track.recovered += 1
        else:
            track.received += 1
        track.lost += packet.lost
        end = position + packet.samples
        self._note_evidence(position, end, evidence)
        if others:
            self.note_overlap(position, end, others)

    def _note_evidence(self, position: int, end: int, evidence: str) -> None:
        """Notes the evidence for a packet's speaker; a run that continues is one entry."""
        runs = self.attribution
        if runs and runs[-1][2] == evidence and position - runs[-1][1] < SPURT_GAP:
            runs[-1] = (runs[-1][0], end, evidence)
        else:
            runs.append((position, end, evidence))
