"""The session descriptions of the local Teams, as captured."""

from __future__ import annotations

import re

import pytest

from fixtures.replica.rtp import AUDIO_LEVEL, MID
from fixtures.replica.sdp import ABS_SEND_TIME, TRANSPORT_CC, Local
from fixtures.replica.teams import sdp
from fixtures.replica.teams.mix_scenario import AddedTrack, MixMedia, audio_lines

LOCAL = Local("user", "password", "AA:BB", "127.0.0.1", 5000)
ONE = MixMedia()
SEVERAL = MixMedia(added=[AddedTrack(at=0.0)])

PAGES_OFFER = "\r\n".join(
    [
        "v=0",
        "o=- 1 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 13",
        "c=IN IP4 0.0.0.0",
        "a=mid:0",
        "a=recvonly",
        "a=rtcp-mux",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:abcdefghijklmnopqrstuvwx",
        "a=fingerprint:sha-256 AA:BB",
        "a=setup:actpass",
        "a=rtpmap:111 opus/48000/2",
        "a=rtpmap:63 red/48000/2",
        "a=rtpmap:13 CN/8000",
        f"a=extmap:1 {AUDIO_LEVEL}",
        f"a=extmap:2 {ABS_SEND_TIME}",
        f"a=extmap:4 {MID}",
        "m=video 9 UDP/TLS/RTP/SAVPF 96",
        "c=IN IP4 0.0.0.0",
        "a=mid:1",
        "a=recvonly",
        "a=rtpmap:96 VP8/90000",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        "a=mid:2",
        "a=sctp-port:5000",
        "",
    ]
)


def offer(mix: MixMedia) -> str:
    return sdp.describe(sdp.offered_session(audio_lines(mix), mix), LOCAL, mix)


def answer(mix: MixMedia) -> str:
    return sdp.describe(sdp.answered_session(PAGES_OFFER, audio_lines(mix)[:1], mix), LOCAL, mix)


def media(description: str) -> list[list[str]]:
    """The lines of each media description."""
    return [("m=" + part).split("\r\n") for part in description.split("m=")[1:]]


def test_the_offer_has_the_services_lines_mids_and_payload_types() -> None:
    text = offer(ONE)
    assert re.findall("a=mid:(.*)\r", text) == ["1", "2", *map(str, range(5, 14)), "3", "4"]
    audio, *others = media(text)
    assert audio[0] == "m=audio 9 UDP/TLS/RTP/SAVPF 102 97 111 120"
    assert {"a=rtpmap:102 opus/48000/2", "a=rtpmap:97 red/48000/2", "a=rtpmap:111 SIREN/16000"} <= set(audio)
    assert [line[0].split()[0] for line in others] == ["m=video"] * 11 + ["m=application"]
    assert set(re.findall("a=setup:(.*)\r", text)) == {"passive"}


@pytest.mark.parametrize("describe", [offer, answer])
def test_audio_has_neither_mid_nor_level_and_the_wire_neither_msid_nor_ssrc(describe: object) -> None:
    assert callable(describe)
    text: str = describe(ONE)
    audio = media(text)[0]
    extensions = {line.split()[1] for line in audio if line.startswith("a=extmap:")}
    assert extensions <= {ABS_SEND_TIME, TRANSPORT_CC}
    assert "a=ssrc:7001 msid:mainAudio-1 mainAudio-1" in audio
    assert "a=x-source-streamid:1" in audio
    assert "a=msid:mainAudio-1 mainAudio-1" in audio
    assert not {"a=ssrc", "a=msid"} & {line.partition(":")[0] for line in sdp.wire_form(text).split("\r\n")}


def test_without_ssrcs_mids_link_packets_to_their_lines() -> None:
    by_mid = MixMedia(declared_ssrcs=False)
    assert MID in offer(by_mid)
    assert MID in answer(by_mid)
    assert "a=ssrc" not in offer(by_mid)


def test_the_answer_keeps_the_pages_payload_types_and_refuses_its_video() -> None:
    audio, video, data = media(answer(ONE))
    assert audio[0] == "m=audio 9 UDP/TLS/RTP/SAVPF 111 63"
    assert video[0].startswith("m=video 0 ")
    assert data[0].startswith("m=application 9 ")
    assert "a=group:BUNDLE 0 2" in answer(ONE)


def test_added_lines_get_new_mids_at_the_end() -> None:
    session = sdp.offered_session(audio_lines(SEVERAL)[:1], SEVERAL)
    more = sdp.describe(sdp.extended(session, audio_lines(SEVERAL)[1:]), LOCAL, SEVERAL)
    assert re.findall("a=mid:(.*)\r", more)[-2:] == ["4", "14"]
    assert more.startswith("v=0\r\no=- 0 2 ")
