from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from tests.support.sample_manifests import recorded, video, video_segment, with_videos
from worker.errors import MeetstemsError
from worker.jobs import transcode_videos as transcode_videos_module
from worker.jobs.transcode_videos import transcode_videos
from worker.manifest.schema import Manifest, VideoSegment

H264 = video_segment("h264")
VP8 = video_segment("vp8", ending="webm", codec="vp8")
VP8_MP4 = video_segment("vp8", ending="h264.mp4")
AV1_MP4 = video_segment("av1", ending="h264.mp4")
AV1 = video_segment("av1", ending="mp4", codec="av1")


def shown(folder: Path, *segments: VideoSegment) -> Manifest:
    (folder / "video").mkdir()
    for segment in segments:
        (folder / segment.url).write_bytes(segment.codec.encode())
    return with_videos(recorded(1, 0.0, 60.0), video(1, "Ada", *segments)).manifest


def copy(source: Path, target: Path) -> None:
    target.write_bytes(b"h264 of " + source.read_bytes())


async def marked(source: Path, target: Path) -> None:
    copy(source, target)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "video").iterdir())}


async def test_only_what_is_not_h264_in_mp4_is_transcoded(tmp_path: Path) -> None:
    manifest = await transcode_videos(shown(tmp_path, H264, VP8, AV1), tmp_path, marked, threading.Event())
    assert contents(tmp_path) == {
        AV1_MP4.filename: b"h264 of av1",
        H264.filename: b"h264",
        VP8_MP4.filename: b"h264 of vp8",
    }
    segments = [segment for _, segment in manifest.video_segments()]
    assert segments[0] == H264
    assert [(each.url, each.filename, each.codec, each.size_bytes) for each in segments[1:]] == [
        (VP8_MP4.url, VP8_MP4.filename, "h264", 11),
        (AV1_MP4.url, AV1_MP4.filename, "h264", 11),
    ]
    assert [each.intervals for each in segments] == [each.intervals for each in (H264, VP8, AV1)]
    assert manifest.recording.warnings == []


@pytest.mark.parametrize("problem", [MeetstemsError("no frame"), OSError("disk full")], ids=repr)
async def test_one_that_cannot_be_transcoded_stays_with_a_warning(tmp_path: Path, problem: Exception) -> None:
    async def fail_vp8(source: Path, target: Path) -> None:
        copy(source, target)
        if source.suffix == ".webm":
            raise problem

    manifest = await transcode_videos(shown(tmp_path, VP8, AV1), tmp_path, fail_vp8, threading.Event())
    assert contents(tmp_path) == {AV1_MP4.filename: b"h264 of av1", VP8.filename: b"vp8"}
    assert [segment.codec for _, segment in manifest.video_segments()] == ["vp8", "h264"]
    assert manifest.recording.warnings == ["A video file could not be transcoded to MP4: as sent."]


async def test_nothing_is_transcoded_without_time(tmp_path: Path) -> None:
    out_of_time, cancelled = threading.Event(), asyncio.Event()

    async def never(_source: Path, _target: Path) -> None:
        out_of_time.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            cancelled.set()

    manifest = await transcode_videos(shown(tmp_path, VP8, AV1), tmp_path, never, out_of_time)
    assert cancelled.is_set()
    assert contents(tmp_path) == {AV1.filename: b"av1", VP8.filename: b"vp8"}
    assert [segment.codec for _, segment in manifest.video_segments()] == ["vp8", "av1"]


async def test_one_that_takes_longer_than_its_limit_stays_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(transcode_videos_module, "LIMIT_OF_EACH", 0.01)
    monkeypatch.setattr(transcode_videos_module, "LIMIT_PER_SECOND", 0.0)

    async def stuck_at_vp8(source: Path, target: Path) -> None:
        copy(source, target)
        if source.suffix == ".webm":
            await asyncio.get_running_loop().create_future()

    manifest = await transcode_videos(shown(tmp_path, VP8, AV1), tmp_path, stuck_at_vp8, threading.Event())
    assert f"{VP8.url} is not transcoded: it takes longer than 0 s" in caplog.text
    assert contents(tmp_path) == {AV1_MP4.filename: b"h264 of av1", VP8.filename: b"vp8"}
    assert manifest.recording.warnings == ["A video file could not be transcoded to MP4: as sent."]


async def test_a_manifest_with_nothing_to_do_stays_the_same(tmp_path: Path) -> None:
    manifest = shown(tmp_path, H264)
    assert await transcode_videos(manifest, tmp_path, marked, threading.Event()) is manifest
