"""Opens a renderer when the recording begins, and feeds it, live or from a tape (pure)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import msgspec

from worker.errors import InputError
from worker.manifest.recording_facts import MOST_DOCUMENTS
from worker.manifest.schema import Manifest
from worker.platforms.registry import Platform, UnknownPlatformError, read_platform
from worker.rendering.progress import Progress
from worker.rendering.renderer import Renderer
from worker.tape.events import (
    FrameBatch,
    RecordingEnded,
    RecordingStarted,
    TapeEvent,
    TapeStarted,
    VideoBatch,
)
from worker.tape.reader import TapeDamage


class NothingRecordedError(InputError):
    """The events end before the recording began, so there is nothing to render."""


HELD_SECONDS = 10.0
"""Seconds of frames that are kept until it is known when the recording began."""

HELD_VIDEO_BYTES: Final = 64 * 1024 * 1024
"""Bytes of video frames that are kept until then: ten seconds of 16 cameras have 10 to 20 MB."""

OpenRenderer: TypeAlias = Callable[[Platform], Renderer]
"""Creates the renderer of a recording on a platform, which may write its first files then."""


class DeferredRenderer:
    """Opens the renderer only when the recording begins, so that a bot that was not admitted leaves no files.

    ``platform`` is for a tape whose first part, which names it, is missing; None: not known.
    """

    def __init__(self, open_renderer: OpenRenderer, platform: Platform | None = None) -> None:
        self._open = open_renderer
        self._platform = platform
        self._renderer: Renderer | None = None
        self._held: list[tuple[TapeEvent, float]] = []
        self._held_frames: deque[tuple[FrameBatch, float]] = deque()
        self._held_video: deque[tuple[VideoBatch, float]] = deque()
        self._held_video_bytes = 0
        self._passed: dict[int, tuple[FrameBatch, float]] = {}
        """The last batch of each document that is too old to be held, without its frames: what follows it is not missing."""
        self.ended = False
        """Whether RecordingEnded was fed."""

    @property
    def begun(self) -> bool:
        """Whether RecordingStarted was fed."""
        return self._renderer is not None

    def feed(self, event: TapeEvent, logged: float) -> None:
        """Takes the tape's next event, with its log time in Unix seconds.

        Raises UnknownPlatformError, and what the renderer raises.
        """
        if self._renderer is not None:
            self._renderer.feed(event, logged)
        elif isinstance(event, RecordingStarted):
            self._begin(event, logged)
        else:
            self._hold(event, logged)
        self.ended |= isinstance(event, RecordingEnded)

    def report_damage(self, damage: Sequence[TapeDamage]) -> None:
        """Takes what could not be read of the tape."""
        if self._renderer is not None:
            self._renderer.report_damage(damage)

    def progress(self) -> Progress | None:
        """The progress of the recording; None before it began."""
        return None if self._renderer is None else self._renderer.progress()

    def write_due(self) -> bool:
        """Writes a bounded part of the files that is due; returns whether more is. Raises what the renderer raises."""
        return self._renderer is not None and self._renderer.write_due()

    @property
    def failure(self) -> Exception | None:
        """After ``finish``: the first error that cost a stem or the mix its completeness."""
        return None if self._renderer is None else self._renderer.failure

    def finish(self) -> Manifest:
        """Completes all files and returns the manifest. Raises NothingRecordedError, or what the renderer raises."""
        if self._renderer is None:
            raise NothingRecordedError("nothing was recorded: the tape ends before the bot was in the call")
        return self._renderer.finish()

    def _hold(self, event: TapeEvent, logged: float) -> None:
        """Keeps an event; frames may arrive before the worker finds that it is in the call, so the latest may count."""
        if isinstance(event, TapeStarted):
            self._platform = read_platform(event.platform)
        if isinstance(event, VideoBatch):
            self._hold_video(event, logged)
        elif not isinstance(event, FrameBatch):
            self._held.append((event, logged))
        else:
            self._held_frames.append((event, logged))
            while self._held_frames[0][1] < logged - HELD_SECONDS:
                self._pass(*self._held_frames.popleft())

    def _hold_video(self, batch: VideoBatch, logged: float) -> None:
        """Keeps frames of video: those of the recording may need some from before it."""
        held = self._held_video
        held.append((batch, logged))
        self._held_video_bytes += _payload_bytes(batch)
        while held and (held[0][1] < logged - HELD_SECONDS or self._held_video_bytes > HELD_VIDEO_BYTES):
            self._held_video_bytes -= _payload_bytes(held.popleft()[0])

    def _pass(self, batch: FrameBatch, logged: float) -> None:
        if batch.document in self._passed or len(self._passed) < MOST_DOCUMENTS:
            self._passed[batch.document] = (msgspec.structs.replace(batch, frames=[]), logged)

    def _begin(self, start: RecordingStarted, logged: float) -> None:
        if self._platform is None:
            raise UnknownPlatformError(
                "tape: names no platform, because its first part is missing; "
                f"expected --platform {' or '.join(Platform)}"
            )
        renderer = self._open(self._platform)
        for event, its_log_time in self._held:
            renderer.feed(event, its_log_time)
        for batch, its_log_time in self._passed.values():
            renderer.feed(batch, its_log_time)
        renderer.feed(start, logged)
        for batch, its_log_time in self._held_frames:
            renderer.feed(batch, its_log_time)
        for video, its_log_time in self._held_video:
            renderer.feed(video, its_log_time)
        self._held.clear()
        self._held_frames.clear()
        self._held_video.clear()
        self._passed.clear()
        self._renderer = renderer


def _payload_bytes(batch: VideoBatch) -> int:
    return sum(len(frame.payload) for frame in batch.frames)
