"""What a video frame says of itself: whether decoding can begin with it, its size, and what a decoder needs first (pure)."""

from __future__ import annotations

from typing import NamedTuple

from worker.video.codecs import VideoCodec


class VideoFrameError(ValueError):
    """A payload is no frame of its codec, or one that no file can hold. The message is one line."""


class FrameHeader(NamedTuple):
    """A frame's header. ``key``: decoding can begin with it; then ``width`` and ``height`` are its size in pixels (1 to 16,384),
    else 0. ``configuration`` is what decoders are set up with: of a key frame's bytes for H264 the parameter sets, for AV1 the
    sequence header, for VP9 and VP8 profile and colour format; b"" without ``key``. It is opaque: for ``needs_new_file`` only.
    """

    codec: VideoCodec
    key: bool
    width: int
    height: int
    configuration: bytes


def read_header(codec: VideoCodec, payload: bytes) -> FrameHeader:
    """Reads the header of a frame as RTCRtpScriptTransform gives it. Raises VideoFrameError, and nothing else, for bytes that
    are no such frame. The time it takes is bounded by the payload's length.
    """
    raise NotImplementedError


def needs_new_file(before: FrameHeader, after: FrameHeader) -> bool:
    """Whether the key frame ``after`` cannot be in the file that began with, or last had, the key frame ``before``.

    False if ``after`` is no key frame: it needs what came before.
    """
    raise NotImplementedError
