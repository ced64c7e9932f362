from __future__ import annotations

from typing import get_args

import pytest
from aiortc.sdp import MediaDescription

from fixtures.replica.rtp import MID
from fixtures.replica.sdp import SdpError, join_lines, parse_description
from fixtures.replica.video.scenario import Codec
from fixtures.replica.video.sdp import (
    DEPENDENCY_DESCRIPTOR,
    OFFERED,
    VideoNumbers,
    codec_lines,
    format_list,
    ssrc_lines,
    video_numbers,
)

PAGE = """v=0
o=- 1 2 IN IP4 127.0.0.1
s=-
t=0 0
m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99 100 101 103 104 107 108 45
c=IN IP4 0.0.0.0
a=mid:v
a=recvonly
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=rtpmap:96 VP8/90000
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=rtpmap:100 VP9/90000
a=fmtp:100 profile-id=2
a=rtpmap:98 VP9/90000
a=fmtp:98 profile-id=0
a=rtpmap:99 rtx/90000
a=fmtp:99 apt=98
a=rtpmap:103 H264/90000
a=fmtp:103 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f
a=rtpmap:104 H264/90000
a=fmtp:104 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f
a=rtpmap:107 H264/90000
a=fmtp:107 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
a=rtpmap:108 rtx/90000
a=fmtp:108 apt=107
"""


def line(text: str) -> MediaDescription:
    (media,) = parse_description(text.replace("\n", "\r\n")).media
    return media


@pytest.mark.parametrize(("codec", "number", "rtx"), [("vp8", 96, 97), ("vp9", 98, 99), ("h264", 107, 108)])
def test_the_pages_numbers_are_taken(codec: Codec, number: int, rtx: int) -> None:
    assert video_numbers(line(PAGE), codec) == VideoNumbers(codec, number, rtx, {MID: 4})
    assert video_numbers(line(PAGE), codec, rtx=False) == VideoNumbers(codec, number, None, {MID: 4})


def test_a_line_without_the_codec_is_refused() -> None:
    with pytest.raises(SdpError, match="no av1 in media line 'v'"):
        video_numbers(line(PAGE), "av1")


@pytest.mark.parametrize("codec", get_args(Codec))
def test_what_is_described_is_read_again(codec: Codec) -> None:
    numbers = OFFERED[codec]
    text = [
        *PAGE.split("m=", maxsplit=1)[0].splitlines(),
        f"m=video 9 UDP/TLS/RTP/SAVPF {format_list(numbers)}",
        "c=IN IP4 0.0.0.0",
        "a=mid:v",
        "a=sendonly",
        *codec_lines(numbers),
        *ssrc_lines(5, 6, "stream", "track"),
    ]
    media = line(join_lines(text))
    assert video_numbers(media, codec) == numbers
    assert (DEPENDENCY_DESCRIPTOR in numbers.extensions) == (codec != "h264")
    assert [(group.semantic, group.items) for group in media.ssrc_group] == [("FID", [5, 6])]
    assert {(ssrc.ssrc, ssrc.msid) for ssrc in media.ssrc} == {(5, "stream track"), (6, "stream track")}


def test_without_rtx_there_is_one_ssrc() -> None:
    assert ssrc_lines(5, None, "stream") == ["a=ssrc:5 cname:stream", "a=ssrc:5 msid:stream stream"]
    assert format_list(VideoNumbers("vp8", 96, None)) == "96"
