from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import av
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.tapes import STARTED_AT
from tests.support.video_checks import decoded, decoded_frames, probed
from tests.support.video_streams import FPS, encoded
from tests.support.video_tapes import sent
from worker.stems import video_track
from worker.stems.video_track import (
    LONGEST_PAUSE,
    MOST_AHEAD,
    StreamAddress,
    VideoPart,
    VideoTrack,
)
from worker.tape.events import VideoFrame
from worker.video.codecs import Container, VideoCodec
from worker.video.video_file import VideoFile, VideoWriteError

ONE, TWO = StreamAddress(1, 0, 9000), StreamAddress(1, 1, 9001)
VP8 = VideoCodec.VP8


class Folder:
    """Grants every file, or the first ``most``."""

    def __init__(self, path: Path, most: int = 100) -> None:
        self.path = path
        self.most = most
        self.count = 0

    def open_file(self, track: VideoTrack, container: Container, at: float) -> Path | None:
        if self.count == self.most:
            return None
        self.count += 1
        return self.path / f"{self.count}.{container}"


def put(track: VideoTrack, address: StreamAddress, frames: list[VideoFrame]) -> None:
    for frame in frames:
        track.take(address, frame, frame.arrival - STARTED_AT)


def frames(
    codec: VideoCodec = VP8,
    count: int = 20,
    *,
    begin: float = 1.0,
    shade: int = 0,
    width: int = 160,
    first_timestamp: int = 1_000_000,
) -> list[VideoFrame]:
    pictures = encoded(codec, count, width, width * 9 // 16, shade=shade)
    return sent(pictures, codec, 1, begin=begin, first_timestamp=first_timestamp)


def times(part: VideoPart) -> list[float]:
    """When each frame is shown, in seconds of meeting time, by another reader."""
    with av.open(str(part.path)) as container:
        stream = container.streams.video[0]
        shown = [frame.pts for frame in container.decode(stream)]
        assert stream.time_base is not None
        return [part.start + float(pts * stream.time_base) for pts in shown if pts is not None]


def packets(path: Path) -> list[bytes]:
    """The frames of a WebM file as they are in it."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


@pytest.mark.parametrize("codec", list(VideoCodec))
def test_frames_are_in_the_file_at_their_time(codec: VideoCodec, tmp_path: Path) -> None:
    track = VideoTrack(Folder(tmp_path))
    put(track, ONE, frames(codec))
    track.close_file()
    (part,) = track.parts
    assert times(part) == pytest.approx([1.0 + n / FPS for n in range(20)], abs=0.002)
    assert (part.codec, part.width, part.height) == (codec, 160, 90)
    assert (part.frames, part.key_frames, part.lost) == (20, 2, 0)
    assert (part.start, part.end) == pytest.approx((1.0, 1.0 + 20 / FPS), abs=0.002)
    assert part.runs == [(part.start, part.end)]
    assert part.size_bytes == part.path.stat().st_size > 0
    assert track.waiting_bytes == 0


def test_a_file_of_spatial_layers_plays_and_lasts_as_long(tmp_path: Path) -> None:
    """Each layer of a picture is a frame that is shown right behind the one before it."""
    layers = [encoded(VideoCodec.VP9, 10, width, width * 9 // 16, keys_every=1) for width in (160, 320)]
    pictures = [
        msgspec.structs.replace(frame, spatial=spatial)
        for spatial, layer in enumerate(layers)
        for frame in sent(layer, VideoCodec.VP9, 1, begin=1.0)
    ]
    track = VideoTrack(Folder(tmp_path))
    put(track, ONE, sorted(pictures, key=lambda frame: (frame.arrival, frame.spatial)))
    track.close_file()
    (part,) = track.parts
    assert decoded(part.path) == [
        picture
        for both in zip(*(decoded_frames(VideoCodec.VP9, layer) for layer in layers), strict=True)
        for picture in both
    ]
    assert times(part)[1::2] == pytest.approx([1.0 + n / FPS for n in range(10)], abs=0.002)
    assert (part.width, part.height) == (320, 180)
    assert part.end == pytest.approx(1.0 + 10 / FPS, abs=1 / FPS)


def test_a_file_begins_with_a_key_frame(tmp_path: Path) -> None:
    track = VideoTrack(Folder(tmp_path))
    put(track, ONE, frames()[4:])
    track.close_file()
    (part,) = track.parts
    assert (part.frames, part.lost) == (10, 6)
    assert times(part)[0] == pytest.approx(1.0 + 10 / FPS, abs=0.002)


def test_after_a_gap_the_next_key_frame_counts(tmp_path: Path) -> None:
    track = VideoTrack(Folder(tmp_path))
    shown = frames(count=30)
    put(track, ONE, shown[:13])
    track.wait_for_key(TWO)
    put(track, ONE, shown[13:15])
    track.wait_for_key(ONE)
    put(track, ONE, shown[16:])
    track.close_file()
    (part,) = track.parts
    assert (part.frames, part.key_frames, part.lost) == (25, 3, 4)


def test_a_source_that_moves_to_another_stream_goes_on_from_a_key_frame(tmp_path: Path) -> None:
    """The timestamps of the other stream have nothing to do with those of the first."""
    track = VideoTrack(Folder(tmp_path))
    first, second = frames(), frames(begin=2.1, first_timestamp=77, shade=40)
    put(track, ONE, first[:15])
    put(track, TWO, second)
    put(track, ONE, first[15:])
    track.close_file()
    (part,) = track.parts
    assert (part.frames, part.lost) == (35, 5)
    shown = times(part)
    assert shown == sorted(shown)
    assert shown[15:] == pytest.approx([2.1 + n / FPS for n in range(20)], abs=0.002)


def test_a_stream_that_shows_another_source_needs_a_key_frame_to_show_this_one_again(tmp_path: Path) -> None:
    track = VideoTrack(Folder(tmp_path))
    shown = frames()
    put(track, ONE, shown[:5])
    track.leave(TWO)
    put(track, ONE, shown[5:7])
    track.leave(ONE)
    put(track, ONE, shown[7:])
    track.close_file()
    (part,) = track.parts
    assert (part.frames, part.lost) == (17, 3)


def test_another_codec_begins_another_file(tmp_path: Path) -> None:
    track = VideoTrack(Folder(tmp_path))
    put(track, ONE, frames(VideoCodec.VP8))
    put(track, ONE, frames(VideoCodec.VP9, begin=2.5, first_timestamp=1_135_000)[1:])
    track.close_file()
    assert [(part.codec.value, part.frames, part.lost) for part in track.parts] == [
        ("vp8", 20, 9),
        ("vp9", 10, 0),
    ]
    assert track.parts[0].end <= track.parts[1].start


def test_another_size_begins_another_file_of_h264_only(tmp_path: Path) -> None:
    for codec, expected in ((VideoCodec.H264, [(160, 20), (320, 20)]), (VideoCodec.VP9, [(320, 40)])):
        folder = tmp_path / codec
        folder.mkdir()
        track = VideoTrack(Folder(folder))
        put(track, ONE, frames(codec))
        put(track, ONE, frames(codec, begin=2.4, width=320, first_timestamp=1_126_000))
        track.close_file()
        assert [(part.width, part.frames) for part in track.parts] == expected


def test_a_pause_is_a_gap_in_time(tmp_path: Path) -> None:
    track = VideoTrack(Folder(tmp_path))
    put(track, ONE, frames(count=10))
    put(track, ONE, frames(count=10, begin=5.0, first_timestamp=1_360_000))
    track.close_file()
    (part,) = track.parts
    lasts = 10 / FPS
    assert part.runs[0] == pytest.approx((1.0, 1.0 + lasts), abs=0.002)
    assert part.runs[1] == pytest.approx((5.0, 5.0 + lasts), abs=0.002)
    assert len(part.runs) == 2
    assert times(part)[10] == pytest.approx(5.0, abs=0.002)


def test_after_an_hours_pause_another_file_begins(tmp_path: Path) -> None:
    track = VideoTrack(Folder(tmp_path))
    put(track, ONE, frames(count=10))
    later = 3.0 + LONGEST_PAUSE
    put(track, ONE, frames(count=10, begin=later, first_timestamp=int(910_000 + later * 90_000)))
    track.close_file()
    assert [part.frames for part in track.parts] == [10, 10]
    assert track.parts[0].end == pytest.approx(1.0 + 10 / FPS, abs=0.002)


@pytest.mark.parametrize("codec", list(VideoCodec))
def test_a_long_file_ends_at_a_key_frame(
    codec: VideoCodec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file is played by itself, and all that was sent is in them, once and in order."""
    monkeypatch.setattr(video_track, "LONG_FILE", 20)
    track = VideoTrack(Folder(tmp_path))
    put(track, ONE, frames(codec, count=50))
    track.close_file()
    assert [(part.frames, part.key_frames, part.lost) for part in track.parts] == [
        (20, 2, 0),
        (20, 2, 0),
        (10, 1, 0),
    ]
    pictures = [picture for part in track.parts for picture in decoded(part.path)]
    assert pictures == decoded_frames(codec, encoded(codec, 50))
    assert [at for part in track.parts for at in times(part)] == pytest.approx(
        [1.0 + n / FPS for n in range(50)], abs=0.002
    )
    for part, following in pairwise(track.parts):
        assert part.end == pytest.approx(following.start), "nothing is between them"
    for part in track.parts:
        assert probed(part.path).seconds == pytest.approx(part.end - part.start, abs=0.002)


@settings(max_examples=60, deadline=None)
@given(
    long=st.integers(1, 40),
    most=st.integers(1, 40),
    runs=st.lists(
        st.tuples(st.sampled_from(["key", "key", "frame", "gap"]), st.integers(0, 25), st.floats(0.01, 0.1)),
        min_size=1,
        max_size=8,
    ),
    pause=st.floats(0.01, 20.0),
)
def test_every_frame_that_can_be_decoded_is_in_one_file(
    long: int, most: int, runs: list[tuple[str, int, float]], pause: float
) -> None:
    """Whatever key frames, pauses and gaps come where; a frame counts as lost if one that it needs is in no file."""
    key, *rest = frames(count=9)
    expected: list[list[VideoFrame]] = []
    lost, goes_on, at = 0, False, STARTED_AT
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(video_track, "LONG_FILE", long),
        patch.object(video_track, "MOST_FRAMES", most),
    ):
        track = VideoTrack(Folder(Path(folder), most=300))
        for kind, count, spacing in runs:
            at += pause
            if kind == "gap":
                track.wait_for_key(ONE)
                goes_on = False
            for number, like in enumerate([key if kind == "key" else rest[0], *(rest * 4)[:count]]):
                at += spacing * (number > 0)
                frame = msgspec.structs.replace(like, arrival=at, timestamp=round((at - STARTED_AT) * 90_000))
                put(track, ONE, [frame])
                length = len(expected[-1]) if expected else most
                goes_on = like.key or (goes_on and length < most)
                if like.key and length >= min(long, most):
                    expected.append([frame])
                elif goes_on:
                    expected[-1].append(frame)
                else:
                    lost += 1
        track.close_file()
        written = [packets(part.path) for part in track.parts]
    assert written == [[frame.payload for frame in part] for part in expected]
    assert sum(part.lost for part in track.parts) + track.lost == lost
    assert [part.start for part in track.parts] == pytest.approx(
        [part[0].arrival - STARTED_AT for part in expected], abs=0.002
    )
    assert all(part.end <= following.start for part, following in pairwise(track.parts))


def test_a_file_without_key_frames_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows is lost until a key frame comes."""
    monkeypatch.setattr(video_track, "LONG_FILE", 5)
    monkeypatch.setattr(video_track, "MOST_FRAMES", 7)
    track = VideoTrack(Folder(tmp_path))
    put(track, ONE, frames())
    track.close_file()
    assert [(part.frames, part.lost) for part in track.parts] == [(7, 3), (7, 3)]
    assert [part.start for part in track.parts] == pytest.approx([1.0, 1.0 + 10 / FPS], abs=0.002)


def test_what_is_no_frame_of_its_codec_is_left_out(tmp_path: Path) -> None:
    track = VideoTrack(Folder(tmp_path))
    shown = frames()
    rubbish = [
        msgspec.structs.replace(shown[3], payload=b""),
        msgspec.structs.replace(shown[3], mime_type="video/x-unknown"),
    ]
    put(track, ONE, [*shown[:3], *rubbish, *shown[3:]])
    track.close_file()
    (part,) = track.parts
    assert (part.frames, part.lost, track.unreadable) == (20, 0, 2)


def test_a_frame_is_shown_a_second_after_its_arrival_at_most(tmp_path: Path) -> None:
    """The next one comes 100 s later, 3 s late, and is all that is known of the delay by then."""
    track = VideoTrack(Folder(tmp_path))
    one, two = frames(count=2)
    late = msgspec.structs.replace(two, arrival=one.arrival + 100.0, timestamp=one.timestamp + 97 * 90_000)
    put(track, ONE, [one, late])
    track.close_file()
    (part,) = track.parts
    assert part.start == pytest.approx(1.0 + MOST_AHEAD, abs=0.002)


def test_without_room_for_a_file_frames_are_lost_until_there_is(tmp_path: Path) -> None:
    folder = Folder(tmp_path, most=0)
    track = VideoTrack(folder)
    shown = frames(count=50)
    put(track, ONE, shown[:34])
    folder.most = 1
    put(track, ONE, shown[34:])
    track.close_file()
    (part,) = track.parts
    assert part.frames + part.lost == 50
    assert part.lost == track.refused
    assert 0 < part.frames <= 20
    assert track.waiting_bytes == 0


def test_an_error_ends_the_track_and_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = 0

    class Breaking(VideoFile):
        def write(self, *arguments: object) -> None:
            nonlocal written
            written += 1
            if written > 12:
                raise VideoWriteError("full")
            super().write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(video_track, "VideoFile", Breaking)
    track = VideoTrack(Folder(tmp_path))
    with pytest.raises(VideoWriteError) as caught:
        put(track, ONE, frames(count=40))
    track.fail(caught.value)
    put(track, ONE, frames(begin=9.0))
    track.flush()
    track.close_file()
    (part,) = track.parts
    assert (track.failure, part.failure) == (caught.value, caught.value)
    assert (part.frames, len(times(part)), track.waiting_bytes) == (12, 12, 0)


def test_an_error_at_the_end_of_a_file_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def close(self: VideoFile, end_seconds: float) -> None:
        raise VideoWriteError("full")

    monkeypatch.setattr(VideoFile, "close", close)
    track = VideoTrack(Folder(tmp_path))
    put(track, ONE, frames())
    with pytest.raises(VideoWriteError):
        track.close_file()
    assert isinstance(track.parts[0].failure, VideoWriteError)
