"""What a video frame says of itself: whether decoding can begin with it, its size, and what a decoder needs first (pure)."""

from __future__ import annotations

from typing import Final, NamedTuple

from worker.video import av1, h264, vp8, vp9
from worker.video.codecs import VideoCodec
from worker.video.key_frame import VideoFrameError

LARGEST: Final = 16_384
"""Pixels of a side: no call shows more, and players refuse it."""

_READERS: Final = {
    VideoCodec.H264: h264.read_key_frame,
    VideoCodec.VP8: vp8.read_key_frame,
    VideoCodec.VP9: vp9.read_key_frame,
    VideoCodec.AV1: av1.read_key_frame,
}


class FrameHeader(NamedTuple):
    """A frame's header. ``key``: decoding can begin with it; then the other fields are set, else they are 0 and empty.

    ``width`` and ``height`` are in pixels (1 to LARGEST), ``pixel_format`` is FFmpeg's name of the decoded form
    (``yuv420p``), ``configuration`` is opaque: what a decoder is set up with, for ``needs_new_file``.
    """

    codec: VideoCodec
    key: bool
    width: int = 0
    height: int = 0
    pixel_format: str = ""
    configuration: bytes = b""


def read_header(codec: VideoCodec, payload: bytes) -> FrameHeader:
    """Reads the header of a frame as RTCRtpScriptTransform gives it. Raises VideoFrameError, and nothing else, for bytes that
    are no such frame. The time it takes is bounded by the payload's length.
    """
    key = _READERS[codec](payload)
    if key is None:
        return FrameHeader(codec, key=False)
    if not (0 < key.width <= LARGEST and 0 < key.height <= LARGEST):
        raise VideoFrameError(
            f"{codec}: a frame of {key.width}×{key.height}, expected sides of 1 to {LARGEST}"
        )
    return FrameHeader(codec, True, *key)


def needs_new_file(before: FrameHeader, after: FrameHeader) -> bool:
    """Whether the key frame ``after`` cannot be in the file whose last key frame was ``before``.

    False if ``after`` is no key frame: it needs what came before. H264 begins a new file at a new size and at parameter sets
    that slices are read by in another way, since players set up their decoder once by the file's head (ISO/IEC 14496-15,
    section 5.4.2.1, ``avc1``); a level, identifiers and timing hints may change. The frames of VP8, VP9 and AV1 say their size
    themselves, and FFmpeg and Chromium follow it; a new profile, bit depth or colour format begins a new file.
    """
    if not after.key:
        return False
    if before.codec is not after.codec or before.configuration != after.configuration:
        return True
    return after.codec is VideoCodec.H264 and before[2:4] != after[2:4]
