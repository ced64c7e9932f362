"""Writes video frames as they came, without decoding, into MP4 and WebM (ISO/IEC 14496-12, RFC 9559)."""

from __future__ import annotations

from pathlib import Path

from worker.errors import MeetstemsError
from worker.video.codecs import Container, VideoCodec
from worker.video.frame_header import FrameHeader


class VideoWriteError(MeetstemsError):
    """A video file cannot be written further. What it holds may be playable."""


class VideoFile:
    """A file of frames of one codec. The first one is a key frame, at time 0 of the file; a frame is shown until the next one.

    Nothing is on disk before the first frame is written.
    """

    def __init__(self, path: Path, codec: VideoCodec, container: Container) -> None:
        """``path`` is overwritten. Raises ValueError for a codec that the container does not allow."""
        self.frames = 0
        self.key_frames = 0

    def write(self, seconds: float, payload: bytes, header: FrameHeader) -> None:
        """Adds a frame that is shown from ``seconds`` on, on any clock: the first frame's are the file's time 0. Frames come in
        order; one that is not later than the one before is put right behind it. ``header`` is that of ``payload``.

        Raises VideoWriteError if the file cannot be written, after which ``close`` alone may be called, and ValueError if the
        first frame is no key frame or a frame is of another codec.
        """
        raise NotImplementedError

    def close(self, end_seconds: float) -> None:
        """Ends the file: the last frame is shown until ``end_seconds``, at least for one tick. Raises VideoWriteError; calling it
        twice does nothing."""
        raise NotImplementedError
