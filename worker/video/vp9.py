"""Reads the uncompressed header of VP9 frames (VP9 Bitstream & Decoding Process Specification, section 6.2) (pure)."""

from __future__ import annotations

from typing import Final

from worker.video.bit_reader import BitReader
from worker.video.key_frame import KeyFrame, VideoFrameError, pixel_format

_SYNC_CODE: Final = 0x498342
_RGB: Final = 7
"""color_space CS_RGB (section 7.2.2)."""


def read_key_frame(payload: bytes) -> KeyFrame | None:
    """What a key frame says; None for another frame. Raises VideoFrameError. Of a superframe the first frame is read."""
    bits = BitReader(payload)
    if bits.read(2) != 2:
        raise VideoFrameError("vp9: a frame does not begin with the frame marker")
    profile = bits.read(1) | bits.read(1) << 1
    if profile == 3 and bits.flag():
        raise VideoFrameError("vp9: a reserved profile")
    if bits.flag():  # show_existing_frame
        bits.read(3)
        return None
    if bits.flag():  # frame_type: not a key frame
        return None
    bits.read(2)  # show_frame, error_resilient_mode
    if bits.read(24) != _SYNC_CODE:
        raise VideoFrameError("vp9: a key frame without its sync code")
    decoded = _decoded_form(bits, profile)
    width, height = bits.read(16) + 1, bits.read(16) + 1
    return KeyFrame(width, height, decoded, f"{profile} {decoded}".encode())


def _decoded_form(bits: BitReader, profile: int) -> str:
    """Reads color_config (section 6.2.2)."""
    bit_depth = 8 if profile < 2 else 12 if bits.flag() else 10
    halved = profile in {0, 2}
    if bits.read(3) != _RGB:
        bits.read(1)  # color_range
        if halved:
            return pixel_format(bit_depth)
        x, y = bits.flag(), bits.flag()
        bits.read(1)  # reserved_zero
        if x and y:
            raise VideoFrameError(f"vp9: 4:2:0 in profile {profile}")
        return pixel_format(bit_depth, halved_x=x, halved_y=y)
    if halved:
        raise VideoFrameError(f"vp9: RGB in profile {profile}")
    bits.read(1)  # reserved_zero
    return "gbrp" if bit_depth == 8 else f"gbrp{bit_depth}le"
