from __future__ import annotations

import os
from fractions import Fraction

import av
import pytest
from av.video.codeccontext import VideoCodecContext

from tests.support.video_streams import encoded
from worker.video.codecs import VideoCodec
from worker.video.h264 import MOST_UNITS, read_key_frame
from worker.video.key_frame import VideoFrameError

KEY, OTHER = (frame.payload for frame in encoded(VideoCodec.H264)[:2])
START = b"\0\0\0\1"
SETS, SLICE = KEY[: KEY.index(b"\0\0\1\x06")], b"\0" + KEY[KEY.index(b"\0\0\1\x65") :]


def from_encoder(pixel_format: str, width: int, height: int, **options: str) -> bytes:
    """The first frame of an encoder with these options, of noise."""
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, pixel_format
    context.time_base = Fraction(1, 15)
    context.options = {"tune": "zerolatency", "preset": "ultrafast", **options}
    picture = av.VideoFrame(width, height, pixel_format)
    for plane in picture.planes:
        plane.update(bytes(plane.buffer_size))
    picture.pts = 0
    return bytes(context.encode(picture)[0])


@pytest.mark.parametrize(
    ("pixel_format", "width", "height", "options"),
    [
        ("yuv420p", 160, 90, {"profile": "baseline"}),
        ("yuv420p", 1920, 1080, {"profile": "main"}),
        ("yuv420p", 178, 98, {"profile": "high", "x264-params": "cqm=jvt"}),
        ("yuv420p", 64, 64, {"x264-params": "tff=1"}),
        ("yuv420p", 64, 84, {"x264-params": "tff=1"}),
        ("yuv422p", 66, 62, {}),
        ("yuv444p", 67, 61, {"x264-params": "cqm=jvt"}),
        ("yuv420p10le", 66, 62, {}),
        ("gray", 66, 62, {}),
    ],
)
def test_sizes_and_forms(pixel_format: str, width: int, height: int, options: dict[str, str]) -> None:
    key = read_key_frame(from_encoder(pixel_format, width, height, **options))
    assert key is not None
    assert (key.width, key.height, key.pixel_format) == (width, height, pixel_format)


def test_start_codes_of_three_bytes_and_units_in_front_do_not_matter() -> None:
    expected = read_key_frame(KEY)
    assert expected is not None
    delimiter = b"\0\0\1\x09\xf0"
    assert read_key_frame(delimiter + KEY) == expected
    assert read_key_frame(KEY.replace(START, START[1:])) == expected
    assert read_key_frame(SETS + SETS + SLICE) == expected


def test_an_idr_picture_without_its_parameter_sets_is_no_key_frame() -> None:
    assert read_key_frame(SLICE) is None
    assert read_key_frame(SETS[: SETS.index(b"\x68") - 4] + SLICE) is None
    assert read_key_frame(OTHER) is None


def test_parameter_sets_are_found_by_the_slice() -> None:
    """Two sizes, of which the second has the number that the slice names."""
    small = from_encoder("yuv420p", 64, 64, **{"profile": "baseline", "x264-params": "sps-id=3"})
    assert read_key_frame(small[: small.index(b"\0\0\1\x06")] + KEY) == read_key_frame(KEY)


def test_a_new_number_or_level_is_the_same_configuration() -> None:
    """Encoders may number the parameter sets of each key frame anew."""
    options = {"profile": "baseline"}
    keys = [
        read_key_frame(from_encoder("yuv420p", 64, 64, **options, **{"x264-params": text}))
        for text in ("sps-id=0", "sps-id=5", "level=51", "ref=3")
    ]
    assert all(keys)
    first, numbered, level, references = [key.configuration if key else b"" for key in keys]
    assert first == numbered == level
    assert first != references


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "start code"),
        (b"\x65\x88", "start code"),
        (b"\1\0\0\1\x65", "start code"),
        (START, "without a slice"),
        (SETS, "without a slice"),
        (START + b"\xe5\x88", "forbidden bit"),
        (START + b"\x67\x42\x00", "ends within a field"),
        (START + b"\x68" + b"\0\0\0\4", "ends within a field|more than 32 bits"),
        ((START + b"\x09\xf0") * (MOST_UNITS + 2), "NAL units in front"),
        (START + b"\x67\x42\x00\x1e" + b"\x01\x00\x20", "at most 31"),
    ],
)
def test_what_is_no_frame_is_refused(payload: bytes, reason: str) -> None:
    with pytest.raises(VideoFrameError, match=reason):
        read_key_frame(payload)


def test_the_size_of_a_slice_does_not_matter() -> None:
    assert read_key_frame(KEY + os.urandom(1_000_000).replace(b"\0", b"\1")) == read_key_frame(KEY)


def test_a_picture_parameter_set_that_is_read_in_another_way_is_another_configuration() -> None:
    keys = [
        read_key_frame(from_encoder("yuv420p", 64, 64, **{"profile": "baseline", "x264-params": text}))
        for text in ("chroma-qp-offset=0", "chroma-qp-offset=3")
    ]
    assert all(keys)
    one, other = [key.configuration if key else b"" for key in keys]
    assert one != other
