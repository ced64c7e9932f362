"""A platform whose video is not known gives no frame to anybody."""

from __future__ import annotations

from tests.support.video_frames import video_frame, video_track
from worker.roster.video_sources import NOBODYS, NoVideoSources, VideoSources


def test_a_platform_without_known_video_has_no_sources() -> None:
    sources: VideoSources = NoVideoSources()
    sources.observe(video_track(0, "s1"))
    assert sources.source_of(1, video_frame(0, 1.0, key=True)) is None
    assert sources.owner_of("s1") == NOBODYS
    assert sources.warnings() == []
