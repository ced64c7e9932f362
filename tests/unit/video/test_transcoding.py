from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.support.video_checks import decoded, probed
from tests.support.video_streams import write_stream
from tests.support.waits import until
from worker.video.codecs import Container, VideoCodec
from worker.video.transcoding import TranscodeError, transcode


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Makes the process that transcodes a shell script."""
    path = folder / "stand-in"
    path.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    path.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(path))


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


async def test_stopping_the_worker_ends_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, f'touch "$4"; echo > {tmp_path}/begun; exec sleep 60')
    stopped: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(transcode(tmp_path / "a.webm", tmp_path / "a.mp4", stopped=stopped))
    await until((tmp_path / "begun").exists)
    stopped.set_result("SIGTERM")
    with pytest.raises(TranscodeError, match=r"a\.webm: the worker stops"):
        await task
    assert names_in(tmp_path) == ["begun", "stand-in"]
    (tmp_path / "begun").unlink()
    with pytest.raises(TranscodeError, match="the worker stops"):
        await transcode(tmp_path / "a.webm", tmp_path / "a.mp4", stopped=stopped)
    assert names_in(tmp_path) == ["stand-in"]


async def test_the_process_gets_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("MEETSTEMS_WEBHOOK_SECRET", "secret")
    monkeypatch.setenv("PYTHONPATH", "/a/path")
    stand_in(tmp_path, monkeypatch, f"env > {tmp_path}/environment; exit 1")
    with pytest.raises(TranscodeError):
        await transcode(tmp_path / "a.webm", tmp_path / "a.mp4")
    environment = (tmp_path / "environment").read_text("utf-8").splitlines()
    assert "PYTHONPATH=/a/path" in environment
    assert not [line for line in environment if "secret" in line]


async def test_the_process_is_in_no_group_that_ctrl_c_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, f"cut -d ' ' -f 5 /proc/$$/stat > {tmp_path}/group; exit 1")
    with pytest.raises(TranscodeError):
        await transcode(tmp_path / "a.webm", tmp_path / "a.mp4")
    assert int((tmp_path / "group").read_text("utf-8")) != os.getpgrp()
