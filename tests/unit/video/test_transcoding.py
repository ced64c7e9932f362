from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.video_checks import decoded, probed
from tests.support.video_streams import write_stream
from worker.video.codecs import Container, VideoCodec
from worker.video.transcoding import TranscodeError, transcode


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_file_becomes_h264_with_the_same_frame_times(tmp_path: Path) -> None:
    source, target = tmp_path / "a.webm", tmp_path / "a.mp4"
    write_stream(source, VideoCodec.VP8, Container.WEBM)
    before = source.read_bytes()
    await transcode(source, target)
    made = probed(target)
    assert (made.codec, made.width, made.height) == ("h264", 160, 90)
    assert source.read_bytes() == before
    original = probed(source)
    assert made.times == pytest.approx(original.times, abs=0.001)
    assert made.seconds == pytest.approx(original.seconds, abs=0.001)
    assert len(decoded(target)) == len(original.times)
    assert names_in(tmp_path) == ["a.mp4", "a.webm"]


async def test_what_cannot_be_transcoded_fails_alone(tmp_path: Path) -> None:
    (tmp_path / "a.webm").write_bytes(b"\x1a\x45\xdf\xa3 no video")
    with pytest.raises(TranscodeError, match=r"a\.webm: cannot be transcoded: "):
        await transcode(tmp_path / "a.webm", tmp_path / "a.mp4")
    with pytest.raises(TranscodeError, match=r"b\.webm: cannot be transcoded: No such file"):
        await transcode(tmp_path / "b.webm", tmp_path / "a.mp4")
    assert names_in(tmp_path) == ["a.webm"]


async def test_a_target_that_cannot_be_written_fails_alone(tmp_path: Path) -> None:
    write_stream(tmp_path / "a.webm", VideoCodec.VP8, Container.WEBM)
    with pytest.raises(TranscodeError, match="No such file or directory"):
        await transcode(tmp_path / "a.webm", tmp_path / "missing" / "a.mp4")


async def test_cancelling_ends_the_process(tmp_path: Path) -> None:
    write_stream(tmp_path / "a.webm", VideoCodec.VP8, Container.WEBM)
    task = asyncio.create_task(transcode(tmp_path / "a.webm", tmp_path / "a.mp4"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert names_in(tmp_path) == ["a.webm"]
