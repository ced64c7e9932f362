"""What other programs say about a video file."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from hashlib import md5
from pathlib import Path
from typing import NamedTuple

import av
from av.video.codeccontext import VideoCodecContext

from tests.support.video_streams import Encoded
from worker.video.codecs import VideoCodec


class Probed(NamedTuple):
    """What ffprobe says of a file's only stream; ``times`` and ``seconds`` are in seconds."""

    codec: str
    width: int
    height: int
    seconds: float
    times: list[float]
    keys: list[bool]


def probed(path: Path) -> Probed:
    """Reads a file with ffprobe, which must not complain."""
    done = subprocess.run(
        [
            *("ffprobe", "-v", "warning", "-of", "json", "-show_packets", "-show_entries"),
            *("stream=codec_name,width,height:format=duration,nb_streams:packet=pts_time,flags", path),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stderr
    said = json.loads(done.stdout)
    (stream,) = said["streams"]
    return Probed(
        stream["codec_name"],
        stream["width"],
        stream["height"],
        float(said["format"]["duration"]),
        [float(packet["pts_time"]) for packet in said["packets"]],
        [packet["flags"].startswith("K") for packet in said["packets"]],
    )


def decoded(path: Path) -> list[str]:
    """The MD5 of each frame as ffmpeg decodes the file, at its own size. It must print no error."""
    done = subprocess.run(
        # Frames of another size are not to be scaled.
        [
            *("ffmpeg", "-v", "warning", "-xerror", "-i", path, "-autoscale", "0"),
            *("-fps_mode", "passthrough", "-f", "framemd5", "-"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stderr
    return [line.split(",")[-1].strip() for line in done.stdout.splitlines() if not line.startswith("#")]


def decoded_frames(codec: VideoCodec, frames: Iterable[Encoded]) -> list[str]:
    """The MD5 of each frame as a decoder makes it of the encoder's frames, without a file."""
    context = av.CodecContext.create("libdav1d" if codec is VideoCodec.AV1 else codec.value, "r")
    assert isinstance(context, VideoCodecContext)
    context.thread_count = 1
    pictures = [picture for frame in frames for picture in context.decode(av.Packet(frame.payload))]
    pictures += context.decode(None)
    return [md5(picture.to_ndarray().tobytes(), usedforsecurity=False).hexdigest() for picture in pictures]
