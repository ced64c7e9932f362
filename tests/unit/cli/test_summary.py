from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from tests.support.sample_manifests import recorded, someone, video, video_segment, with_videos
from worker.cli.summary import print_summary
from worker.manifest.schema import Manifest


def printed(manifest: Manifest) -> list[str]:
    """The lines of the summary, each as its words."""
    text = io.StringIO()
    print_summary(Console(file=text, width=200), manifest, Path("out"), [])
    return [" ".join(line.split()) for line in text.getvalue().splitlines()]


PLAIN = recorded(1, 0.0, 10.0, someone(1, "Ada Lovelace", (1.0, 2.0)))


def test_a_recording_without_video_shows_speakers_only() -> None:
    lines = printed(PLAIN.manifest)
    assert lines[0] == "speaker speech packets recovered lost isolation file"
    assert lines[1].startswith("Ada Lovelace 1.0 s")
    assert not any("video" in line for line in lines)


def test_each_video_file_has_a_row() -> None:
    camera = video_segment("Ada")
    share = video_segment("Ada", 2.0, 3.0, kind="screenshare", ending="webm", codec="vp8")
    videos = [
        video(1, "Ada\nLovelace", camera),
        video(1, "Ada", share, kind="screenshare"),
    ]
    lines = printed(with_videos(PLAIN, *videos).manifest)
    heading = lines.index("video kind from shown size fps frames lost codec file")
    assert lines[heading + 1 : heading + 3] == [
        f"Ada Lovelace webcam 0.0 s 5.0 s 640×360 15.0 75 0 h264 {camera.url}",
        f"Ada screenshare 2.0 s 3.0 s 640×360 15.0 45 0 vp8 {share.url}",
    ]


def test_a_call_where_nobody_showed_a_video_says_so() -> None:
    assert "nobody showed a video" in printed(with_videos(PLAIN).manifest)
