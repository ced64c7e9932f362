"""Reads the header of VP8 frames (RFC 6386, section 9.1) (pure)."""

from __future__ import annotations

from worker.video.key_frame import KeyFrame, VideoFrameError

_START_CODE = b"\x9d\x01\x2a"


def read_key_frame(payload: bytes) -> KeyFrame | None:
    """What a key frame says; None for another frame. Raises VideoFrameError::

    3 bytes, little-endian: | not a key frame (1) | version (3) | shown (1) | size of the first partition (19) |
    a key frame: | start code (3 bytes) | width (14), scale (2) | height (14), scale (2) |
    """
    if len(payload) < 3:
        raise VideoFrameError(f"vp8: a frame of {len(payload)} bytes, expected 3 at least")
    if payload[0] >> 1 & 7 > 3:
        raise VideoFrameError(f"vp8: version {payload[0] >> 1 & 7}, expected 0 to 3")
    if payload[0] & 1:
        return None
    if payload[3:6] != _START_CODE or len(payload) < 10:
        raise VideoFrameError("vp8: a key frame without its start code and size")
    width = int.from_bytes(payload[6:8], "little") & 0x3FFF
    height = int.from_bytes(payload[8:10], "little") & 0x3FFF
    return KeyFrame(width, height, "yuv420p", b"")
