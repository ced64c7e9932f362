"""Video files to play."""

from __future__ import annotations

from pathlib import Path

from tests.support.video_streams import FPS, encoded
from worker.video.codecs import Container, VideoCodec
from worker.video.frame_header import read_header
from worker.video.video_file import VideoFile


def write_video(path: Path, seconds: float) -> None:
    """Writes an MP4 file of VP9 with a key frame each second."""
    path.parent.mkdir(exist_ok=True)
    file = VideoFile(path, VideoCodec.VP9, Container.MP4)
    count = round(seconds * FPS)
    for number, frame in enumerate(encoded(VideoCodec.VP9, count, keys_every=FPS)):
        file.write(number / FPS, frame.payload, read_header(VideoCodec.VP9, frame.payload))
    file.close(seconds)
