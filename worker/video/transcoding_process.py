"""The process that transcodes a video file to H264 in MP4: ``python -m worker.video.transcoding_process SOURCE TARGET``.

It answers on standard output: nothing, or why it failed in one line, with exit code 1. The end of standard input ends it, so it
does not outlive the one that started it.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Final

import av
from av.container import InputContainer
from av.filter import Graph
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from worker.errors import MeetstemsError, cause
from worker.video.codecs import Container, VideoCodec
from worker.video.frame_header import read_header
from worker.video.key_frame import VideoFrameError
from worker.video.video_file import TICKS, VideoFile

LOWEST_PRIORITY: Final = 19
"""Niceness: calls that go on need the processors."""

MOST_MEMORY: Final = 2 << 30
"""Bytes of address space. A frame of 1080p takes 3 MB; what says that it is far larger must not take all memory."""

WIDEST: Final = 3_840
"""Pixels of a side of the target at most; a larger video is scaled down."""

_ENCODER: Final = {"preset": "veryfast", "crf": "23", "x264-params": "keyint=150:bframes=0:repeat-headers=1"}
"""A key frame for each 150 frames: ten seconds at 15 frames a second. Frames that are in order have the times of the source."""


class UnreadableVideoError(MeetstemsError):
    """A video file holds no frame that can be decoded."""


def transcode_here(source: Path, target: Path) -> None:
    """Writes ``target`` in this process; see ``worker.video.transcoding``. Frames that cannot be decoded are left out.

    Raises UnreadableVideoError, VideoWriteError, OSError and av.FFmpegError.
    """
    width, height = _largest_size(source)
    scale = min(1.0, WIDEST / max(width, height, 1))
    # H264 in 4:2:0 has even sides.
    width, height = (max(2, int(side * scale) // 2 * 2) for side in (width, height))
    file = VideoFile(target, VideoCodec.H264, Container.MP4)
    encoder = _encoder(width, height)
    with av.open(str(source.absolute())) as container:
        scaler = _Scaler(width, height)
        for frame in _frames(container):
            _write(file, encoder.encode(scaler.scale(frame)))
        if encoder.is_open:
            _write(file, encoder.encode(None))
        end = 0.0 if container.duration is None else container.duration / 1e6
    file.close(end)
    if not file.frames:
        raise UnreadableVideoError(f"{source.name}: no frame can be decoded")


def _largest_size(source: Path) -> tuple[int, int]:
    """The largest width and height of a file's key frames, in pixels."""
    with av.open(str(source.absolute())) as container:
        stream = _video(container)
        width, height = stream.codec_context.width, stream.codec_context.height
        codec = VideoCodec.__members__.get(stream.codec_context.name.upper())
        if stream.codec_context.codec.canonical_name == "av1":
            codec = VideoCodec.AV1
        # In a file of H264 the size does not change.
        if codec in {VideoCodec.VP8, VideoCodec.VP9, VideoCodec.AV1}:
            for packet in container.demux(stream):
                if not packet.is_keyframe:
                    continue
                try:
                    header = read_header(codec, bytes(packet))
                except VideoFrameError:
                    continue
                width, height = max(width, header.width), max(height, header.height)
    return width, height


def _video(container: InputContainer) -> VideoStream:
    if not container.streams.video:
        raise UnreadableVideoError("the file has no video")
    return container.streams.video[0]


def _frames(container: InputContainer) -> Iterator[VideoFrame]:
    """The frames that can be decoded, in order; their times are in ticks of the target."""
    stream = _video(container)
    stream.codec_context.thread_count = 1
    last = -1
    for packet in container.demux(stream):
        for frame in _decoded(packet):
            if frame.time is None:
                continue
            last = frame.pts = max(round(frame.time * TICKS), last + 1)
            frame.time_base = Fraction(1, TICKS)
            yield frame


def _decoded(packet: Packet[VideoStream]) -> list[VideoFrame]:
    try:
        return packet.decode()
    except av.FFmpegError:
        return []


def _encoder(width: int, height: int) -> VideoCodecContext:
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height = width, height
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, TICKS)
    encoder.framerate = Fraction(15)
    encoder.thread_count = 1
    encoder.options = dict(_ENCODER)
    return encoder


def _write(file: VideoFile, packets: list[Packet[VideoStream]]) -> None:
    for packet in packets:
        assert packet.pts is not None
        payload = bytes(packet)
        file.write(packet.pts / TICKS, payload, read_header(VideoCodec.H264, payload))


class _Scaler:
    """Brings frames of any size and form to one size in 4:2:0, with black bars where the sides are in another ratio."""

    def __init__(self, width: int, height: int) -> None:
        self._width = width
        self._height = height
        self._form: tuple[int, int, str] | None = None
        self._graph = Graph()

    def scale(self, frame: VideoFrame) -> VideoFrame:
        form = (frame.width, frame.height, frame.format.name)
        if form != self._form:
            self._form = form
            self._graph = self._new_graph(frame)
        if form == (self._width, self._height, "yuv420p"):
            return frame
        self._graph.push(frame)
        scaled = self._graph.pull()
        assert isinstance(scaled, VideoFrame)
        return scaled

    def _new_graph(self, frame: VideoFrame) -> Graph:
        graph = Graph()
        size = f"{self._width}:{self._height}"
        steps = (
            ("scale", f"{size}:force_original_aspect_ratio=decrease"),
            ("pad", f"{size}:(ow-iw)/2:(oh-ih)/2"),
            ("setsar", "1"),
            ("format", "yuv420p"),
        )
        last = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, TICKS)
        )
        for name, arguments in (*steps, ("buffersink", None)):
            following = graph.add(name, arguments)
            last.link_to(following)
            last = following
        graph.configure()
        return graph


def main(source: str, target: str) -> int:
    """The process."""
    os.nice(LOWEST_PRIORITY)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    threading.Thread(target=_exit_with, args=(sys.stdin.buffer,), daemon=True).start()
    try:
        transcode_here(Path(source), Path(target))
    except (MeetstemsError, OSError, av.FFmpegError, MemoryError) as error:
        print(cause(error))
        return 1
    return 0


def _exit_with(parent: BinaryIO) -> None:
    """Exits once ``parent`` is closed: a killed worker cannot end this process."""
    while parent.read(1):
        continue
    os._exit(1)


if __name__ == "__main__":
    exit_code = main(*sys.argv[1:])
    sys.stdout.flush()
    # The thread may be reading standard input, which a normal exit would wait for.
    os._exit(exit_code)
