"""Short video streams as WebRTC delivers them: encoded in the test, frame by frame, without B-frames."""

from __future__ import annotations

import os
from collections.abc import Iterable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import av
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from tests.support.scheduling import usual_scheduling
from worker.video.codecs import Container, VideoCodec
from worker.video.frame_header import read_header
from worker.video.video_file import VideoFile

FPS: Final = 15

# SVT-AV1 prints to standard error what it is doing.
os.environ.setdefault("SVT_LOG", "1")

_ENCODERS: Final = {
    VideoCodec.H264: (
        "libx264",
        {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "profile": "baseline",
            "x264-params": "scenecut=0:repeat-headers=1",
        },
    ),
    VideoCodec.VP8: (
        "libvpx",
        {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "error-resilient": "1"},
    ),
    VideoCodec.VP9: (
        "libvpx-vp9",
        {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "error-resilient": "1"},
    ),
    VideoCodec.AV1: ("libsvtav1", {"preset": "11", "crf": "40", "svtav1-params": "pred-struct=1:lp=1:scm=0"}),
}


class Encoded(NamedTuple):
    """One frame as the encoder made it."""

    payload: bytes
    key: bool
    width: int
    height: int


@cache
def encoded(
    codec: VideoCodec,
    count: int = 20,
    width: int = 160,
    height: int = 90,
    *,
    keys_every: int = 10,
    shade: int = 0,
    pixel_format: str = "yuv420p",
    parameter_sets: int = 0,
) -> tuple[Encoded, ...]:
    """``count`` frames, each of another brightness, which begins with ``shade``; a key frame each ``keys_every``.

    ``parameter_sets`` is the number of H264's; ``pixel_format`` is another only for VP9, of profile 1.
    """
    name, options = _ENCODERS[codec]
    context = av.CodecContext.create(name, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height = width, height
    context.pix_fmt = pixel_format
    context.time_base = Fraction(1, FPS)
    context.framerate = Fraction(FPS)
    if codec is not VideoCodec.AV1:  # its encoder takes none at low delay
        context.bit_rate = 200_000
    context.gop_size = keys_every
    context.max_b_frames = 0
    context.thread_count = 1
    context.options = options
    if codec is VideoCodec.H264:
        context.options = options | {"x264-params": f"{options['x264-params']}:sps-id={parameter_sets}"}
    if codec is VideoCodec.VP9 and pixel_format != "yuv420p":
        context.profile = "Profile 1"
    frames = []
    for number in range(count):
        frame = av.VideoFrame(width, height, "yuv420p")
        for plane, level in zip(frame.planes, (16 + (shade + 9 * number) % 200, 100, 150), strict=True):
            plane.update(bytes([level]) * plane.buffer_size)
        frame = frame.reformat(format=pixel_format)
        frame.pts = number
        if number % keys_every == 0:
            frame.pict_type = av.video.frame.PictureType.I
        frames.append(frame)
    made = encode(context, frames)
    return tuple(
        Encoded(_as_delivered(codec, bytes(packet)), packet.is_keyframe, width, height) for packet in made
    )


def encode(context: VideoCodecContext, frames: Iterable[av.VideoFrame]) -> list[av.Packet[VideoStream]]:
    """All packets of ``frames``, which end the stream."""
    with usual_scheduling():
        return [packet for frame in (*frames, None) for packet in context.encode(frame)]


def _as_delivered(codec: VideoCodec, payload: bytes) -> bytes:
    """RTP carries no temporal delimiters of AV1 (AV1 RTP specification, section 4.4)."""
    return payload.removeprefix(b"\x12\x00") if codec is VideoCodec.AV1 else payload


def joined(*streams: Iterable[Encoded]) -> list[Encoded]:
    """One stream after the other."""
    return [frame for stream in streams for frame in stream]


def write_stream(path: Path, codec: VideoCodec, container: Container, frames: Iterable[Encoded] = ()) -> None:
    """Writes a file of ``frames``, or of twenty, at FPS."""
    file = VideoFile(path, codec, container)
    number = 0
    for number, frame in enumerate(frames or encoded(codec)):
        file.write(number / FPS, frame.payload, read_header(codec, frame.payload))
    file.close((number + 1) / FPS)
