from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import av
import pytest

from tests.support.video_checks import decoded, probed
from tests.support.video_streams import encoded, joined, write_stream
from tests.support.waits import until
from worker.video import transcoding_process
from worker.video.codecs import Container, VideoCodec
from worker.video.transcoding_process import LOWEST_PRIORITY, UnreadableVideoError, transcode_here


@pytest.mark.parametrize("codec", [VideoCodec.VP9, VideoCodec.AV1])
def test_frames_of_all_sizes_are_scaled_to_the_largest(codec: VideoCodec, tmp_path: Path) -> None:
    """A portrait one gets bars."""
    frames = joined(encoded(codec, 5, 80, 46), encoded(codec, 5, 320, 180), encoded(codec, 5, 90, 160))
    write_stream(tmp_path / "a.mp4", codec, Container.MP4, frames)
    transcode_here(tmp_path / "a.mp4", tmp_path / "b.mp4")
    made = probed(tmp_path / "b.mp4")
    assert (made.codec, made.width, made.height) == ("h264", 320, 180)
    assert len(decoded(tmp_path / "b.mp4")) == 15
    with av.open(str(tmp_path / "b.mp4")) as container:
        pictures = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert pictures[-1][90, 10] < 5, "a bar is black"
    assert pictures[-1][90, 160] > 10


def test_frames_that_cannot_be_decoded_are_left_out(tmp_path: Path) -> None:
    frames = list(encoded(VideoCodec.VP9))
    frames[5] = frames[5]._replace(payload=frames[5].payload[:20] + b"\xff" * 40)
    write_stream(tmp_path / "a.mp4", VideoCodec.VP9, Container.MP4, frames)
    transcode_here(tmp_path / "a.mp4", tmp_path / "b.mp4")
    made = probed(tmp_path / "b.mp4")
    assert 10 <= len(made.times) <= 20
    assert made.seconds == pytest.approx(probed(tmp_path / "a.mp4").seconds, abs=0.001)


def test_a_file_without_a_frame_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libopus", rate=48_000)
        assert stream.type == "audio"
    with pytest.raises((UnreadableVideoError, av.FFmpegError)):
        transcode_here(tmp_path / "a.mp4", tmp_path / "b.mp4")


def test_the_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "never.webm")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", transcoding_process.__name__),
            *(str(tmp_path / "never.webm"), str(tmp_path / "b.mp4")),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    process.communicate(timeout=60)
    assert process.returncode == 1


async def test_the_process_gives_way_to_everything_else(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "never.webm")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", transcoding_process.__name__),
        *(str(tmp_path / "never.webm"), str(tmp_path / "b.mp4")),
        stdin=subprocess.PIPE,
    )
    try:
        await until(lambda: os.getpriority(os.PRIO_PROCESS, process.pid) == LOWEST_PRIORITY)
    finally:
        process.kill()
        await process.wait()


def test_a_frame_that_says_it_is_huge_is_no_more_than_a_failure(tmp_path: Path) -> None:
    frames = list(encoded(VideoCodec.VP8))
    huge = frames[0].payload[:6] + b"\xff\x3f\xff\x3f" + frames[0].payload[10:]
    write_stream(tmp_path / "a.webm", VideoCodec.VP8, Container.WEBM, [frames[0]._replace(payload=huge)])
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", transcoding_process.__name__),
            *(str(tmp_path / "a.webm"), str(tmp_path / "b.mp4")),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    answer = process.stdout.read()
    assert answer == b"a.webm: no frame can be decoded\n"
    process.communicate()
    assert process.returncode == 1
