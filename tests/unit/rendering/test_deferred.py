from __future__ import annotations

import errno
from pathlib import Path
from typing import cast

import msgspec
import pytest

from tests.support.tape_samples import EPOCH, a_meeting, batch
from tests.support.tapes import feed_all
from worker.manifest.schema import Manifest
from worker.platforms.registry import Platform, UnknownPlatformError
from worker.recording.recorder import Recorder
from worker.rendering.deferred import HELD_VIDEO_BYTES, DeferredRenderer, NothingRecordedError
from worker.rendering.progress import Progress
from worker.rendering.renderer import Renderer
from worker.tape.events import (
    FrameBatch,
    RecordingStarted,
    StateChanged,
    TapeEvent,
    TapeStarted,
    VideoBatch,
    VideoFrame,
)
from worker.tape.reader import read_tape
from worker.tape.writer import TapeWriter

MANIFEST = cast(Manifest, object())


class RendererDouble(Renderer):
    """A renderer that keeps what it is fed."""

    def __init__(self, platform: Platform, fails_at: int = 1000) -> None:
        self.platform = platform
        self.fed: list[TapeEvent] = []
        self._fails_at = fails_at

    def feed(self, event: TapeEvent, logged: float) -> None:
        if len(self.fed) == self._fails_at:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.fed.append(event)

    def progress(self) -> Progress:
        raise NotImplementedError

    def finish(self) -> Manifest:
        return MANIFEST


def test_the_renderer_opens_when_the_recording_begins_and_gets_every_event() -> None:
    renderer = RendererDouble(Platform.GOOGLE_MEET)
    opened = 0

    def open_renderer(platform: Platform) -> RendererDouble:
        nonlocal opened
        assert platform is renderer.platform
        opened += 1
        return renderer

    deferred = DeferredRenderer(open_renderer)
    events = [event for _, event in a_meeting(3)]
    begin = next(index for index, event in enumerate(events) if isinstance(event, RecordingStarted))
    feed_all(deferred, events[:begin])
    assert (opened, deferred.begun, deferred.progress()) == (0, False, None)
    feed_all(deferred, events[begin:])
    assert (opened, deferred.begun) == (1, True)
    assert renderer.fed == events
    assert deferred.finish() is MANIFEST


def test_finish_raises_if_the_recording_never_began() -> None:
    deferred = DeferredRenderer(RendererDouble)
    deferred.feed(StateChanged(at=EPOCH, state="joining"), EPOCH)
    with pytest.raises(NothingRecordedError, match=r"^nothing was recorded: the tape ends before"):
        deferred.finish()


@pytest.mark.parametrize("platform", Platform)
def test_the_tape_names_the_platform_to_the_renderer(platform: Platform) -> None:
    opened: list[Platform] = []

    def open_renderer(told: Platform) -> RendererDouble:
        opened.append(told)
        return RendererDouble(told)

    deferred = DeferredRenderer(open_renderer, Platform.GOOGLE_MEET)
    for logged, event in a_meeting(3):
        if isinstance(event, TapeStarted):
            event = msgspec.structs.replace(event, platform=platform)  # noqa: PLW2901
        deferred.feed(event, logged)
    assert opened == [platform]


def without_its_first_event() -> list[TapeEvent]:
    return [event for _, event in a_meeting(3) if not isinstance(event, TapeStarted)]


def test_a_tape_without_its_first_part_needs_a_platform() -> None:
    deferred = DeferredRenderer(RendererDouble)
    with pytest.raises(UnknownPlatformError, match="names no platform, because its first part is missing"):
        feed_all(deferred, without_its_first_event())


@pytest.mark.parametrize("platform", Platform)
def test_a_tape_without_its_first_part_is_rendered_for_the_platform_that_is_given(platform: Platform) -> None:
    opened: list[Platform] = []

    def open_renderer(told: Platform) -> RendererDouble:
        opened.append(told)
        return RendererDouble(told)

    deferred = DeferredRenderer(open_renderer, platform)
    feed_all(deferred, without_its_first_event())
    assert opened == [platform]
    assert deferred.finish() is MANIFEST


def test_a_tape_of_an_unknown_platform_is_refused() -> None:
    deferred = DeferredRenderer(RendererDouble)
    start = TapeStarted(at=EPOCH, version=1, platform="skype", meeting_url="", bot_name="")
    with pytest.raises(UnknownPlatformError, match="platform 'skype': is not known, expected google_meet or"):
        deferred.feed(start, EPOCH)


def test_an_event_is_on_the_tape_before_the_renderer_gets_it(tmp_path: Path) -> None:
    class TapeFirstRenderer(RendererDouble):
        def feed(self, event: TapeEvent, logged: float) -> None:
            super().feed(event, logged)
            assert list(read_tape(tmp_path))[: len(self.fed)] == self.fed

    recorder = Recorder(TapeWriter(tmp_path), DeferredRenderer(TapeFirstRenderer), lambda: EPOCH)
    for _, event in a_meeting(2):
        recorder.take(event)
    assert recorder.error is None
    assert recorder.finish() is MANIFEST


def test_the_tape_continues_after_the_renderer_failed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder(
        TapeWriter(tmp_path),
        DeferredRenderer(lambda platform: RendererDouble(platform, fails_at=5)),
        lambda: EPOCH,
    )
    events = [event for _, event in a_meeting(3)]
    for event in events:
        recorder.take(event)
    assert recorder.finish() is None
    assert isinstance(recorder.error, OSError)
    assert recorder.progress() is None
    assert list(read_tape(tmp_path)) == events
    assert len(caplog.records) == 1


def test_first_frame_logged_is_when_the_first_frames_were_written(tmp_path: Path) -> None:
    seen: list[TapeEvent] = []
    recorder = Recorder(
        TapeWriter(tmp_path), DeferredRenderer(RendererDouble), lambda: EPOCH + 9, [seen.append]
    )
    recorder.take(StateChanged(at=EPOCH, state="joining"))
    assert recorder.first_frame_logged is None
    recorder.take(batch(1, EPOCH + 3))
    assert recorder.first_frame_logged == EPOCH + 9
    assert [type(event) for event in seen] == [StateChanged, FrameBatch]
    recorder.finish()


def video(number: int, at: float, size: int = 1) -> VideoBatch:
    frame = VideoFrame(0, 1, (), 0, None, 0, 0, True, 0, 0, 96, "video/VP8", at, bytes(size))
    return VideoBatch(1, number, 0, [frame])


def held_video(*batches: tuple[VideoBatch, float]) -> list[int]:
    """The numbers of the batches that a renderer gets of those logged before the recording began."""
    renderer = RendererDouble(Platform.GOOGLE_MEET)
    deferred = DeferredRenderer(lambda _: renderer, Platform.GOOGLE_MEET)
    for event, logged in batches:
        deferred.feed(event, logged)
    deferred.feed(RecordingStarted(at=EPOCH), EPOCH)
    assert isinstance(renderer.fed[0], RecordingStarted)
    return [event.sequence for event in renderer.fed if isinstance(event, VideoBatch)]


def test_video_from_shortly_before_the_recording_is_kept() -> None:
    ages = (20.0, 12.0, 9.0, 1.0)
    assert held_video(*((video(number, EPOCH - age), EPOCH - age) for number, age in enumerate(ages))) == [
        2,
        3,
    ]


def test_video_from_before_the_recording_is_kept_up_to_a_number_of_bytes() -> None:
    third = HELD_VIDEO_BYTES // 3
    early = [(video(number, EPOCH - 1, third), EPOCH - 1) for number in range(5)]
    assert held_video(*early) == [2, 3, 4]
    assert held_video((video(0, EPOCH - 1, HELD_VIDEO_BYTES + 1), EPOCH - 1)) == []
