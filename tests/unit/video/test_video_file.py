from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.video_checks import decoded, decoded_frames, probed
from tests.support.video_streams import FPS, Encoded, encoded, joined
from worker.video.codecs import Container, VideoCodec
from worker.video.frame_header import read_header
from worker.video.video_file import TICKS, VideoFile

FORMS = [
    (VideoCodec.H264, Container.MP4),
    (VideoCodec.VP8, Container.WEBM),
    (VideoCodec.VP9, Container.MP4),
    (VideoCodec.VP9, Container.WEBM),
    (VideoCodec.AV1, Container.MP4),
    (VideoCodec.AV1, Container.WEBM),
]
every_form = pytest.mark.parametrize(("codec", "container"), FORMS, ids=[f"{a}-{b}" for a, b in FORMS])

MEETING = 1_790_000_000.25
"""Times are on any clock."""


def write(
    path: Path, codec: VideoCodec, container: Container, frames: list[Encoded], times: list[float], end: float
) -> VideoFile:
    file = VideoFile(path, codec, container)
    for frame, seconds in zip(frames, times, strict=True):
        file.write(MEETING + seconds, frame.payload, read_header(codec, frame.payload))
    file.close(MEETING + end)
    return file


@every_form
def test_frames_are_written_unchanged_at_their_times(
    codec: VideoCodec, container: Container, tmp_path: Path
) -> None:
    """With unequal distances, and a pause of the camera of ten seconds."""
    frames = list(encoded(codec))
    times = [number / FPS + (number % 3) * 0.011 + (10 if number >= 13 else 0) for number in range(20)]
    file = write(tmp_path / "a", codec, container, frames, times, times[-1] + 0.5)
    seen = probed(tmp_path / "a")
    assert (seen.codec, seen.width, seen.height) == (codec.value, 160, 90)
    assert seen.times == pytest.approx(times, abs=0.000_51 if container is Container.WEBM else 1 / TICKS)
    assert seen.seconds == pytest.approx(times[-1] + 0.5, abs=0.001)
    assert seen.keys == [frame.key for frame in frames]
    assert decoded(tmp_path / "a") == decoded_frames(codec, frames)
    assert (file.frames, file.key_frames) == (20, 2)


@every_form
def test_frames_of_another_size_are_decoded_in_the_same_file(
    codec: VideoCodec, container: Container, tmp_path: Path
) -> None:
    if codec is VideoCodec.H264:
        pytest.skip("H264 begins a new file")
    frames = joined(encoded(codec), encoded(codec, 10, 320, 180), encoded(codec, 10, 80, 46))
    write(tmp_path / "a", codec, container, frames, [number / FPS for number in range(40)], 40 / FPS)
    assert decoded(tmp_path / "a") == decoded_frames(codec, frames)
