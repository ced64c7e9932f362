from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.video_streams import encoded
from worker.video.codecs import VideoCodec
from worker.video.frame_header import LARGEST, FrameHeader, needs_new_file, read_header
from worker.video.key_frame import VideoFrameError

every_codec = pytest.mark.parametrize("codec", VideoCodec)


def read_or_refuse(codec: VideoCodec, payload: bytes) -> None:
    try:
        header = read_header(codec, payload)
    except VideoFrameError as error:
        assert len(str(error).splitlines()) == 1
        return
    if header.key:
        assert 1 <= header.width <= LARGEST
        assert 1 <= header.height <= LARGEST
        assert header.pixel_format
    else:
        assert header == FrameHeader(codec, key=False)


@every_codec
@pytest.mark.parametrize(("width", "height"), [(160, 90), (320, 180), (1280, 720), (62, 66)])
def test_key_frames_say_their_size(codec: VideoCodec, width: int, height: int) -> None:
    frames = encoded(codec, 4, width, height, keys_every=2)
    headers = [read_header(codec, frame.payload) for frame in frames]
    assert [header.key for header in headers] == [True, False, True, False]
    assert {(header.width, header.height) for header in headers if header.key} == {(width, height)}
    assert {header.pixel_format for header in headers} == {"yuv420p", ""}


@every_codec
@given(payload=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(codec: VideoCodec, payload: bytes) -> None:
    read_or_refuse(codec, payload)


@every_codec
@given(
    number=st.sampled_from([0, 1, 10]),
    changes=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), min_size=1, max_size=8),
    length=st.integers(0, 80),
)
def test_changed_frames_are_read_or_refused(
    codec: VideoCodec, number: int, changes: list[tuple[int, int]], length: int
) -> None:
    payload = bytearray(encoded(codec)[number].payload)
    for at, byte in changes:
        payload[at % len(payload)] = byte
    read_or_refuse(codec, bytes(payload))
    read_or_refuse(codec, bytes(payload[:length]))


@every_codec
@pytest.mark.parametrize(
    "unit", [b"\0", b"\xff", b"\0\0\1", b"\0\0\1\x67", b"\x12\0", b"\x0a\x01\x00", b"\0\0\1\x09"]
)
def test_a_megabyte_of_nothing_takes_no_time(codec: VideoCodec, unit: bytes) -> None:
    began = time.process_time()
    read_or_refuse(codec, unit * (1_000_000 // len(unit)))
    assert time.process_time() - began < 2.0


@pytest.mark.parametrize("codec", [VideoCodec.VP8, VideoCodec.VP9])
def test_a_size_that_no_call_has_is_refused(codec: VideoCodec) -> None:
    payload = bytearray(encoded(codec)[0].payload)
    if codec is VideoCodec.VP8:
        payload[6:8] = b"\0\0"
    else:
        # The width has 16 bits, of which the first come four bits after the fourth byte.
        payload[4] |= 0x0F
        payload[5] |= 0xF0
    with pytest.raises(VideoFrameError, match="expected sides of 1 to"):
        read_header(codec, bytes(payload))


def header_of(codec: VideoCodec, width: int = 160, height: int = 90) -> FrameHeader:
    return read_header(codec, encoded(codec, 4, width, height)[0].payload)


@every_codec
def test_the_same_form_stays_in_the_file(codec: VideoCodec) -> None:
    assert not needs_new_file(header_of(codec), header_of(codec))
    assert not needs_new_file(header_of(codec), FrameHeader(codec, key=False))


@every_codec
def test_a_new_size_needs_a_new_file_for_h264_only(codec: VideoCodec) -> None:
    assert needs_new_file(header_of(codec), header_of(codec, 320, 180)) == (codec is VideoCodec.H264)


@every_codec
def test_a_new_form_and_codec_need_a_new_file(codec: VideoCodec) -> None:
    other = VideoCodec.VP8 if codec is VideoCodec.VP9 else VideoCodec.VP9
    assert needs_new_file(header_of(codec), header_of(other))
    assert needs_new_file(header_of(codec), header_of(codec)._replace(configuration=b"2 yuv420p10le"))
