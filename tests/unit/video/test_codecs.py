from __future__ import annotations

import pytest

from worker.video.codecs import Container, VideoCodec, codec_of, container_for


@pytest.mark.parametrize(
    ("mime_type", "codec"),
    [
        ("video/H264", VideoCodec.H264),
        ("video/VP8", VideoCodec.VP8),
        ("video/vp9", VideoCodec.VP9),
        ("video/AV1", VideoCodec.AV1),
        ("video/rtx", None),
        ("video/H265", None),
        ("audio/opus", None),
        ("", None),
    ],
)
def test_codecs_by_mime_type(mime_type: str, codec: VideoCodec | None) -> None:
    assert codec_of(mime_type) is codec


def test_vp8_is_written_into_webm_and_h264_always_into_mp4() -> None:
    assert {codec: container_for(codec) for codec in VideoCodec} == {
        VideoCodec.H264: Container.MP4,
        VideoCodec.VP8: Container.WEBM,
        VideoCodec.VP9: Container.MP4,
        VideoCodec.AV1: Container.MP4,
    }
    assert {codec for codec in VideoCodec if container_for(codec, webm=True) is Container.MP4} == {
        VideoCodec.H264
    }


def test_a_container_has_a_media_type() -> None:
    assert [container.content_type for container in Container] == ["video/mp4", "video/webm"]
