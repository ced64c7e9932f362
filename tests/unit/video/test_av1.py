from __future__ import annotations

import os
from fractions import Fraction

import av
import pytest
from av.video.codeccontext import VideoCodecContext

from tests.support.video_streams import encode, encoded
from worker.video.av1 import MOST_UNITS, read_key_frame
from worker.video.codecs import VideoCodec
from worker.video.key_frame import VideoFrameError

KEY, OTHER = (frame.payload for frame in encoded(VideoCodec.AV1)[:2])
SEQUENCE = KEY[: 2 + KEY[1]]
FRAME = KEY[2 + KEY[1] :]


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le"])
def test_sizes_and_forms(pixel_format: str) -> None:
    context = av.CodecContext.create("libsvtav1", "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = 162, 122, pixel_format
    context.time_base = Fraction(1, 15)
    context.options = {"preset": "11", "crf": "50", "svtav1-params": "lp=1"}
    picture = av.VideoFrame(162, 122, pixel_format)
    for plane in picture.planes:
        plane.update(bytes(plane.buffer_size))
    picture.pts = 0
    policy = os.sched_getscheduler(0)
    key = read_key_frame(bytes(encode(context, [picture])[0]))
    assert os.sched_getscheduler(0) == policy
    assert key is not None
    assert (key.width, key.height, key.pixel_format) == (162, 122, pixel_format)


def test_delimiters_metadata_and_padding_do_not_matter() -> None:
    expected = read_key_frame(KEY)
    assert expected is not None
    assert read_key_frame(b"\x12\x00" + KEY) == expected
    assert read_key_frame(SEQUENCE + b"\x2a\x02\x01\x80" + FRAME + b"\x7a\x01\x00") == expected


def test_the_last_unit_may_have_no_size() -> None:
    assert FRAME[0] == 0x32
    assert read_key_frame(SEQUENCE + b"\x30" + FRAME[2:]) == read_key_frame(KEY)


def test_units_may_name_their_layer() -> None:
    assert read_key_frame(SEQUENCE + b"\x36\x20" + FRAME[1:]) == read_key_frame(KEY)


def test_a_key_frame_without_its_sequence_header_is_none() -> None:
    assert read_key_frame(FRAME) is None
    assert read_key_frame(FRAME + SEQUENCE) is None
    assert read_key_frame(OTHER) is None
    assert read_key_frame(SEQUENCE + OTHER) is None


def test_a_picture_may_have_64_groups_of_tiles_and_no_unit_is_examined_past_the_bound() -> None:
    expected = read_key_frame(KEY)
    assert read_key_frame(KEY + b"\x22\x01\x00" * 64) == expected
    # What is behind the bound is not looked at: neither a forbidden bit nor an end that is missing.
    for end in (b"\xb2\x00", b"\x32\x7f"):
        with pytest.raises(VideoFrameError, match=f"more than {MOST_UNITS}"):
            read_key_frame(KEY + b"\x12\x00" * (MOST_UNITS - 2) + end)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "without a frame"),
        (SEQUENCE, "without a frame"),
        (b"\xb2\x00", "forbidden bit"),
        (KEY[:-1], "are left"),
        (b"\x36", "are left|does not end"),
        (b"\x34", "are left"),
        (b"\x32" + b"\x80" * 8, "does not end"),
        (b"\x12\x00" * (MOST_UNITS + 1), "more than"),
        (b"\x0a\x01\x60" + FRAME, "profile 3"),
        (b"\x0a\x02\x00\x00" + FRAME, "ends within a field"),
    ],
)
def test_what_is_no_temporal_unit_is_refused(payload: bytes, reason: str) -> None:
    with pytest.raises(VideoFrameError, match=reason):
        read_key_frame(payload)


def sequence(bits: str) -> bytes:
    """A sequence header and its trailing bits (section 5.3.4) as an OBU, with a frame behind it."""
    bits += "0" + "1"  # no film grain
    body = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    return bytes([0x0A, len(body)]) + body + FRAME


SIZE = f"{7:04b}{6:04b}{159:08b}{89:07b}"
TOOLS = "000" + "0000" + "0" + "1" + "1" + "000"
"""Of a header that is not reduced, without frame ids and order hints: screen content and integer vectors are chosen."""


@pytest.mark.parametrize(
    ("head", "colour", "form"),
    [
        ("000" + "00" + "00" + "00000" + "0" * 12 + "00100", "0" + "0" + "0" + "0" + "00" + "0", "yuv420p"),
        ("000" + "00" + "00" + "00000" + "0" * 12 + "01000" + "1", "0" + "1" + "0" + "0", "gray"),
        ("001" + "00" + "00" + "00000" + "0" * 12 + "00100", "0" + "0" + "0" + "0", "yuv444p"),
        (
            "001" + "00" + "00" + "00000" + "0" * 12 + "00100",
            "0" + "1" + f"{1:08b}{13:08b}{0:08b}" + "0",
            "gbrp",
        ),
        ("010" + "00" + "00" + "00000" + "0" * 12 + "00100", "0" + "0" + "0" + "0" + "0", "yuv422p"),
        (
            "010" + "00" + "00" + "00000" + "0" * 12 + "00100",
            "11" + "0" + "0" + "0" + "11" + "00" + "0",
            "yuv420p12le",
        ),
        (
            "010" + "00" + "00" + "00000" + "0" * 12 + "00100",
            "11" + "0" + "0" + "0" + "0" + "0",
            "yuv444p12le",
        ),
        (
            # Timing with equal intervals and a decoder model, two operating points with delays.
            "000"
            + "00"
            + "1"
            + "0" * 64
            + "1"
            + "010"
            + "1"
            + "00101"
            + "0" * 42
            + "1"
            + "00001"
            + ("0" * 12 + "00100" + "1" + "0" * 13 + "1" + "0000") * 2,
            "1" + "0" + "0" + "0" + "00" + "0",
            "yuv420p10le",
        ),
    ],
)
def test_sequence_headers_of_all_forms(head: str, colour: str, form: str) -> None:
    key = read_key_frame(sequence(head + SIZE + "0" + TOOLS + colour))
    assert key is not None
    assert (key.width, key.height, key.pixel_format) == (160, 90, form)


def test_a_reduced_header_is_of_a_still_picture() -> None:
    key = read_key_frame(
        sequence("000" + "1" + "1" + "00100" + SIZE + "000" + "000" + "0" + "0" + "0" + "0" + "00" + "0")
    )
    assert key is not None
    assert (key.width, key.height) == (160, 90)


def test_frame_ids_and_order_hints_may_be_there() -> None:
    tools = "1" + "0000000" + "000" + "0000" + "1" + "00" + "0" + "1" + "0" + "1" + "000" + "000"
    head = "000" + "00" + "00" + "00000" + "0" * 12 + "00100"
    key = read_key_frame(sequence(head + SIZE + tools + "1" + "0" + "0" + "0" + "00" + "0"))
    assert key is not None
    assert key.pixel_format == "yuv420p10le"
