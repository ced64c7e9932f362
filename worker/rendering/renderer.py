"""Renders a tape's events to files, for a live recording, a replay and a recovery alike.

No clock is read: the events contain all times, so the same tape gives the same bytes at any speed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from worker.audio.mixer import Mixer
from worker.audio.opus import QUANTUM, SAMPLE_RATE
from worker.audio.wav import WavWriter
from worker.manifest.assemble import assemble_manifest
from worker.manifest.naming import name_sources
from worker.manifest.recording_facts import SessionFacts
from worker.manifest.schema import Manifest, encode_manifest
from worker.platforms.registry import PLATFORMS, AudioKind, Platform, PlatformEntry
from worker.rendering.meeting_clock import TOLERANCE, MeetingClock
from worker.rendering.output import AUDIO_FILE, MANIFEST_FILE, STREAMS_FOLDER, TIMELINE_FILE
from worker.rendering.progress import Progress, SpeakerProgress
from worker.rendering.timeline.page import timeline_html
from worker.roster.roster import Roster
from worker.stems.caption_users import CaptionUsers
from worker.stems.gated_stems import GatedStems
from worker.stems.separate_stems import SeparateStems
from worker.stems.stem_set import MOST_SOURCES, Slot, SourceSinks, StemSet
from worker.tape.events import FrameBatch, PageEvent, RecordingEnded, RecordingStarted, TapeEvent

SETTLED_AFTER = 30.0
"""Silence is written this many seconds behind meeting time: a stalled network may still deliver earlier speech."""

SETTLED_STEP = 3
"""Seconds of silence that are written in one step: whole seconds of the mix, whole packets of 120 ms."""

SLOWEST_DELIVERY = 5.0
"""Seconds. A busy page delivers its packets late, so the worker's own events advance the placing only to this much before
their time: packets that wait for one another are not torn apart."""

SILENCE_AT_ONCE = 30_000
"""Packets of silence that are written in one call, about 50 ms of processor time: the event loop must not wait for hours of
silence in hundreds of stems."""

MIX_AT_ONCE = 120 * SAMPLE_RATE
"""Samples of the mix that are written in one call, for the same reason."""


class Renderer:
    """Writes stems, mix, manifest and timeline into ``output`` while events are fed; ``finish`` completes them.

    ``platform`` decides the roster decoder and the kind of stems. ``sinks`` are opened for each source and receive it while it
    is written. Raises OSError (av.FFmpegError for the stems) if a file cannot be written.
    """

    def __init__(
        self, output: Path, platform: Platform, *, mix: bool = True, sinks: Sequence[SourceSinks] = ()
    ) -> None:
        self._output = output
        (output / STREAMS_FOLDER).mkdir(parents=True, exist_ok=True)
        self._mixer = Mixer(WavWriter(output / AUDIO_FILE)) if mix else None
        self._facts = SessionFacts()
        entry = PLATFORMS[platform]
        self._decoder = entry.open_roster_decoder()
        self._stem_set = _open_stem_set(
            entry, output / STREAMS_FOLDER, self._mixer, self._decoder.roster, sinks
        )
        self._slots: dict[tuple[int, int, int], Slot] = {}
        """By document, receiver and SSRC."""
        self._unbelieved = 0
        self._clock: MeetingClock | None = None
        self._now = 0.0
        """Meeting time, in seconds."""
        self._delivered = 0.0
        """Meeting time up to which the page has delivered what arrived, in seconds; packets are placed by it."""
        self._settled = 0
        """Every stem is silent or written up to here, in samples."""
        self._mixed = 0
        """The mix is written up to here, in samples."""
        self._ended = False

    def feed(self, event: TapeEvent, logged: float) -> None:
        """Takes the tape's next event, with its log time in Unix seconds; frames before RecordingStarted do not count."""
        if isinstance(event, FrameBatch):
            if self._clock is not None and not self._ended and event.frames:
                self._take_frames(event, logged, self._clock)
            return
        self._facts.observe(event)
        self._decoder.observe(event)
        self._stem_set.observe(event)
        if isinstance(event, RecordingStarted) and self._clock is None:
            self._clock = MeetingClock(min(event.at, logged + TOLERANCE))
            self._stem_set.begin(self._clock.zero)
        if self._clock is not None and not self._ended:
            at = self._clock.event_time(event.at, logged)
            if isinstance(event, RecordingEnded):
                self._now = max(0.0, at)
                self._ended = True
            else:
                self._advance(at, at if isinstance(event, PageEvent) else at - SLOWEST_DELIVERY)

    def progress(self) -> Progress:
        """The progress of the recording."""
        stems = self._stem_set.stems
        named = name_sources(list(stems), self._stem_set.known(self._decoder.roster()))
        names = {source: person.participant_name for person in named for source in person.csrcs}
        now = int(self._now * SAMPLE_RATE)
        return Progress(
            elapsed_seconds=self._now,
            speakers=[
                SpeakerProgress(
                    name=names[source],
                    speaking=stem.track.speech_end > now - SAMPLE_RATE,
                    speech_seconds=sum(end - start for start, end in stem.track.intervals()) / SAMPLE_RATE,
                    packets_received=stem.track.received,
                    recovered=stem.track.recovered,
                    lost=stem.track.lost,
                )
                for source, stem in stems.items()
            ],
            unattributed=sum(
                stem.track.received + stem.track.recovered for source, stem in stems.items() if source < 0
            ),
        )

    def finish(self) -> Manifest:
        """Completes and closes all files; the recording ends at RecordingEnded, or else with the last event."""
        self._conclude()
        end = self._stem_set.close(round(self._now * SAMPLE_RATE / QUANTUM) * QUANTUM)
        if self._mixer:
            self._mixer.close(end)
        manifest, files = assemble_manifest(
            self._stem_set.heard(),
            self._stem_set.known(self._decoder.roster()),
            self._facts,
            end / SAMPLE_RATE,
            STREAMS_FOLDER,
            AUDIO_FILE if self._mixer else None,
            self._warnings(),
            self._stem_set.gated_mix(),
        )
        stems = self._stem_set.stems
        for source, name in files.items():
            path = stems[source].path
            path.rename(path.with_name(name))
        (self._output / MANIFEST_FILE).write_bytes(encode_manifest(manifest))
        (self._output / TIMELINE_FILE).write_text(timeline_html(manifest), "utf-8")
        return manifest

    def write_due(self) -> bool:
        """Writes a bounded part of the silence and the mix that are due; returns whether more is due.

        Each event writes such a part as well. What is left then is written by ``finish``, in one go.
        """
        if self._ended:
            self._conclude()
        left = SILENCE_AT_ONCE
        for stem in self._stem_set.stems.values():
            left -= stem.file.write_due(left)
            if left <= 0:
                return True
        if self._mixer and self._mixed < self._settled:
            self._mixed = min(self._settled, self._mixed + MIX_AT_ONCE)
            self._mixer.write_until(self._mixed)
            return self._mixed < self._settled
        return False

    def _take_frames(self, batch: FrameBatch, logged: float, clock: MeetingClock) -> None:
        slots = self._slots
        document = batch.document
        zero = clock.page_zero(batch, logged)
        latest = clock.latest(logged)
        now = self._delivered
        for frame in batch.frames:
            arrival = frame.arrival - zero
            if arrival > latest:
                self._unbelieved += 1
                arrival = latest - TOLERANCE
            if not arrival >= 0:
                continue
            key = (document, frame.receiver, frame.ssrc)
            slot = slots.get(key)
            if slot is None:
                slot = slots[key] = self._stem_set.open_slot(frame.ssrc)
            slot.buffer.push(frame, arrival)
            if arrival > now:
                now = arrival
        self._advance(now, now)

    def _advance(self, now: float, delivered: float) -> None:
        """Advances meeting time: places the packets whose wait is over, and writes silence up to SETTLED_AFTER before now."""
        self._now = max(now, self._now)
        self._delivered = now = max(delivered, self._delivered)
        for slot in self._slots.values():
            if slot.buffer.pending:
                for packet in slot.buffer.release(now):
                    slot.place(packet)
        self._stem_set.decide(now)
        self._settle(now)
        self.write_due()

    def _settle(self, now: float) -> None:
        settled = int(now - SETTLED_AFTER) // SETTLED_STEP * SETTLED_STEP * SAMPLE_RATE
        if settled > self._settled:
            self._settled = settled
            self._stem_set.settle(settled)

    def _conclude(self) -> None:
        """Places and attributes all that waits, as nothing more comes. Further calls do nothing."""
        for slot in self._slots.values():
            while slot.buffer.pending:
                slot.place(slot.buffer.take())
        self._stem_set.decide(float("inf"))
        self._settle(self._now)

    def _warnings(self) -> list[str]:
        refused = self._stem_set.refused
        malformed = sum(slot.buffer.counts.malformed for slot in self._slots.values())
        warnings = []
        if refused:
            warnings.append(f"{refused} packets came from more than {MOST_SOURCES} sources and have no file.")
        if malformed:
            warnings.append(f"{malformed} payloads could not be read and were left out.")
        ahead = sum(slot.buffer.counts.ahead for slot in self._slots.values())
        if ahead:
            warnings.append(f"{ahead} packets claimed to last longer than they did and were left out.")
        if self._decoder.undecodable:
            warnings.append(f"{self._decoder.undecodable} roster messages could not be read.")
        if self._decoder.harvested:
            warnings.append("The roster's form was not the known one; names were found by searching it.")
        if self._unbelieved:
            warnings.append(
                f"{self._unbelieved} packets claimed to arrive after they were recorded; their time is that of the recording."
            )
        return warnings


def _open_stem_set(
    entry: PlatformEntry,
    folder: Path,
    mixer: Mixer | None,
    roster: Callable[[], Roster],
    sinks: Sequence[SourceSinks],
) -> StemSet:
    match entry.audio:
        case AudioKind.SEPARATE:
            return SeparateStems(folder, mixer, sinks)
        case AudioKind.MIXED:
            return GatedStems(folder, mixer, CaptionUsers(roster), entry.hints_in, sinks)
