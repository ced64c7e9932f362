from __future__ import annotations

import pytest

from worker.video.key_frame import VideoFrameError
from worker.video.vp9 import read_key_frame

SYNC = f"{0x498342:024b}"
SIZE = f"{159:016b}{89:016b}"


def frame(bits: str) -> bytes:
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")


@pytest.mark.parametrize(
    ("head", "colour", "form"),
    [
        ("10000", "0100", "yuv420p"),
        ("10100", "0100010", "yuv440p"),
        ("10010", "00100", "yuv420p10le"),
        ("10010", "10100", "yuv420p12le"),
        ("10100", "0100000", "yuv444p"),
        ("10100", "0100100", "yuv422p"),
        ("10100", "1110", "gbrp"),
        ("101100", "01110", "gbrp10le"),
        ("101100", "10100000", "yuv444p12le"),
    ],
)
def test_all_profiles_and_forms(head: str, colour: str, form: str) -> None:
    """The head is marker, profile (low bit first), a reserved bit in profile 3, and no existing frame."""
    key = read_key_frame(frame(head + "010" + SYNC + colour + SIZE))
    assert key is not None
    assert (key.width, key.height, key.pixel_format) == (160, 90, form)


def test_a_frame_that_shows_another_is_no_key_frame() -> None:
    assert read_key_frame(frame("10001" + "000")) is None


def test_a_frame_that_needs_others_is_no_key_frame() -> None:
    assert read_key_frame(frame("10000" + "110")) is None


@pytest.mark.parametrize(
    ("bits", "reason"),
    [
        ("", "ends within a field"),
        ("01000", "frame marker"),
        ("10111", "reserved profile"),
        ("10000" + "010" + "0" * 24, "sync code"),
        ("10000" + "010" + SYNC + "111" + "0", "RGB in profile 0"),
        ("10100" + "010" + SYNC + "0100110", "4:2:0 in profile 1"),
    ],
)
def test_what_is_no_frame_is_refused(bits: str, reason: str) -> None:
    with pytest.raises(VideoFrameError, match=reason):
        read_key_frame(frame(bits) if bits else b"")
