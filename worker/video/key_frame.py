"""What a key frame says of itself, and the error of bytes that are no video frame (pure)."""

from __future__ import annotations

from typing import NamedTuple


class VideoFrameError(ValueError):
    """A payload is no frame of its codec, or one that no file can hold. The message is one line."""


class KeyFrame(NamedTuple):
    """A frame that decoding can begin with. Its size is in pixels, ``pixel_format`` is FFmpeg's name of the form it decodes to.

    ``configuration`` is what a decoder is set up with and what must not change within a file.
    """

    width: int
    height: int
    pixel_format: str
    configuration: bytes


def pixel_format(bit_depth: int, *, mono: bool = False, halved_x: bool = True, halved_y: bool = True) -> str:
    """FFmpeg's name of a planar format: its bits a sample, and whether its colour planes have half the width and height.

    Raises VideoFrameError for a form that has no name.
    """
    if bit_depth not in {8, 10, 12}:
        raise VideoFrameError(f"samples have {bit_depth} bits, expected 8, 10 or 12")
    suffix = "" if bit_depth == 8 else f"{bit_depth}le"
    if mono:
        return f"gray{suffix}"
    planes = {(True, True): "420", (True, False): "422", (False, True): "440", (False, False): "444"}
    return f"yuv{planes[halved_x, halved_y]}p{suffix}"
