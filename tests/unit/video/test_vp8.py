from __future__ import annotations

import pytest

from worker.video.key_frame import VideoFrameError
from worker.video.vp8 import read_key_frame

KEY = bytes.fromhex("b006009d012aa0405a80")
"""160×90; both are to be scaled up, which does not count."""


def test_the_scale_is_no_part_of_the_size() -> None:
    key = read_key_frame(KEY)
    assert key is not None
    assert (key.width, key.height) == (160, 90)


def test_other_frames_have_no_start_code() -> None:
    assert read_key_frame(b"\xb1\x06\x00") is None


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\xb1\x06", "2 bytes"),
        (b"\xb8\x06\x00" + KEY[3:], "version 4"),
        (KEY[:9], "without its start code and size"),
        (KEY[:3] + b"\x9d\x01\x2b" + KEY[6:], "without its start code and size"),
    ],
)
def test_what_is_no_frame_is_refused(payload: bytes, reason: str) -> None:
    with pytest.raises(VideoFrameError, match=reason):
        read_key_frame(payload)
