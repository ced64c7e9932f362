"""From a tape's events to its files: the one way for a live recording, a replay and a recovery.

Nothing here knows the hour: time is what the events say, so the same tape gives the same bytes at any speed.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from worker.platforms.meet_roster import MeetRoster
from worker.stems.document import HeardSource, assemble_manifest
from worker.stems.manifest import Manifest, Packets, Source, encode_manifest
from worker.stems.mix import Mix
from worker.stems.naming import name_sources
from worker.stems.opus import QUANTUM, SAMPLE_RATE
from worker.stems.placement import SlotPlacement
from worker.stems.reordering import ReorderWindow
from worker.stems.report import timeline_html
from worker.stems.session import SessionFacts
from worker.stems.speaker_track import SpeakerTrack
from worker.stems.wav import WavWriter
from worker.stems.webm import WebmWriter
from worker.tape.events import FrameBatch, RecordingEnded, RecordingStarted, TapeEvent

SETTLED_AFTER = 10.0
"""Silence is laid this many seconds behind the clock: a stalled network may still deliver what was spoken before."""

MOST_SOURCES = 250
"""Each source is an open file; a meeting does not have more speakers than this."""

CLOCK_LEAP = 3600.0
"""A frame that claims to be an hour away from all others is not believed."""

AUDIO_FILE = "audio.wav"
MANIFEST_FILE = "audio_streams.json"
TIMELINE_FILE = "timeline.html"
STREAMS_FOLDER = "streams"


class SpeakerProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How one speaker stands right now; ``name`` is the best that is known by now."""

    name: str
    speaking: bool
    speech_seconds: float
    packets_received: int
    recovered: int
    lost: int


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How a recording stands right now. ``elapsed_seconds`` is meeting time."""

    elapsed_seconds: float
    speakers: list[SpeakerProgress]

    @property
    def packets_received(self) -> int:
        """Over all speakers."""
        return sum(speaker.packets_received for speaker in self.speakers)

    @property
    def recovered(self) -> int:
        """Over all speakers."""
        return sum(speaker.recovered for speaker in self.speakers)

    @property
    def lost(self) -> int:
        """Over all speakers."""
        return sum(speaker.lost for speaker in self.speakers)


class _Speaker:
    """A source that was heard, with its open file."""

    def __init__(self, path: Path, mix: Mix | None) -> None:
        self.path = path
        self.file = WebmWriter(path)
        self.track = SpeakerTrack(self.file, mix.voice() if mix else None)
        self.sources: dict[Source, None] = {}


class Renderer:
    """Writes stems, mix, manifest and timeline into ``output`` while events are fed; ``finish`` completes them.

    Raises OSError (av.FFmpegError for the stems) where a file cannot be written.
    """

    def __init__(self, output: Path, *, mix: bool = True) -> None:
        self._output = output
        (output / STREAMS_FOLDER).mkdir(parents=True, exist_ok=True)
        self._mix = Mix(WavWriter(output / AUDIO_FILE)) if mix else None
        self._facts = SessionFacts()
        self._roster = MeetRoster()
        self._slots: dict[tuple[int, int, int], SlotPlacement] = {}
        """By document, receiver and SSRC."""
        self._speakers: dict[int, _Speaker] = {}
        """By CSRC; by the bitwise complement of the SSRC, which is negative, where packets list no CSRC."""
        self._unbelieved = 0
        self._zero: float | None = None
        self._now = 0.0
        """Meeting time, in seconds."""
        self._settled = 0
        """Up to here (in samples) every stem is written."""
        self._ended = False

    def feed(self, event: TapeEvent) -> None:
        """Takes the tape's next event; frames before RecordingStarted do not count."""
        if isinstance(event, FrameBatch):
            if self._zero is not None and not self._ended:
                self._take_frames(event, self._zero)
            return
        self._facts.observe(event)
        self._roster.observe(event)
        if isinstance(event, RecordingStarted) and self._zero is None:
            self._zero = event.at
        if self._zero is not None and not self._ended:
            if isinstance(event, RecordingEnded):
                self._now = event.at - self._zero
                self._ended = True
            elif abs(event.at - self._zero - self._now) < CLOCK_LEAP:
                self._advance(event.at - self._zero)

    def progress(self) -> Progress:
        """How the recording stands."""
        named = name_sources(list(self._speakers), self._roster.directory())
        names = {source: person.participant_name for person in named for source in person.csrcs}
        now = int(self._now * SAMPLE_RATE)
        return Progress(
            elapsed_seconds=self._now,
            speakers=[
                SpeakerProgress(
                    name=names[source],
                    speaking=speaker.track.speech_end > now - SAMPLE_RATE,
                    speech_seconds=sum(end - start for start, end in speaker.track.intervals()) / SAMPLE_RATE,
                    packets_received=speaker.track.received,
                    recovered=speaker.track.recovered,
                    lost=speaker.track.lost,
                )
                for source, speaker in self._speakers.items()
            ],
        )

    def finish(self) -> Manifest:
        """Completes and closes all files; the recording ends where its tape says, or with its last event."""
        for slot in self._slots.values():
            while slot.window.pending:
                slot.place(slot.window.take())
        end = round(self._now * SAMPLE_RATE / QUANTUM) * QUANTUM
        end = max([end, *(speaker.track.end for speaker in self._speakers.values())])
        for speaker in self._speakers.values():
            speaker.track.be_silent_until(end)
            speaker.file.close()
        if self._mix:
            self._mix.close(end)
        manifest, files = assemble_manifest(
            [self._heard(source, speaker) for source, speaker in self._speakers.items()],
            self._roster.directory(),
            self._facts,
            end / SAMPLE_RATE,
            STREAMS_FOLDER,
            AUDIO_FILE if self._mix else None,
            self._warnings(),
        )
        for source, name in files.items():
            path = self._speakers[source].path
            path.rename(path.with_name(name))
        (self._output / MANIFEST_FILE).write_bytes(encode_manifest(manifest))
        (self._output / TIMELINE_FILE).write_text(timeline_html(manifest), "utf-8")
        return manifest

    def _take_frames(self, batch: FrameBatch, zero: float) -> None:
        slots = self._slots
        document = batch.document
        now = self._now
        leap = now + CLOCK_LEAP
        for frame in batch.frames:
            arrival = frame.arrival - zero
            if not 0 <= arrival < leap:
                self._unbelieved += arrival >= leap
                continue
            key = (document, frame.receiver, frame.ssrc)
            slot = slots.get(key)
            if slot is None:
                slot = slots[key] = self._open_slot(frame.ssrc)
            slot.window.push(frame, arrival)
            if arrival > now:
                now = arrival
        self._advance(now)

    def _advance(self, now: float) -> None:
        """Moves meeting time on: places what has waited long enough and settles what lies far enough behind."""
        self._now = now = max(now, self._now)
        for slot in self._slots.values():
            if slot.window.pending:
                for packet in slot.window.release(now):
                    slot.place(packet)
        settled = int(now - SETTLED_AFTER) * SAMPLE_RATE
        if settled > self._settled:
            self._settled = settled
            for speaker in self._speakers.values():
                speaker.track.be_silent_until(settled)
            if self._mix:
                self._mix.write_until(settled)

    def _open_slot(self, ssrc: int) -> SlotPlacement:
        return SlotPlacement(ReorderWindow(), lambda csrc: self._track(csrc, ssrc))

    def _track(self, csrc: int | None, ssrc: int) -> SpeakerTrack | None:
        """The track of a source, opened when it is first heard; None past the most that are served."""
        source = ~ssrc if csrc is None else csrc
        speaker = self._speakers.get(source)
        if speaker is None:
            if len(self._speakers) >= MOST_SOURCES:
                return None
            path = self._output / STREAMS_FOLDER / f"source-{len(self._speakers)}.webm"
            speaker = self._speakers[source] = _Speaker(path, self._mix)
            speaker.track.be_silent_until(self._settled)
        speaker.sources[Source(ssrc=ssrc, csrc=csrc)] = None
        return speaker.track

    def _heard(self, source: int, speaker: _Speaker) -> HeardSource:
        track = speaker.track
        late = duplicate = 0
        for (_, _, ssrc), slot in self._slots.items():
            for csrc, count in slot.window.counts.late.items():
                late += count * (source == (~ssrc if csrc is None else csrc))
            for csrc, count in slot.window.counts.duplicate.items():
                duplicate += count * (source == (~ssrc if csrc is None else csrc))
        return HeardSource(
            source=source,
            sources=list(speaker.sources),
            intervals=[(start / SAMPLE_RATE, end / SAMPLE_RATE) for start, end in track.intervals()],
            packets=Packets(
                received=track.received,
                recovered=track.recovered,
                lost=track.lost,
                late=late,
                duplicate=duplicate,
                trimmed=track.trimmed,
            ),
        )

    def _warnings(self) -> list[str]:
        refused = sum(slot.refused for slot in self._slots.values())
        malformed = sum(slot.window.counts.malformed for slot in self._slots.values())
        warnings = []
        if refused:
            warnings.append(f"{refused} packets came from more than {MOST_SOURCES} sources and have no file.")
        if malformed:
            warnings.append(f"{malformed} payloads could not be read and were left out.")
        if self._roster.undecodable:
            warnings.append(f"{self._roster.undecodable} roster messages could not be read.")
        if self._roster.harvested:
            warnings.append("The roster's form was not the known one; names were found by searching it.")
        if self._unbelieved:
            warnings.append(
                f"{self._unbelieved} packets claimed to come from another hour and were left out."
            )
        return warnings
