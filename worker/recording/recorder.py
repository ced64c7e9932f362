"""Writes every event to the tape first, then renders it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Final

from worker.manifest.schema import Manifest
from worker.recording.redaction import redacted_event
from worker.rendering.deferred import DeferredRenderer
from worker.rendering.progress import Progress
from worker.safe_text import NO_SECRETS, Redactor, printable
from worker.tape.codec import LoggedEvent
from worker.tape.errors import TapeWriteError, UnwritableEventError
from worker.tape.events import FrameBatch, PageFault, TapeEvent
from worker.tape.writer import TapeWriter

logger = logging.getLogger(__name__)

_FAULT_LENGTH: Final = 200
"""Characters of the message about an event that was left out."""


class Recorder:
    """Takes the events of one recording. ``clock`` returns seconds since the Unix epoch.

    If rendering fails, the tape continues, and the files can be rendered from it later. ``observers`` are called with each
    event that was written to the tape; they must not raise. ``redactor`` hides the meeting's secrets in every event.
    """

    def __init__(
        self,
        tape: TapeWriter,
        renderer: DeferredRenderer,
        clock: Callable[[], float] = time.time,
        observers: Iterable[Callable[[TapeEvent], None]] = (),
        redactor: Redactor = NO_SECRETS,
    ) -> None:
        self._tape = tape
        self._renderer = renderer
        self._clock = clock
        self.observers = list(observers)
        self._redactor = redactor
        self._tape_error: TapeWriteError | None = None
        self._rendering_error: Exception | None = None
        self.first_frame_logged: float | None = None
        """When the first frames were written to the tape, in seconds since the Unix epoch."""

    @property
    def begun(self) -> bool:
        """Whether RecordingStarted was taken."""
        return self._renderer.begun

    @property
    def error(self) -> Exception | None:
        """Why the tape could not be written, or else all or some of the files."""
        return self._tape_error or self._rendering_error

    def take(self, event: TapeEvent) -> None:
        """Writes ``event`` to the tape, then renders it. An event that a tape cannot hold is left out; a PageFault says so.

        Raises TapeWriteError.
        """
        try:
            logged, recorded = self._put(redacted_event(event, self._redactor))
        except TapeWriteError as error:
            self._tape_error = self._tape_error or error
            raise
        if self.first_frame_logged is None and isinstance(recorded, FrameBatch) and recorded.frames:
            self.first_frame_logged = self._clock()
        self._render(recorded, logged)
        for observe in self.observers:
            observe(recorded)

    def _put(self, event: TapeEvent) -> LoggedEvent:
        """Writes ``event``, or in its place that it was left out; returns what was written. Raises TapeWriteError."""
        at = self._clock()
        try:
            return self._tape.write(event, at)
        except UnwritableEventError as error:
            logger.warning("%s; it is left out", error)
            message = printable(str(error), _FAULT_LENGTH)
            fault = PageFault(at=at, document=0, where="Recorder.take", message=message)
            return self._tape.write(fault, at)

    def render(self, event: TapeEvent) -> None:
        """Renders an event that can no longer be written to the tape."""
        self._render(redacted_event(event, self._redactor), self._clock())

    def _render(self, event: TapeEvent, logged: float) -> None:
        if self._rendering_error is not None:
            return
        try:
            self._renderer.feed(event, logged)
        except Exception as error:  # noqa: BLE001 - kept in `error`; nothing may stop the tape
            self._rendering_failed(error)

    def progress(self) -> Progress | None:
        """The progress; None before the recording began and after rendering failed."""
        return None if self._rendering_error is not None else self._renderer.progress()

    def write_due(self) -> bool:
        """Writes a bounded part of the files that is due, after RecordingEnded all that ``finish`` would; returns whether
        more is due."""
        if self._rendering_error is not None:
            return False
        try:
            return self._renderer.write_due()
        except Exception as error:  # noqa: BLE001 - kept in `error`; nothing may stop the tape
            self._rendering_failed(error)
            return False

    def finish(self) -> Manifest | None:
        """Completes the tape, then the files; returns the manifest, None without files.

        Where some of the files are incomplete, there is a manifest and an ``error``.
        """
        try:
            self._tape.finish()
        except TapeWriteError as error:
            self._tape_error = self._tape_error or error
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
