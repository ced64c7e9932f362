"""Synthetic meetings with video: frames that encoders made, with known times, without a browser."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.support.tapes import STARTED_AT, feed_all
from tests.support.video_streams import FPS, Encoded
from worker.manifest.schema import Manifest
from worker.platforms.registry import PLATFORMS, Platform
from worker.rendering import renderer as renderer_module
from worker.rendering.deferred import DeferredRenderer
from worker.rendering.renderer import Renderer
from worker.roster.video_sources import NOBODYS, VideoOwner, VideoSources
from worker.tape.events import (
    TAPE_VERSION,
    RecordingEnded,
    RecordingStarted,
    TapeEvent,
    TapeStarted,
    VideoBatch,
    VideoFrame,
    VideoRequested,
)
from worker.video.codecs import VideoCodec


class ListedSources:
    """Takes a frame's first contributing source as the key of what it shows; ``owners`` are by that."""

    def __init__(self, owners: Mapping[str, VideoOwner] | None = None) -> None:
        self._owners = owners or {}

    def observe(self, event: TapeEvent) -> None:
        pass

    def source_of(self, document: int, frame: VideoFrame) -> str | None:
        return str(frame.csrcs[0]) if frame.csrcs else None

    def owner_of(self, key: str) -> VideoOwner:
        return self._owners.get(key, NOBODYS)

    def warnings(self) -> list[str]:
        return []


def use_sources(
    patch: pytest.MonkeyPatch,
    open_sources: Callable[[], VideoSources],
    platform: Platform = Platform.GOOGLE_MEET,
) -> None:
    """Lets renderers of ``platform`` take ``open_sources`` in place of its own."""
    entry = dataclasses.replace(PLATFORMS[platform], open_video_sources=open_sources)
    patch.setattr(renderer_module, "PLATFORMS", MappingProxyType({**PLATFORMS, platform: entry}))


def sent(
    frames: Iterable[Encoded],
    codec: VideoCodec,
    source: int | None,
    *,
    begin: float,
    receiver: int = 0,
    ssrc: int = 0,
    first_timestamp: int = 1_000_000,
    fps: int = FPS,
) -> list[VideoFrame]:
    """Frames as the page gives them, the first at ``begin`` (seconds of meeting time), without delay."""
    return [
        VideoFrame(
            receiver,
            ssrc or 9000 + receiver,
            () if source is None else (source,),
            (first_timestamp + number * 90_000 // fps) & 0xFFFF_FFFF,
            None,
            0,
            0,
            frame.key,
            frame.width if frame.key else 0,
            frame.height if frame.key else 0,
            96,
            f"video/{codec.value}",
            STARTED_AT + begin + number / fps,
            frame.payload,
        )
        for number, frame in enumerate(frames)
    ]


def batches(frames: Iterable[VideoFrame], *, document: int = 1, seconds: float = 0.2) -> list[VideoBatch]:
    """The frames of a document in order of arrival, in batches of ``seconds``."""
    ordered = sorted(frames, key=lambda frame: frame.arrival)
    groups = groupby(ordered, key=lambda frame: int((frame.arrival - STARTED_AT) // seconds))
    return [VideoBatch(document, number, 0, list(group)) for number, (_, group) in enumerate(groups)]


def video_tape(videos: Iterable[VideoBatch], seconds: float, *, told: bool = True) -> Iterator[TapeEvent]:
    """A meeting in which nobody speaks. ``told``: the tape says that its job asks for video."""
    yield TapeStarted(
        at=STARTED_AT - 20,
        version=TAPE_VERSION,
        platform="google_meet",
        meeting_url="synthetic",
        bot_name="bot",
    )
    if told:
        yield VideoRequested(at=STARTED_AT - 20)
    yield from with_video([RecordingStarted(at=STARTED_AT)], videos)
    yield RecordingEnded(at=STARTED_AT + seconds, reason="meeting_ended")


def with_video(events: Iterable[TapeEvent], videos: Iterable[VideoBatch]) -> Iterator[TapeEvent]:
    """The events of a tape with the batches of video in between, each after its last frame arrived."""
    waiting = sorted(videos, key=_time)
    for event in events:
        while waiting and _time(waiting[0]) <= _time(event) and not isinstance(event, TapeStarted):
            yield waiting.pop(0)
        yield event
    yield from waiting


def _time(event: TapeEvent) -> float:
    frames = getattr(event, "frames", None)
    if frames is None:
        return event.at  # type: ignore[union-attr]
    return max((frame.arrival for frame in frames), default=0.0)


def render_video(
    events: Iterable[TapeEvent], output: Path, *, mix: bool = False
) -> tuple[Manifest, Exception | None]:
    """Renders a tape; returns the manifest and the first failure."""
    deferred = DeferredRenderer(lambda platform: Renderer(output, platform, mix=mix))
    feed_all(deferred, events)
    return deferred.finish(), deferred.failure
