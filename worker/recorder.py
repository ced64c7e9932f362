"""Puts every event on the tape first, and only then into the files."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from worker.progress import Progress
from worker.rendering import Rendering
from worker.stems.manifest import Manifest
from worker.tape.errors import TapeWriteError
from worker.tape.events import (
    ChannelMessage,
    ConnectionClosed,
    ConnectionOpened,
    FrameBatch,
    ReceiverTapped,
    RosterResponse,
    TapDeaf,
    TapeEvent,
)
from worker.tape.writer import TapeWriter

logger = logging.getLogger(__name__)


class Recorder:
    """Takes the events of one recording. ``clock`` gives seconds since the Unix epoch.

    The tape comes first in every sense: when the files fail, the tape goes on, and the files can be made from it later.
    ``on_event`` is called with each event that stands on the tape; it must not raise.
    """

    def __init__(
        self,
        tape: TapeWriter,
        rendering: Rendering,
        clock: Callable[[], float] = time.time,
        on_event: Callable[[TapeEvent], None] | None = None,
    ) -> None:
        self._tape = tape
        self._rendering = rendering
        self._clock = clock
        self._on_event = on_event
        self._tape_error: TapeWriteError | None = None
        self._rendering_error: Exception | None = None
        self.first_arrival: float | None = None
        """When Chromium received the earliest frame, in seconds since the Unix epoch."""
        self.first_frame_logged: float | None = None
        """When the first frames stood on the tape."""
        self._open_connections: set[tuple[int, int]] = set()
        self._disconnected_at: float | None = None
        self._deaf_at: float | None = None
        self.media_seen = False
        """Whether the page has shown signs of media or of a roster."""

    @property
    def begun(self) -> bool:
        """Whether RecordingStarted was taken."""
        return self._rendering.begun

    @property
    def error(self) -> Exception | None:
        """Why the tape, or else the files, could not be written."""
        return self._tape_error or self._rendering_error

    def disconnected_for(self) -> float:
        """For how long, in seconds, the page has been without the peer connection that it had; 0 while it has one."""
        return 0.0 if self._disconnected_at is None else self._clock() - self._disconnected_at

    def deaf_for(self) -> float:
        """For how long, in seconds, packets have come of which none reached the tap; 0 while frames come, or nothing does."""
        return 0.0 if self._deaf_at is None else self._clock() - self._deaf_at

    def take(self, event: TapeEvent) -> None:
        """Appends ``event`` to the tape, then renders it. Raises TapeWriteError."""
        try:
            recorded = self._tape.write(event, self._clock())
        except TapeWriteError as error:
            self._tape_error = self._tape_error or error
            raise
        self._note(recorded)
        self.render(recorded)
        if self._on_event is not None:
            self._on_event(recorded)

    def render(self, event: TapeEvent) -> None:
        """Renders an event that the tape does not take any more."""
        if self._rendering_error is not None:
            return
        try:
            self._rendering.feed(event)
        except Exception as error:  # noqa: BLE001 - told through `error`; nothing may stop the tape
            self._rendering_failed(error)

    def progress(self) -> Progress | None:
        """How the recording stands; None before it began and once the files failed."""
        return None if self._rendering_error is not None else self._rendering.progress()

    def finish(self) -> Manifest | None:
        """Completes the tape, then the files; None where there are none."""
        try:
            self._tape.finish()
        except TapeWriteError as error:
            self._tape_error = self._tape_error or error
        if self._rendering_error is not None or not self._rendering.begun:
            return None
        try:
            return self._rendering.finish()
        except Exception as error:  # noqa: BLE001 - told through `error`; nothing may stop the tape
            self._rendering_failed(error)
            return None

    def _rendering_failed(self, error: Exception) -> None:
        self._rendering_error = error
        logger.warning("the files cannot be written: %s; the tape goes on", error)
        logger.debug("where the files failed", exc_info=error)

    def _note(self, event: TapeEvent) -> None:
        if isinstance(event, ConnectionOpened):
            self._open_connections.add((event.document, event.connection))
            self._disconnected_at = None
        elif isinstance(event, ConnectionClosed):
            self._open_connections.discard((event.document, event.connection))
            if not self._open_connections and self._disconnected_at is None:
                self._disconnected_at = self._clock()
        elif isinstance(event, TapDeaf):
            self._deaf_at = self._clock() if self._deaf_at is None else self._deaf_at
        elif isinstance(event, ChannelMessage | ReceiverTapped | RosterResponse):
            self.media_seen = True
        elif isinstance(event, FrameBatch) and event.frames:
            self.media_seen = True
            self._deaf_at = None
            earliest = min(frame.arrival for frame in event.frames)
            if self.first_arrival is None:
                self.first_frame_logged = self._clock()
                self.first_arrival = earliest
            self.first_arrival = min(self.first_arrival, earliest)
