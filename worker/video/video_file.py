"""Writes video frames as they came, without decoding, into MP4 and WebM (ISO/IEC 14496-12, RFC 9559)."""

from __future__ import annotations

import io
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av.container import OutputContainer
from av.stream import Stream

from worker.errors import MeetstemsError, cause
from worker.video.codecs import Container, VideoCodec
from worker.video.frame_header import FrameHeader

TICKS: Final = 90_000
"""Ticks a second of frame times: the RTP clock of video (RFC 6184, RFC 7741)."""

_LEAST: Final = {Container.MP4: 1, Container.WEBM: TICKS // 1_000}
"""Ticks between two frames at least. WebM's times are in milliseconds."""

LONGEST_GAP: Final = 6 * 3_600
"""Seconds between two frames of a file at most: MP4 has 31 bits for a frame's duration."""

_OPTIONS: Final = {
    # While it is written, an MP4 file is a row of fragments of two seconds, each readable; ``close`` makes it a plain one with
    # an index. So a file whose disk is full can be played, and of its frames no more than a fragment is in memory. Its index is
    # there until then: of a file that stays fragments, players go through all of them before they know its length.
    Container.MP4: {"movflags": "hybrid_fragmented+delay_moov", "frag_duration": "2000000"},
    # A cluster is in memory until it is full.
    Container.WEBM: {"cluster_size_limit": "1000000", "cluster_time_limit": "2000"},
}


class VideoWriteError(MeetstemsError):
    """A video file cannot be written further. What it holds may be playable."""


class VideoFile:
    """A file of frames of one codec. The first one is a key frame, at time 0 of the file; a frame is shown until the next one.

    Nothing is on disk before the first frame is written. The bytes are a function of the frames and their times alone. In
    memory are the last frame, two seconds of frames, and an MP4 file's index: 72 bytes a frame.
    """

    def __init__(self, path: Path, codec: VideoCodec, container: Container) -> None:
        """``path`` is overwritten. Raises ValueError for a codec that players do not take in this container."""
        if (codec is VideoCodec.H264 and container is Container.WEBM) or (
            codec is VideoCodec.VP8 and container is Container.MP4
        ):
            raise ValueError(f"no {codec} in {container}")
        self.codec = codec
        self.frames = 0
        self.key_frames = 0
        self._path = path
        self._container = container
        self._output: OutputContainer | None = None
        self._stream: Stream | None = None
        self._origin = 0.0
        self._last: av.Packet[Stream] | None = None
        """The last frame, which is written once its duration is known."""
        self._last_tick = 0
        self._closed = False

    def write(self, seconds: float, payload: bytes, header: FrameHeader) -> None:
        """Adds a frame that is shown from ``seconds`` on, on any clock: the first frame's are the file's time 0. Frames come in
        order; one that is not later than the one before is put right behind it. ``header`` is that of ``payload``.

        Raises VideoWriteError if the file cannot be written, FFmpeg refuses a frame, or it is LONGEST_GAP behind the one
        before; then ``close`` alone may be called. Raises ValueError if the first frame is no key frame, and for another codec.
        """
        if header.codec is not self.codec:
            raise ValueError(f"a frame of {header.codec} in a file of {self.codec}")
        if self._last is None:
            if not header.key:
                raise ValueError("the first frame of a file is no key frame")
            self._origin = seconds
            tick = 0
        else:
            if not seconds - self._origin - self._last_tick / TICKS <= LONGEST_GAP:
                raise VideoWriteError(f"{self._path.name}: no frame for more than {LONGEST_GAP} seconds")
            tick = self._write_last(seconds)
        packet: av.Packet[Stream] = av.Packet(payload)
        packet.is_keyframe = header.key
        try:
            if self._output is None:
                self._open(header)
        except (OSError, av.FFmpegError) as error:
            raise self._failed(error) from error
        self._last, self._last_tick = packet, tick
        self.frames += 1
        self.key_frames += header.key

    def close(self, end_seconds: float) -> None:
        """Ends the file: the last frame is shown until ``end_seconds``, at least for one tick. Raises VideoWriteError. After an
        error, and when it is called again, it does nothing."""
        if self._closed:
            return
        if self._last is not None:
            longest = self._origin + self._last_tick / TICKS + LONGEST_GAP
            self._write_last(min(end_seconds, longest))
        self._closed = True
        try:
            if self._output is not None:
                self._output.close()
        except (OSError, av.FFmpegError) as error:
            raise self._failed(error) from error

    def _open(self, header: FrameHeader) -> None:
        self._output = av.open(
            str(self._path.absolute()),
            "w",
            format=self._container.value,
            container_options={"fflags": "+bitexact", **_OPTIONS[self._container]},
        )
        if self.codec is VideoCodec.VP9 and self._container is Container.MP4:
            self._stream = _vp9_stream(self._output, header)
        else:
            self._stream = self._output.add_mux_stream(
                self.codec.value, width=header.width, height=header.height
            )
        self._stream.time_base = Fraction(1, TICKS)

    def _write_last(self, until_seconds: float) -> int:
        """Writes the last frame, shown until ``until_seconds`` on the caller's clock; returns that in ticks of the file."""
        assert self._output is not None
        assert self._stream is not None
        packet = self._last
        assert packet is not None
        until = round((until_seconds - self._origin) * TICKS)
        until = max(until, self._last_tick + _LEAST[self._container])
        packet.stream = self._stream
        packet.time_base = Fraction(1, TICKS)
        packet.pts = packet.dts = self._last_tick
        packet.duration = until - self._last_tick
        try:
            self._output.mux_one(packet)
        except (OSError, av.FFmpegError) as error:
            raise self._failed(error) from error
        return until

    def _failed(self, error: Exception) -> VideoWriteError:
        """Closes the file as it is; returns the error to raise."""
        self._closed = True
        if self._output is not None:
            with suppress(OSError, av.FFmpegError):
                self._output.close()
        return VideoWriteError(f"{self._path.name}: cannot be written: {cause(error)}")


def _vp9_stream(output: OutputContainer, header: FrameHeader) -> Stream:
    """A stream with a pixel format, which the head of VP9 in MP4 says. PyAV can set one in a copy only: here of an IVF file's
    that has no frames."""
    empty = (
        b"DKIF\0\0\x20\0VP90" + bytes(4) + TICKS.to_bytes(4, "little") + (1).to_bytes(4, "little") + bytes(8)
    )
    with av.open(io.BytesIO(empty), "r", format="ivf") as template:
        stream = output.add_stream_from_template(template.streams.video[0], opaque=True)
    stream.codec_context.width, stream.codec_context.height = header.width, header.height
    stream.codec_context.pix_fmt = header.pixel_format
    return stream
