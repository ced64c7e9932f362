from __future__ import annotations

import math
import subprocess
from pathlib import Path

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.full_disk import files_limited_to
from tests.support.video_checks import decoded, decoded_frames, probed
from tests.support.video_streams import FPS, Encoded, encoded, joined
from worker.video.codecs import Container, VideoCodec
from worker.video.frame_header import needs_new_file, read_header
from worker.video.video_file import LONGEST_GAP, TICKS, VideoFile, VideoWriteError

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


# H264 begins a new file.
@pytest.mark.parametrize(("codec", "container"), [form for form in FORMS if form[0] is not VideoCodec.H264])
def test_frames_of_another_size_are_decoded_in_the_same_file(
    codec: VideoCodec, container: Container, tmp_path: Path
) -> None:
    frames = joined(encoded(codec), encoded(codec, 10, 320, 180), encoded(codec, 10, 80, 46))
    write(tmp_path / "a", codec, container, frames, [number / FPS for number in range(40)], 40 / FPS)
    assert decoded(tmp_path / "a") == decoded_frames(codec, frames)


@every_form
def test_the_last_frame_is_shown_until_the_end(
    codec: VideoCodec, container: Container, tmp_path: Path
) -> None:
    """A share that stands still for a minute."""
    write(tmp_path / "a", codec, container, [*encoded(codec)[:1]], [5.0], 65.0)
    seen = probed(tmp_path / "a")
    assert seen.times == [0.0]
    assert seen.seconds == pytest.approx(60.0, abs=0.001)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.floats(-1, 100), min_size=19, max_size=19), rest=st.floats(-10, 10))
@pytest.mark.parametrize("container", Container)
def test_any_times_make_a_file_whose_times_increase(
    container: Container, steps: list[float], rest: float, tmp_path: Path
) -> None:
    times = [0.0]
    for step in steps:
        times.append(times[-1] + step)
    write(tmp_path / "a", VideoCodec.VP9, container, [*encoded(VideoCodec.VP9)], times, times[-1] + rest)
    with av.open(str(tmp_path / "a")) as file:
        written = [packet.pts for packet in file.demux(video=0) if packet.size]
        unit = 0.001 if container is Container.WEBM else 1 / TICKS
        expected: list[float] = []
        for seconds in times:
            expected.append(max(seconds, expected[-1] + unit) if expected else 0.0)
        assert file.streams.video[0].time_base is not None
        seen = [float((pts or 0) * file.streams.video[0].time_base) for pts in written]
        assert seen == pytest.approx(expected, abs=1.01 * unit)
        assert file.duration is not None
        assert file.duration / 1e6 == pytest.approx(max(expected[-1] + unit, times[-1] + rest), abs=0.002)


@every_form
def test_the_same_frames_give_the_same_bytes(codec: VideoCodec, container: Container, tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path / name, codec, container, [*encoded(codec)], [n / FPS for n in range(20)], 2.0)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_parameter_sets_with_new_numbers_are_decoded_in_the_same_file(tmp_path: Path) -> None:
    """As of encoders that number them anew at each key frame."""
    first, second = encoded(VideoCodec.H264, 5), encoded(VideoCodec.H264, 5, parameter_sets=3)
    headers = [read_header(VideoCodec.H264, stream[0].payload) for stream in (first, second)]
    assert first[0].payload != second[0].payload
    assert not needs_new_file(*headers)
    frames = joined(first, second)
    write(tmp_path / "a", VideoCodec.H264, Container.MP4, frames, [n / FPS for n in range(10)], 10 / FPS)
    assert decoded(tmp_path / "a") == decoded_frames(VideoCodec.H264, frames)


def test_a_file_begins_with_a_key_frame(tmp_path: Path) -> None:
    file = VideoFile(tmp_path / "a", VideoCodec.VP8, Container.WEBM)
    frame = encoded(VideoCodec.VP8)[1].payload
    with pytest.raises(ValueError, match="no key frame"):
        file.write(0.0, frame, read_header(VideoCodec.VP8, frame))
    file.close(1.0)
    assert not (tmp_path / "a").exists()


def test_a_frame_of_another_codec_is_refused(tmp_path: Path) -> None:
    file = VideoFile(tmp_path / "a", VideoCodec.VP8, Container.WEBM)
    frame = encoded(VideoCodec.VP9)[0].payload
    with pytest.raises(ValueError, match="a frame of vp9 in a file of vp8"):
        file.write(0.0, frame, read_header(VideoCodec.VP9, frame))


@pytest.mark.parametrize(
    ("codec", "container"), [(VideoCodec.H264, Container.WEBM), (VideoCodec.VP8, Container.MP4)]
)
def test_what_few_players_take_is_refused(codec: VideoCodec, container: Container, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"no {codec} in {container}"):
        VideoFile(tmp_path / "a", codec, container)


def test_a_gap_that_no_file_can_say_is_refused(tmp_path: Path) -> None:
    """What was written before stays."""
    frames = encoded(VideoCodec.VP9)
    file = VideoFile(tmp_path / "a", VideoCodec.VP9, Container.MP4)
    for number in range(5):
        file.write(float(number), frames[number].payload, read_header(VideoCodec.VP9, frames[number].payload))
    for seconds in (5.0 + LONGEST_GAP, math.nan, math.inf):
        with pytest.raises(VideoWriteError, match="no frame for more than 21600 seconds"):
            file.write(seconds, frames[5].payload, read_header(VideoCodec.VP9, frames[5].payload))
    file.close(math.inf)
    assert probed(tmp_path / "a").seconds == pytest.approx(4 + LONGEST_GAP)


@pytest.mark.parametrize("limit", [0, 100, 3_000, 30_000, 60_000])
@every_form
def test_a_full_disk_ends_the_file_and_leaves_what_plays(
    codec: VideoCodec, container: Container, limit: int, tmp_path: Path
) -> None:
    """Frames of 3 kB, ten a second."""
    frames = [frame._replace(payload=frame.payload + _padding(codec)) for frame in encoded(codec)]
    headers = [read_header(codec, frame.payload) for frame in frames]
    file = VideoFile(tmp_path / "a", codec, container)
    number = 0
    with files_limited_to(limit), pytest.raises(VideoWriteError, match="a: cannot be written: "):
        for number in range(400):
            file.write(number / 10, frames[number % 20].payload, headers[number % 20])
        file.close(40.0)
    file.close(40.0)
    if limit >= 30_000 and container is Container.MP4:
        done = subprocess.run(
            [
                "ffprobe",
                "-v",
                "quiet",
                "-count_packets",
                "-show_entries",
                "stream=nb_read_packets",
                "-of",
                "csv=p=0",
                tmp_path / "a",
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        assert int(done.stdout) >= limit // 3_100 - 21, "two seconds are lost at most"


def _padding(codec: VideoCodec) -> bytes:
    """3 kB that a decoder of the codec ignores, or that is never decoded."""
    if codec is VideoCodec.H264:
        return b"\0\0\1\x0c" + b"\xff" * 3_000 + b"\x80"
    if codec is VideoCodec.AV1:
        return b"\x2a\xb8\x17" + bytes(3_000)
    return bytes(3_000)


def test_a_folder_that_is_missing_is_an_error_of_the_file_alone(tmp_path: Path) -> None:
    file = VideoFile(tmp_path / "missing" / "a", VideoCodec.VP8, Container.WEBM)
    frame = encoded(VideoCodec.VP8)[0].payload
    with pytest.raises(VideoWriteError, match="a: cannot be written: No such file or directory"):
        for number in range(2):
            file.write(number, frame, read_header(VideoCodec.VP8, frame))
    file.close(3.0)


def test_another_colour_format_is_in_the_head(tmp_path: Path) -> None:
    """VP9's head in MP4 says profile, bits and subsampling, and players choose a decoder by them."""
    frames = encoded(VideoCodec.VP9, 5, pixel_format="yuv444p")
    write(tmp_path / "a", VideoCodec.VP9, Container.MP4, [*frames], [n / FPS for n in range(5)], 5 / FPS)
    head = (tmp_path / "a").read_bytes()
    at = head.rindex(b"vpcC") + 8
    assert (head[at], head[at + 2] >> 4, head[at + 2] >> 1 & 7) == (1, 8, 3)
    assert decoded(tmp_path / "a") == decoded_frames(VideoCodec.VP9, frames)
