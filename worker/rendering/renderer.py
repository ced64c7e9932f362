"""Renders a tape's events to files, for a live recording, a replay and a recovery alike.

No clock is read: the events contain all times, so the same tape gives the same bytes at any speed.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from worker.audio.mixer import Mix, Mixer, OpenMix
from worker.audio.opus import QUANTUM, SAMPLE_RATE
from worker.audio.payload_kinds import PayloadKind, left_out_warning
from worker.manifest.meeting_log import MeetingCollector
from worker.manifest.naming import name_sources
from worker.manifest.recording_facts import SessionFacts
from worker.manifest.schema import Manifest
from worker.platforms.registry import PLATFORMS, AudioKind, Platform, PlatformEntry
from worker.rendering.completion import Completion
from worker.rendering.frame_intake import FrameIntake
from worker.rendering.meeting_clock import LONGEST_MEETING, TOLERANCE, MeetingClock
from worker.rendering.missing_video import MissingVideo
from worker.rendering.mix_file import MixFile
from worker.rendering.output import AUDIO_FILE, STREAMS_FOLDER, VIDEO_FOLDER
from worker.rendering.progress import Progress, SpeakerProgress
from worker.rendering.slot_table import SlotTable
from worker.rendering.video_recording import VideoRecording
from worker.roster.decoder import RosterDecoder
from worker.stems.caption_users import CaptionUsers
from worker.stems.gated_stems import GatedStems
from worker.stems.separate_stems import SeparateStems
from worker.stems.stem_set import SourceSinks, StemSet
from worker.tape.events import (
    FrameBatch,
    PageEvent,
    RecordingEnded,
    RecordingResumed,
    RecordingStarted,
    TapeEvent,
    VideoBatch,
    VideoRequested,
    VideoTrackSeen,
    WorkerEvent,
)
from worker.tape.reader import TapeDamage

logger = logging.getLogger(__name__)

SETTLED_AFTER = 30.0
"""Silence is written this many seconds behind meeting time: a stalled network may still deliver earlier speech."""

SETTLED_STEP = 3
"""Seconds of silence that are written in one step: whole seconds of the mix, whole packets of 120 ms."""

SLOWEST_DELIVERY = 5.0
"""Seconds. A busy page delivers its packets late, so the worker's own events advance the placing only to this much before
their time: packets that wait for one another are not torn apart."""

SILENCE_AT_ONCE = 20_000
"""Packets of silence that are written in one call, about 30 ms of processor time: the event loop must not wait for hours of
silence in hundreds of stems, nor for the creation of hundreds of files."""

MIX_AT_ONCE = 120 * SAMPLE_RATE
"""Samples of the mix that are written in one call, for the same reason."""


_MEETING = "the list of participants and messages"
_VIDEO = "the video"
_VIDEO_WARNINGS = "the warnings about missing video"

_ABOUT_VIDEO = (VideoRequested, VideoTrackSeen)


class Renderer:
    """Writes stems, mix, manifest, meeting and timeline into ``output`` while events are fed; ``finish`` completes them.

    ``platform`` decides the roster decoder and the kind of stems. ``sinks`` are opened for each source and receive it while it
    is written. Cameras and screen shares get files, too, if the tape says that its job asks for them, or has any. A file that
    cannot be written ends there, alone. Raises OSError if the folder cannot be made.
    """

    failure: Exception | None = None
    """After ``finish``: the first error that cost a stem or the mix its completeness. Other files that could not be written are
    in the manifest alone."""

    def __init__(
        self,
        output: Path,
        platform: Platform,
        *,
        mix: bool = True,
        open_mix: OpenMix = Mixer,
        sinks: Sequence[SourceSinks] = (),
    ) -> None:
        self._output = output
        (output / STREAMS_FOLDER).mkdir(parents=True, exist_ok=True)
        self._mix_file = MixFile(output / AUDIO_FILE) if mix else None
        self._mixer = open_mix(self._mix_file) if self._mix_file else None
        self._facts = SessionFacts()
        self._meeting = MeetingCollector()
        entry = PLATFORMS[platform]
        self._entry = entry
        self._decoder = entry.open_roster_decoder()
        self._stem_set = _open_stem_set(entry, output / STREAMS_FOLDER, self._mixer, self._decoder, sinks)
        self._slots = SlotTable(self._stem_set)
        self._intake = FrameIntake(self._slots)
        self._video: VideoRecording | None = None
        self._missing_video = MissingVideo()
        self._clock: MeetingClock | None = None
        self._now = 0.0
        """Meeting time, in seconds."""
        self._delivered = 0.0
        """Meeting time up to which the page has delivered what arrived, in seconds; packets are placed by it."""
        self._settled = 0
        """Every stem is silent or written up to here, in samples."""
        self._mixed = 0
        """The mix is written up to here, in samples."""
        self._resumed_before: list[tuple[float, float]] = []
        """(time, log time) of the ends of pauses before RecordingStarted was fed, in Unix seconds."""
        self._ended = False
        self._faults: Counter[str] = Counter()
        """How often something that adds to the recording failed, by what it is."""

    def feed(self, event: TapeEvent, logged: float) -> None:
        """Takes the tape's next event, with its log time in Unix seconds; frames before RecordingStarted do not count."""
        if isinstance(event, FrameBatch):
            self._facts.observe_frames(event)
            if self._clock is not None and not self._ended and event.frames:
                delivered = self._intake.take(event, logged, self._clock, self._delivered)
                self._advance(delivered, delivered)
        elif isinstance(event, VideoBatch):
            self._alone(_VIDEO_WARNINGS, lambda: self._missing_video.take(event))
            self._alone(_VIDEO, lambda: self._open_video().take(event, logged))
        else:
            self._take_event(event, logged)

    def report_damage(self, damage: Sequence[TapeDamage]) -> None:
        """Takes what could not be read of the tape, for the manifest."""
        self._facts.damage = list(damage)

    def progress(self) -> Progress:
        """The progress of the recording."""
        stems = {key: stem for key, stem in self._stem_set.stems.items() if stem.track.speech_length}
        named = name_sources(list(stems), self._stem_set.known(self._decoder.roster()))
        names = {source: person.participant_name for person in named for source in person.keys}
        now = int(self._now * SAMPLE_RATE)
        return Progress(
            elapsed_seconds=self._now,
            speakers=[
                SpeakerProgress(
                    name=names[source],
                    speaking=stem.track.spoke_until > now - SAMPLE_RATE,
                    speech_seconds=stem.track.speech_length / SAMPLE_RATE,
                    packets_received=stem.track.received,
                    recovered=stem.track.recovered,
                    lost=stem.track.lost,
                )
                for source, stem in stems.items()
            ],
            unattributed=sum(
                stem.track.received + stem.track.recovered for source, stem in stems.items() if source < 0
            ),
            video_sources=self._video.showing if self._video is not None else 0,
        )

    def finish(self) -> Manifest:
        """Completes and closes all files; the recording ends at RecordingEnded, or else with the last event.

        Raises the error that makes the manifest impossible, after the others. They fail alone, and the manifest says so.
        """
        self._conclude()
        self._close_video()
        end = self._stem_set.close(round(self._now * SAMPLE_RATE / QUANTUM) * QUANTUM)
        completion = Completion(
            self._output,
            self._stem_set,
            self._mixer,
            self._mix_file,
            self._facts,
            self._meeting,
            self._decoder,
            self._warnings,
            self._video,
            self._missing_video,
        )
        manifest = completion.complete(end)
        self.failure = completion.failure
        return manifest

    def write_due(self) -> bool:
        """Writes a bounded part of the silence and the mix that are due; returns whether more is due.

        Each event writes such a part as well. What is left then is written by ``finish``, in one go.
        """
        if self._ended:
            self._conclude()
        left = SILENCE_AT_ONCE
        for stem in self._stem_set.stems.values():
            if stem.file.waits:
                left -= stem.file.write_due(left)
                if left <= 0:
                    return True
        if self._mixer and self._mixed < self._settled:
            self._mixed = min(self._settled, self._mixed + MIX_AT_ONCE)
            self._mixer.write_until(self._mixed)
            return self._mixed < self._settled
        return False

    def _take_event(self, event: PageEvent | WorkerEvent, logged: float) -> None:
        self._facts.observe(event)
        self._alone(_VIDEO_WARNINGS, lambda: self._missing_video.observe(event))
        self._decoder.observe(event)
        self._stem_set.observe(event)
        if self._video is not None or _tells_of_video(event):
            self._alone(_VIDEO, lambda: self._open_video().observe(event))
        if isinstance(event, RecordingStarted) and self._clock is None:
            self._clock = MeetingClock(min(event.at, logged + TOLERANCE))
            self._stem_set.begin(self._clock.zero)
            if self._video is not None:
                self._video.begin(self._clock.zero)
            self._alone(_MEETING, self._meeting.begin)
            for resumed, its_log_time in self._resumed_before:
                self._intake.note_resumed(self._clock.event_time(resumed, its_log_time))
        if self._clock is None:
            self._alone(_MEETING, lambda: self._meeting.observe(event, None))
            if isinstance(event, RecordingResumed):
                self._resumed_before.append((event.at, logged))
        elif not self._ended:
            at = self._clock.event_time(event.at, logged)
            self._alone(_MEETING, lambda: self._meeting.observe(event, at))
            if isinstance(event, RecordingResumed):
                self._intake.note_resumed(at)
            if isinstance(event, RecordingEnded):
                self._now = max(0.0, at)
                self._ended = True
                self._close_video()
            else:
                self._advance(at, at if isinstance(event, PageEvent) else at - SLOWEST_DELIVERY)

    def _alone(self, what: str, step: Callable[[], object]) -> None:
        """Runs a step of what adds to the recording; whatever it raises costs nothing but a part of ``what``."""
        try:
            step()
        except Exception as error:
            if not self._faults[what]:
                logger.exception("a fault in %s: %s", what, error)
            self._faults[what] += 1

    def _close_video(self) -> None:
        if self._video is not None:
            self._alone(_VIDEO, self._video.close)

    def _open_video(self) -> VideoRecording:
        """The recording's video, which is opened when something tells that there is any."""
        if self._video is None:
            folder = self._output / VIDEO_FOLDER
            # Without the folder no file can be opened, which costs the video alone.
            with suppress(OSError):
                folder.mkdir(exist_ok=True)
            self._video = VideoRecording(folder, self._entry.open_video_sources())
            if self._clock is not None:
                self._video.begin(self._clock.zero)
        return self._video

    def _advance(self, now: float, delivered: float) -> None:
        """Advances meeting time: places the packets whose wait is over, and writes silence up to SETTLED_AFTER before now."""
        self._now = max(now, self._now)
        self._delivered = now = max(delivered, self._delivered)
        self._slots.place_due(now)
        self._stem_set.decide(now)
        self._settle(now)
        self.write_due()

    def _settle(self, now: float) -> None:
        settled = int(now - SETTLED_AFTER) // SETTLED_STEP * SETTLED_STEP * SAMPLE_RATE
        if settled > self._settled:
            self._settled = settled
            self._stem_set.settle(settled)
            self._slots.close_idle(now)

    def _conclude(self) -> None:
        """Places and attributes all that waits, as nothing more comes. Further calls do nothing."""
        self._slots.place_all()
        self._stem_set.decide(LONGEST_MEETING + SETTLED_AFTER)
        self._settle(self._now)

    def _warnings(self) -> list[str]:
        left_out = self._slots.left_out()
        warnings = self._stem_set.warnings()
        warnings += [left_out_warning(kind, left_out[kind]) for kind in PayloadKind if left_out[kind]]
        ahead = self._slots.ahead()
        if ahead:
            warnings.append(f"{ahead} packets claimed to last longer than they did and were left out.")
        if self._slots.misplaced:
            warnings.append(f"{self._slots.misplaced} packets were left out after internal errors.")
        if self._decoder.undecodable:
            warnings.append(f"{self._decoder.undecodable} roster messages could not be read.")
        if self._decoder.harvested:
            warnings.append("The roster's form was not the known one; names were found by searching it.")
        if self._intake.unbelieved:
            warnings.append(
                f"{self._intake.unbelieved} packets claimed to arrive after they were recorded; "
                "their time is that of the recording."
            )
        warnings += [
            f"{count} internal error{'s' if count > 1 else ''} cost parts of {what}."
            for what, count in self._faults.items()
        ]
        return warnings


def _tells_of_video(event: PageEvent | WorkerEvent) -> bool:
    return isinstance(event, _ABOUT_VIDEO)


def _open_stem_set(
    entry: PlatformEntry,
    folder: Path,
    mixer: Mix | None,
    decoder: RosterDecoder,
    sinks: Sequence[SourceSinks],
) -> StemSet:
    match entry.audio:
        case AudioKind.SEPARATE:
            return SeparateStems(folder, mixer, decoder.tenure, sinks)
        case AudioKind.MIXED:
            users = CaptionUsers(decoder.roster)
            return GatedStems(folder, mixer, users, decoder.tenure, entry.hints_in, sinks)
