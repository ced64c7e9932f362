"""The video of a recording: takes the frames of all receivers, and writes a file for each source that is shown.

Nothing here raises, and nothing here changes what is heard: whatever fails costs the video of one source, or a frame.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from math import inf
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from worker.errors import cause
from worker.manifest.assemble_video import ShownSource, VideoFileFacts, assemble_video
from worker.manifest.recording_facts import MOST_DOCUMENTS
from worker.manifest.schema import ParticipantStreams, VideoStreams
from worker.rendering.meeting_clock import TOLERANCE, MeetingClock
from worker.rendering.output import VIDEO_FOLDER
from worker.roster.roster import Roster
from worker.roster.video_sources import NOBODYS, VideoOwner, VideoSources
from worker.stems.video_reordering import TICKS, OrderedFrame, VideoReordering
from worker.stems.video_track import StreamAddress, VideoPart, VideoTrack
from worker.tape.events import (
    PageEvent,
    RecordingResumed,
    VideoBatch,
    VideoFrame,
    WorkerEvent,
)
from worker.video.codecs import Container, VideoCodec, codec_of
from worker.video.frame_clock import FASTEST_DRIFT, JUMP

logger = logging.getLogger(__name__)

WAIT: Final = 1.0
"""Seconds of log time that a frame waits: for frames before it that are sent again, and for the events of the page from before
its arrival, which tell what it shows. Both come up to half a second later (worker.tape.events.LONGEST_BATCH)."""

USUAL_DELAY: Final = 0.05
"""Seconds by which a key frame of H.264 may be later than the least delayed frames of its stream without having been sent
again. Chromium holds what follows it back, so that only its timestamp tells that it came late."""

MOST_STREAMS: Final = 512
"""Streams (SSRCs of a receiver) that are followed at the same time; for more, the one that is silent for longest is given
up."""

MOST_TRACKS: Final = 1_000
"""Sources that get files; a meeting shows some hundred people at most."""

MOST_OPEN: Final = 64
"""Files that are open at the same time; for more, the one without a frame for longest is ended. Platforms show up to 16 cameras
and a screen."""

MOST_FILES: Final = 2_000
"""Files of a recording."""

FILES_AT_ONCE: Final = 64
FILES_PER_SECOND: Final = 8
"""Files that may begin at the same moment, and per second of meeting time after that: creating one takes up to a millisecond,
for which the event loop waits."""

MOST_WAITING: Final = 64 * 1024 * 1024
"""Bytes of frames that wait for their turn and place; past that they are written as they are."""

ORDINARY: Final = 15
"""Frames of which nothing is said where fewer of them are left out: a second of what a camera sends while its receiver goes
over to another person."""

EARLIEST: Final = -10.0
"""Seconds of meeting time: a file begins with frames from up to 10 s before the recording, where decoding needs them."""

MOST_EARLY: Final = 8 * 1024 * 1024
MOST_EARLY_FRAMES: Final = 1_000
"""Bytes and frames of a stream from before the recording, from its last key frame on."""


class _Stream:
    """A stream. ``early`` are frames from before the recording, the first of them a key frame."""

    def __init__(self, address: StreamAddress) -> None:
        self.address = address
        self.reordering = VideoReordering()
        self.arrived = 0.0
        """When its last frame arrived, in Unix seconds."""
        self.early: list[OrderedFrame] = []
        self.early_bytes = 0
        self.left_key_frame = False
        """Whether its latest key frame was given to nobody."""
        self._has_begun = self._had_source = False
        """Whether a key frame came, and whether any frame had a source."""
        self._without_source = 0
        """Frames since the last one that had a source."""
        self._least_offset: tuple[float, float] | None = None
        """The lowest offset (arrival minus timestamp) in seconds, and when it was; the clocks may have drifted since."""

    @property
    def waiting_bytes(self) -> int:
        return self.reordering.waiting_bytes + self.early_bytes

    def count_unattributed(self, frame: VideoFrame, source: str | None) -> int:
        """Takes a frame and its source; returns how many frames are to be counted as nobody's by now, and were not before.

        Those before the first key frame can never be shown, and a few are nobody's wherever a source follows another.
        """
        self._has_begun |= frame.key
        if source is not None:
            self._had_source = True
            self._without_source = 0
            return 0
        if not self._had_source:
            return int(self._has_begun)
        self._without_source += 1
        return ORDINARY if self._without_source == ORDINARY else int(self._without_source > ORDINARY)

    def note_offset(self, ordered: OrderedFrame, *, anew: bool) -> None:
        """Takes a frame's offset. ``anew``: the first of a source, whose timestamps may not go on from those before."""
        if anew or self.delay(ordered) <= 0.0:
            self._least_offset = (_offset(ordered), ordered.sent_by)

    def delay(self, ordered: OrderedFrame) -> float:
        """By how many seconds a frame is later than the least delayed ones; 0 where the timestamps have jumped."""
        if self._least_offset is None:
            return 0.0
        least, at = self._least_offset
        delay = _offset(ordered) - least - abs(ordered.sent_by - at) * FASTEST_DRIFT
        return delay if abs(delay) <= JUMP else 0.0

    def hold_early(self, ordered: OrderedFrame) -> None:
        """Keeps a frame from before the recording, if decoding may have to begin with it or with one before it."""
        if ordered.frame.key:
            self.drop_early()
        elif not self.early or ordered.after_gap:
            self.drop_early()
            return
        self.early.append(ordered)
        self.early_bytes += len(ordered.frame.payload)
        if self.early_bytes > MOST_EARLY or len(self.early) > MOST_EARLY_FRAMES:
            self.drop_early()

    def take_early(self, following: OrderedFrame) -> list[OrderedFrame]:
        """The frames from before the recording that ``following`` needs; none is kept."""
        needed = self.early
        self.drop_early()
        return [] if following.frame.key or following.after_gap else needed

    def drop_early(self) -> None:
        """Forgets the frames from before the recording."""
        self.early = []
        self.early_bytes = 0


def _offset(ordered: OrderedFrame) -> float:
    return ordered.sent_by - ordered.timestamp / TICKS


class VideoRecording:
    """Writes the video files of a recording into ``folder``, which exists. ``sources`` tells what each receiver shows."""

    def __init__(self, folder: Path, sources: VideoSources) -> None:
        self._folder = folder
        self._sources = sources
        self._tracks: dict[str, VideoTrack] = {}
        """By source, in order of their first frames."""
        self._streams: dict[StreamAddress, _Stream] = {}
        """The one that is silent for longest first."""
        self._shown: dict[tuple[int, int], tuple[_Stream, str | None]] = {}
        """By document and receiver, the stream and the source of its last frame; the one that is silent for longest first."""
        self._resumed_at = 0.0
        """When the last pause ended, in Unix seconds."""
        self._logged = 0.0
        """The latest log time of a batch, in Unix seconds. That of other events says nothing of what waits: batches from before
        the recording are taken after its beginning."""
        self._batches: dict[int, tuple[int, int]] = {}
        """By document, the next batch's number and the frames dropped so far."""
        self._clock: MeetingClock | None = None
        self._files = 0
        self._allowance = float(FILES_AT_ONCE)
        self._allowed_at = 0.0
        self._ended = False
        self._missing = self._dropped = self._unattributed = self._crowded = self._foreign = 0
        self._late = self._faults = 0
        self._unnamed: list[_Unnamed] = []

    def begin(self, zero: float) -> None:
        """The recording begins: ``zero`` is meeting time 0 in Unix seconds."""
        self._clock = MeetingClock(zero)

    def observe(self, event: PageEvent | WorkerEvent) -> None:
        """Takes the tape's next event that is no batch of frames."""
        try:
            self._sources.observe(event)
            if isinstance(event, RecordingResumed):
                self._resumed_at = event.at
        except Exception as error:  # noqa: BLE001 - whatever it is must not cost the audio anything
            self._note_fault(error)

    def take(self, batch: VideoBatch, logged: float) -> None:
        """Takes the tape's next batch of video frames, logged at ``logged`` (Unix seconds)."""
        try:
            if self._clock is not None and not self._ended:
                self._take_batch(batch, logged, self._clock)
        except Exception as error:  # noqa: BLE001 - whatever it is must not cost the audio anything
            self._note_fault(error)

    @property
    def showing(self) -> int:
        """The number of sources that have a file by now."""
        return sum(bool(track.parts) for track in self._tracks.values())

    def close(self) -> None:
        """Writes what waits, and ends all files."""
        self._ended = True
        self._flush()
        self._streams.clear()
        for track in self._tracks.values():
            _run(track, track.close_file)

    def open_file(self, track: VideoTrack, container: Container, at: float) -> Path | None:
        """See worker.stems.video_track.Files."""
        if at > self._allowed_at:
            earned = (at - self._allowed_at) * FILES_PER_SECOND
            self._allowance = min(FILES_AT_ONCE, self._allowance + earned)
            self._allowed_at = at
        if self._files >= MOST_FILES or self._allowance < 1:
            return None
        self._allowance -= 1
        opened = [each for each in self._tracks.values() if each.is_open and each is not track]
        if len(opened) >= MOST_OPEN:
            idle = min(opened, key=lambda each: each.written_at)
            _run(idle, idle.close_file)
        self._files += 1
        return self._folder / f"video-{self._files - 1}.{container}"

    def name_files(self, roster: Roster, heard: Sequence[ParticipantStreams]) -> None:
        """Gives the files their final names; one that cannot be renamed keeps the name that it has."""
        try:
            names = assemble_video(self._shown_sources(), roster, heard, VIDEO_FOLDER)[1]
        except Exception as error:  # noqa: BLE001 - whatever it is costs the names alone
            self._note_fault(error)
            return
        for part in self._parts():
            name = names.get(part.path.name)
            if name is None or name == part.path.name:
                continue
            target = part.path.with_name(name)
            try:
                if target.exists():
                    raise FileExistsError(f"{name} exists")
                part.path = part.path.rename(target)
            except Exception as error:  # noqa: BLE001 - whatever it is costs this file its name alone
                self._unnamed.append(_Unnamed(part, name, error))

    def streams(self, roster: Roster, heard: Sequence[ParticipantStreams]) -> list[VideoStreams]:
        """The manifest's list. ``heard`` are its participants, whose names are those of their video, too."""
        try:
            return assemble_video(self._shown_sources(), roster, heard, VIDEO_FOLDER)[0]
        except Exception as error:  # noqa: BLE001 - whatever it is costs this list alone
            self._note_fault(error)
            return []

    @property
    def failure(self) -> Exception | None:
        """The first error that cost a file its completeness, or its name."""
        failures = [part.failure for part in self._parts()] + [each.error for each in self._unnamed]
        failures += [track.failure for track in self._tracks.values()]
        return next((error for error in failures if error is not None), None)

    def incomplete_files(self) -> list[str]:
        """The files that are not whole, or have not their final name."""
        parts = [part for part in self._parts() if part.failure is not None]
        return [f"{VIDEO_FOLDER}/{part.path.name}" for part in parts + [each.part for each in self._unnamed]]

    def warnings(self, streams: Sequence[VideoStreams]) -> list[str]:
        """Sentences about missing or doubtful video. ``streams`` are the manifest's."""
        warnings = list(self._failures(streams))
        for each in self._unnamed:
            why = cause(each.error)
            warnings.append(f"{each.part.path.name} could not be renamed to {each.name} ({why}).")
        tracks = self._tracks.values()
        without_key = sum(
            track.lost for track in tracks if not (track.parts or track.refused) and track.lost >= ORDINARY
        )
        if self._missing:
            batches = _count(self._missing, "batch of video frames is", "batches of video frames are")
            warnings.append(f"{batches} missing on the tape.")
        if self._dropped:
            warnings.append(f"{_frames(self._dropped)} dropped by the page: it had no room.")
        for count, reason in (
            (self._unattributed, "it was not known whose video that is"),
            (without_key, "no key frame came before"),
            (self._late, f"what follows had come more than {WAIT:g} s before"),
            (sum(track.refused for track in tracks), "there was no room for another file"),
            (self._foreign, "the codec cannot be written"),
            (sum(track.unreadable for track in tracks), "the content could not be read"),
            (self._crowded, f"more than {MOST_TRACKS} sources were shown"),
        ):
            if count:
                warnings.append(f"{_frames(count)} left out: {reason}.")
        if self._faults:
            warnings.append(
                f"{_count(self._faults, 'internal error', 'internal errors')} cost frames of video."
            )
        return warnings + self._doubts()

    def _doubts(self) -> list[str]:
        try:
            return [f"{_capitalized(each)}." for each in self._sources.warnings()]
        except Exception as error:  # noqa: BLE001 - whatever it is costs these sentences alone
            self._note_fault(error)
            return []

    def _failures(self, streams: Sequence[VideoStreams]) -> Iterator[str]:
        names = {segment.filename: shown.participant_name for shown in streams for segment in shown.segments}
        for track in self._tracks.values():
            failed = [part for part in track.parts if part.failure is not None]
            for part in failed:
                why = cause(part.failure) if part.failure is not None else ""
                name = names.get(part.path.name)
                if name is None:
                    yield f"A video file could not be created ({why})."
                else:
                    yield f"The video of {name} ends at {part.end:.1f} s or before: it could not be written ({why})."
            if track.failure is not None and not failed:
                yield f"The video of a source could not be written ({cause(track.failure)})."

    def _shown_sources(self) -> list[ShownSource]:
        return [
            ShownSource(
                key=source,
                owner=self._owner(source),
                files=[_facts(part) for part in track.parts if part.frames and part.path.is_file()],
            )
            for source, track in self._tracks.items()
        ]

    def _owner(self, source: str) -> VideoOwner:
        try:
            return self._sources.owner_of(source)
        except Exception as error:  # noqa: BLE001 - whatever it is costs this source its owner alone
            self._note_fault(error)
            return NOBODYS

    def _parts(self) -> Iterator[VideoPart]:
        for track in self._tracks.values():
            yield from track.parts

    def _take_batch(self, batch: VideoBatch, logged: float, clock: MeetingClock) -> None:
        self._follow_numbers(batch)
        if batch.frames:
            zero, latest = clock.page_zero(batch, logged), clock.latest(logged)
            for frame in batch.frames:
                arrival = frame.arrival - zero
                if arrival > latest:
                    arrival = latest - TOLERANCE
                if arrival >= EARLIEST:
                    self._take_frame(batch.document, frame, arrival, logged)
        self._logged = max(logged, self._logged)
        self._release(self._logged - WAIT)
        waiting = sum(stream.waiting_bytes for stream in self._streams.values())
        if waiting + sum(track.waiting_bytes for track in self._tracks.values()) > MOST_WAITING:
            self._flush()

    def _follow_numbers(self, batch: VideoBatch) -> None:
        """Where frames are missing between this batch and the one before, the streams go on with key frames."""
        known = self._batches.get(batch.document)
        if known is None and len(self._batches) >= MOST_DOCUMENTS:
            return
        number, dropped = known or (batch.sequence, batch.dropped)
        missing, more = max(0, batch.sequence - number), max(0, batch.dropped - dropped)
        self._batches[batch.document] = (batch.sequence + 1, batch.dropped)
        if missing or more:
            self._missing += missing
            self._dropped += more
            for stream in self._streams.values():
                if stream.address.document == batch.document:
                    stream.reordering.gap = True

    def _take_frame(self, document: int, frame: VideoFrame, arrival: float, logged: float) -> None:
        if codec_of(frame.mime_type) is None:
            self._foreign += 1
            return
        address = StreamAddress(document, frame.receiver, frame.ssrc)
        stream = self._streams.pop(address, None) or _Stream(address)
        self._streams[address] = stream
        if stream.arrived < self._resumed_at <= frame.arrival:
            stream.reordering.gap = True
        stream.arrived = max(frame.arrival, stream.arrived)
        late = stream.reordering.late
        stream.reordering.push(frame, arrival, logged)
        if arrival >= 0:
            self._late += stream.reordering.late - late
        if len(self._streams) > MOST_STREAMS:
            given_up = self._streams.pop(next(iter(self._streams)))
            for each in given_up.reordering.release():
                self._place(given_up, each)
            given_up.drop_early()

    def _release(self, until: float) -> None:
        """Places the frames of all streams that were logged by ``until`` (Unix seconds), in the order of their sending."""
        released = [
            (stream, each) for stream in self._streams.values() for each in stream.reordering.release(until)
        ]
        released.sort(key=lambda entry: entry[1].sent_by)
        for stream, each in released:
            self._place(stream, each)

    def _place(self, stream: _Stream, ordered: OrderedFrame) -> None:
        try:
            source = self._source_of(stream, ordered)
            if stream.left_key_frame and not ordered.frame.key:
                # It cannot be shown without that key frame.
                source = None
            is_new = self._follow_source(stream, source) and source is not None
            stream.note_offset(ordered, anew=is_new)
            stream.left_key_frame &= source is None
            unattributed = stream.count_unattributed(ordered.frame, source)
            self._unattributed += unattributed if ordered.arrival >= 0 else 0
            if source is None:
                stream.left_key_frame |= ordered.frame.key
            elif ordered.arrival < 0:
                stream.hold_early(ordered)
            else:
                for each in (*stream.take_early(ordered), ordered):
                    self._write(stream.address, source, each)
        except Exception as error:  # noqa: BLE001 - whatever it is costs this frame alone
            self._note_fault(error)

    def _source_of(self, stream: _Stream, ordered: OrderedFrame) -> str | None:
        """The source of a frame, judged by when it was sent: where it came late, the receiver may show another one by now."""
        document, frame = stream.address.document, ordered.frame
        sent = msgspec.structs.replace(frame, arrival=frame.arrival - (ordered.arrival - ordered.sent_by))
        delay = stream.delay(ordered) if codec_of(frame.mime_type) is VideoCodec.H264 and frame.key else 0.0
        if delay <= USUAL_DELAY:
            return self._sources.source_of(document, sent)
        begun = msgspec.structs.replace(sent, arrival=sent.arrival - delay)
        source = self._sources.source_of(document, begun)
        # An estimate proves nothing: where the receiver has changed meanwhile, the frame can be of either.
        return source if self._sources.source_of(document, sent) == source else None

    def _follow_source(self, stream: _Stream, source: str | None) -> bool:
        """A receiver that shows another source does not go on with the one before. Returns whether it shows another."""
        receiver = stream.address[:2]
        before = self._shown.pop(receiver, None)
        self._shown[receiver] = (stream, source)
        if before is not None and before[1] != source:
            left, its_source = before
            left.drop_early()
            track = None if its_source is None else self._tracks.get(its_source)
            if track is not None:
                _run(track, lambda: track.leave(left.address))
        if len(self._shown) > MOST_STREAMS:
            del self._shown[next(iter(self._shown))]
        return before is None or before[1] != source

    def _write(self, address: StreamAddress, source: str, ordered: OrderedFrame) -> None:
        track = self._tracks.get(source)
        if track is None:
            if len(self._tracks) >= MOST_TRACKS:
                self._crowded += 1
                return
            track = self._tracks[source] = VideoTrack(self)
        if ordered.after_gap:
            track.wait_for_key(address)
        _run(track, lambda: track.take(address, ordered.frame, ordered.arrival))

    def _flush(self) -> None:
        """Writes all that waits for earlier frames, or for its place."""
        self._release(inf)
        for stream in self._streams.values():
            stream.drop_early()
        for track in self._tracks.values():
            _run(track, track.flush)

    def _note_fault(self, error: Exception) -> None:
        if not self._faults:
            logger.error("a fault in the video: %s", error, exc_info=error)
        self._faults += 1


class _Unnamed(NamedTuple):
    """A file that could not get its final ``name``."""

    part: VideoPart
    name: str
    error: Exception


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _frames(number: int) -> str:
    return _count(number, "video frame was", "video frames were")


def _capitalized(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _run(track: VideoTrack, action: Callable[[], None]) -> None:
    """Runs a step of ``track``; whatever it raises ends this track alone."""
    try:
        action()
    except Exception as error:  # noqa: BLE001 - whatever it is costs this source alone
        track.fail(error)


def _facts(part: VideoPart) -> VideoFileFacts:
    return VideoFileFacts(
        filename=part.path.name,
        codec=part.codec.value,
        start=part.start,
        end=part.end,
        width=part.width,
        height=part.height,
        frames=part.frames,
        key_frames=part.key_frames,
        lost=part.lost,
        size_bytes=part.size_bytes,
        runs=list(part.runs),
    )
