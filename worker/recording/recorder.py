"""Puts every event on the tape first, and only then into the files."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from worker.manifest.schema import Manifest
from worker.rendering.deferred import DeferredRenderer
from worker.rendering.progress import Progress
from worker.tape.errors import TapeWriteError
from worker.tape.events import FrameBatch, TapeEvent
from worker.tape.writer import TapeWriter

logger = logging.getLogger(__name__)


class Recorder:
    """Takes the events of one recording. ``clock`` gives seconds since the Unix epoch.

    The tape comes first in every sense: when the files fail, the tape goes on, and the files can be made from it later.
    ``observers`` are called with each event that stands on the tape; they must not raise.
    """

    def __init__(
        self,
        tape: TapeWriter,
        renderer: DeferredRenderer,
        clock: Callable[[], float] = time.time,
        observers: Iterable[Callable[[TapeEvent], None]] = (),
    ) -> None:
        self._tape = tape
        self._renderer = renderer
        self._clock = clock
        self.observers = list(observers)
        self._tape_error: TapeWriteError | None = None
        self._rendering_error: Exception | None = None
        self.first_frame_logged: float | None = None
        """When the first frames stood on the tape, in seconds since the Unix epoch."""

    @property
    def begun(self) -> bool:
        """Whether RecordingStarted was taken."""
        return self._renderer.begun

    @property
    def error(self) -> Exception | None:
        """Why the tape, or else the files, could not be written."""
        return self._tape_error or self._rendering_error

    def take(self, event: TapeEvent) -> None:
        """Appends ``event`` to the tape, then renders it. Raises TapeWriteError."""
        try:
            recorded = self._tape.write(event, self._clock())
        except TapeWriteError as error:
            self._tape_error = self._tape_error or error
            raise
        if self.first_frame_logged is None and isinstance(recorded, FrameBatch) and recorded.frames:
            self.first_frame_logged = self._clock()
        self.render(recorded)
        for observe in self.observers:
            observe(recorded)

    def render(self, event: TapeEvent) -> None:
        """Renders an event that the tape does not take any more."""
        if self._rendering_error is not None:
            return
        try:
            self._renderer.feed(event)
        except Exception as error:  # noqa: BLE001 - told through `error`; nothing may stop the tape
            self._rendering_failed(error)

    def progress(self) -> Progress | None:
        """How the recording stands; None before it began and once the files failed."""
        return None if self._rendering_error is not None else self._renderer.progress()

    def finish(self) -> Manifest | None:
        """Completes the tape, then the files; None where there are none."""
        try:
            self._tape.finish()
        except TapeWriteError as error:
            self._tape_error = self._tape_error or error
        if self._rendering_error is not None or not self._renderer.begun:
            return None
        try:
            return self._renderer.finish()
        except Exception as error:  # noqa: BLE001 - told through `error`; nothing may stop the tape
            self._rendering_failed(error)
            return None

    def _rendering_failed(self, error: Exception) -> None:
        self._rendering_error = error
        logger.warning("the files cannot be written: %s; the tape goes on", error)
        logger.debug("where the files failed", exc_info=error)
