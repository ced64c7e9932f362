"""The video codecs of calls, and the containers that their frames are written in (pure)."""

from __future__ import annotations

from enum import StrEnum


class VideoCodec(StrEnum):
    """A codec that can be written without decoding; the value is written to manifests."""

    H264 = "h264"
    VP8 = "vp8"
    VP9 = "vp9"
    AV1 = "av1"


class Container(StrEnum):
    """A file format; the value is the suffix of its files, without the dot."""

    MP4 = "mp4"
    WEBM = "webm"

    @property
    def content_type(self) -> str:
        """The media type of its files (RFC 4337, RFC 9559)."""
        return f"video/{self.value}"


_CODECS = {f"video/{codec.value}": codec for codec in VideoCodec}


def codec_of(mime_type: str) -> VideoCodec | None:
    """The codec of an RTP MIME type (``video/VP8``, in any letter case); None for others, such as ``video/rtx``."""
    return _CODECS.get(mime_type.lower())


def container_for(codec: VideoCodec, *, webm: bool = False) -> Container:
    """The container for frames of ``codec``: MP4, but WebM for VP8, which few players take in MP4, and, where ``webm`` is
    wanted, for VP9 and AV1. WebM allows no H264."""
    if codec is VideoCodec.VP8 or (webm and codec is not VideoCodec.H264):
        return Container.WEBM
    return Container.MP4
