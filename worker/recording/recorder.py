"""Writes every event to the tape first, then renders it, a run of events at a time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, get_args

from worker.manifest.schema import Manifest
from worker.recording.redaction import redacted_event
from worker.recording.video_room import VideoRoom, free_bytes
from worker.rendering.deferred import DeferredRenderer
from worker.rendering.progress import Progress
from worker.safe_text import NO_SECRETS, Redactor, printable
from worker.tape.codec import LoggedEvent
from worker.tape.errors import NoRoomForVideoError, TapeWriteError, UnwritableEventError
from worker.tape.events import (
    RECORDER_TAKE,
    FrameBatch,
    PageEvent,
    PageFault,
    TapeEvent,
    VideoBatch,
    VideoRoomChanged,
)
from worker.tape.writer import TapeWriter

logger = logging.getLogger(__name__)

_FAULT_LENGTH: Final = 200
"""Characters of the message about an event that was left out."""

RUN_SECONDS: Final = 2.0
"""Seconds. What the page sent waits at most about so long, then it is rendered in one run: a batch that is rendered by
itself finds neither its code nor its data in the processor's caches, which costs a quarter more."""

RUN_FRAMES: Final = 1_000
"""Frames of audio that wait at most, about 40 ms of processor time: the event loop must not wait longer."""

VIDEO_WEIGHT: Final = 2
"""Frames of audio that one of video counts as, by the processor time that it takes."""

_FROM_PAGE: Final = (FrameBatch, VideoBatch, *get_args(PageEvent))


class Recorder:
    """Takes the events of one recording. ``clock`` returns seconds since the Unix epoch.

    What the page sent may wait ``run_seconds`` (of log time) until it is rendered, in order; with 0, for what is heard live, it
    does not wait. Whatever shows what was rendered renders it first.
    If rendering fails, the tape continues, and the files can be rendered from it later. ``observers`` are called with each
    event that was written to the tape; they must not raise. ``redactor`` hides the meeting's secrets in every event.
    While ``video_room``, by default that of the tape's disk, has none left, batches of video are left out; VideoRoomChanged
    says from when until when.
    """

    def __init__(
        self,
        tape: TapeWriter,
        renderer: DeferredRenderer,
        clock: Callable[[], float] = time.time,
        observers: Iterable[Callable[[TapeEvent], None]] = (),
        redactor: Redactor = NO_SECRETS,
        run_seconds: float = RUN_SECONDS,
        video_room: VideoRoom | None = None,
    ) -> None:
        self._tape = tape
        self._renderer = renderer
        self._clock = clock
        self.observers = list(observers)
        self._redactor = redactor
        self._run_seconds = run_seconds
        self._video_room = video_room or VideoRoom(partial(free_bytes, tape.folder))
        self._has_video_room = True
        """As the tape has it."""
        tape.make_room = self._make_room
        self._tape_error: TapeWriteError | None = None
        self._rendering_error: Exception | None = None
        self._waiting: list[LoggedEvent] = []
        """What is on the tape and not rendered yet."""
        self._waiting_frames = 0
        self.first_frame_logged: float | None = None
        """When the first frames of audio were written to the tape, in seconds since the Unix epoch."""

    @property
    def begun(self) -> bool:
        """Whether RecordingStarted was taken, for which nothing waits."""
        return self._renderer.begun

    @property
    def error(self) -> Exception | None:
        """Why the tape could not be written, or else the files, a stem or the mix."""
        return self._tape_error or self._rendering_error

    def take(self, event: TapeEvent) -> None:
        """Writes ``event`` to the tape, to be rendered at once or in a run. An event that a tape cannot hold is left out; a
        PageFault says so.

        Raises TapeWriteError.
        """
        if isinstance(event, VideoBatch):
            self._follow_room()
            if not self._video_room.is_left:
                return
        try:
            written = self._put(redacted_event(event, self._redactor))
        except NoRoomForVideoError as error:
            logger.warning("%s", error)
            self._video_room.refused(self._clock())
            self._say_where_video_is()
            return
        except TapeWriteError as error:
            self._tape_error = self._tape_error or error
            raise
        recorded = written.event
        if self.first_frame_logged is None and isinstance(recorded, FrameBatch) and recorded.frames:
            self.first_frame_logged = self._clock()
        self._render(written)
        for observe in self.observers:
            observe(recorded)

    def _make_room(self) -> bool:
        return self._video_room.refused(self._clock())

    def _follow_room(self) -> None:
        """Looks for room for video, and says where it ends or is there again. Raises TapeWriteError."""
        self._video_room.check(self._clock())
        if self._video_room.is_left is not self._has_video_room:
            self._say_where_video_is()

    def _say_where_video_is(self) -> None:
        """Writes that video ends here, or goes on. Raises TapeWriteError."""
        at = self._clock()
        self._has_video_room = self._video_room.is_left
        if self._video_room.is_left:
            logger.warning("the disk has room again: video goes on")
        else:
            logger.warning("the disk is nearly full: video is left out, audio goes on")
        self.take(VideoRoomChanged(at=at, left=self._video_room.is_left))

    def _put(self, event: TapeEvent) -> LoggedEvent:
        """Writes ``event``, or in its place that it was left out; returns what was written. Raises TapeWriteError."""
        at = self._clock()
        try:
            return self._tape.write(event, at)
        except UnwritableEventError as error:
            logger.warning("%s; it is left out", error)
            message = printable(str(error), _FAULT_LENGTH)
            fault = PageFault(at=at, document=0, where=RECORDER_TAKE, message=message)
            return self._tape.write(fault, at)

    def render(self, event: TapeEvent) -> None:
        """Renders an event that can no longer be written to the tape."""
        self._render(LoggedEvent(self._clock(), redacted_event(event, self._redactor)))

    def _render(self, written: LoggedEvent) -> None:
        """Renders an event after all before it, or lets it wait for its run."""
        logged, event = written
        self._waiting.append(written)
        if isinstance(event, FrameBatch):
            self._waiting_frames += len(event.frames)
        elif isinstance(event, VideoBatch):
            self._waiting_frames += VIDEO_WEIGHT * len(event.frames)
        if (
            not isinstance(event, _FROM_PAGE)
            or self._waiting_frames >= RUN_FRAMES
            or not 0 <= logged - self._waiting[0].logged < self._run_seconds
        ):
            self._render_waiting()

    def _render_waiting(self) -> None:
        waiting, self._waiting, self._waiting_frames = self._waiting, [], 0
        if self._rendering_error is not None:
            return
        try:
            for logged, event in waiting:
                self._renderer.feed(event, logged)
        except Exception as error:  # noqa: BLE001 - kept in `error`; nothing may stop the tape
            self._rendering_failed(error)

    def progress(self) -> Progress | None:
        """The progress; None before the recording began and after rendering failed."""
        self._render_waiting()
        return None if self._rendering_error is not None else self._renderer.progress()

    def write_due(self) -> bool:
        """Writes a bounded part of the files that is due, after RecordingEnded all that ``finish`` would; returns whether
        more is due."""
        self._render_waiting()
        if self._rendering_error is not None:
            return False
        try:
            return self._renderer.write_due()
        except Exception as error:  # noqa: BLE001 - kept in `error`; nothing may stop the tape
            self._rendering_failed(error)
            return False

    def finish(self) -> Manifest | None:
        """Completes the tape, then the files; returns the manifest, None without files.

        Where a stem or the mix is incomplete, there is a manifest and an ``error``. Other files only have a warning there.
        """
        try:
            self._tape.finish()
        except TapeWriteError as error:
            self._tape_error = self._tape_error or error
        # The files may need it.
        self._video_room.close()
        self._render_waiting()
        if self._rendering_error is not None or not self._renderer.begun:
            return None
        try:
            manifest = self._renderer.finish()
        except Exception as error:  # noqa: BLE001 - kept in `error`; nothing may stop the tape
            self._rendering_failed(error)
            return None
        if self._renderer.failure is not None:
            self._rendering_error = self._renderer.failure
            logger.warning("not all files are complete: %s", self._rendering_error)
        return manifest

    def _rendering_failed(self, error: Exception) -> None:
        self._rendering_error = error
        logger.warning("the files cannot be written: %s; the tape continues", error)
        logger.debug("rendering failed here", exc_info=error)
