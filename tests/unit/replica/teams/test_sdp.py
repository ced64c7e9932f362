"""The session descriptions of the local Teams, as captured."""

from __future__ import annotations

import re

import pytest

from fixtures.replica.rtp import AUDIO_LEVEL, MID
from fixtures.replica.sdp import ABS_SEND_TIME, TRANSPORT_CC, Local
from fixtures.replica.teams import sdp
from fixtures.replica.teams.mix_scenario import AddedTrack, MixMedia, audio_lines
from fixtures.replica.teams.video_lines import LOBBY_FIRST_SSRC, video_lines
from fixtures.replica.video.sdp import VideoNumbers

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


OWN_SOURCE = 627
VIDEOS = video_lines(OWN_SOURCE)


def offer(mix: MixMedia) -> str:
    return sdp.describe(sdp.offered_session(audio_lines(mix), VIDEOS, OWN_SOURCE, mix), LOCAL, mix)


def answer(mix: MixMedia, to: str = PAGES_OFFER) -> str:
    session = sdp.answered_session(to, audio_lines(mix)[:1], VIDEOS, OWN_SOURCE, mix)
    return sdp.describe(session, LOCAL, mix)


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
    assert f"a=x-source-streamid:{OWN_SOURCE}" in audio
    assert "a=msid:mainAudio-1 mainAudio-1" in audio
    assert not {"a=ssrc", "a=msid"} & {line.partition(":")[0] for line in sdp.wire_form(text).split("\r\n")}


def test_without_ssrcs_mids_link_packets_to_their_lines() -> None:
    by_mid = MixMedia(declared_ssrcs=False)
    assert MID in offer(by_mid)
    assert MID in answer(by_mid)
    assert attribute(media(offer(by_mid))[0], "ssrc") == []


def test_the_answer_keeps_the_pages_payload_types_and_refuses_video_without_h264() -> None:
    audio, video, data = media(answer(ONE))
    assert audio[0] == "m=audio 9 UDP/TLS/RTP/SAVPF 111 63"
    assert video[0].startswith("m=video 0 ")
    assert data[0].startswith("m=application 9 ")
    assert "a=group:BUNDLE 0 2" in answer(ONE)


def test_added_lines_get_new_mids_at_the_end() -> None:
    session = sdp.offered_session(audio_lines(SEVERAL)[:1], VIDEOS, OWN_SOURCE, SEVERAL)
    more = sdp.describe(sdp.extended(session, audio_lines(SEVERAL)[1:]), LOCAL, SEVERAL)
    assert re.findall("a=mid:(.*)\r", more)[-2:] == ["4", "14"]
    assert more.startswith("v=0\r\no=- 0 2 ")


H264_OFFER = PAGES_OFFER.replace(
    "m=video 9 UDP/TLS/RTP/SAVPF 96",
    "\r\n".join(
        f"m=video 9 UDP/TLS/RTP/SAVPF 96 104 108 109 45 46\r\nc=IN IP4 0.0.0.0\r\na=mid:v{place}\r\na=recvonly\r\n"
        "a=rtpmap:96 VP8/90000\r\na=rtpmap:104 H264/90000\r\na=fmtp:104 packetization-mode=0;profile-level-id=42e01f\r\n"
        "a=rtpmap:108 H264/90000\r\na=fmtp:108 packetization-mode=1;profile-level-id=42e01f\r\n"
        "a=rtpmap:109 rtx/90000\r\na=fmtp:109 apt=108\r\na=rtpmap:45 AV1/90000\r\na=fmtp:45 profile=0\r\n"
        f"a=rtpmap:46 rtx/90000\r\na=fmtp:46 apt=45\r\na=extmap:7 {MID}"
        for place in range(11)
    )
    + "\r\nm=video 9 UDP/TLS/RTP/SAVPF 96",
)


def attribute(lines: list[str], name: str) -> list[str]:
    """The values of an attribute of a media description."""
    return [line.removeprefix(f"a={name}:") for line in lines if line.startswith(f"a={name}:")]


def test_eleven_video_lines_are_numbered_by_the_guests_own_sources() -> None:
    videos = media(offer(ONE))[1:-1]
    assert [attribute(line, "x-source-streamid") for line in videos] == [[str(628 + at)] for at in range(11)]
    assert [attribute(line, "label") for line in videos] == [["main-video"]] * 10 + [
        ["applicationsharing-video"]
    ]
    assert ["a=sendrecv" in line for line in videos] == [True] + [False] * 10
    assert ["a=sendonly" in line for line in videos] == [False] + [True] * 10
    ssrcs = [39_016 + 100 * place for place in range(11)]
    names = [f"mainVideo-{ssrc}" for ssrc in ssrcs[:10]] + [f"applicationsharingVideo-{ssrcs[10]}"]
    assert [attribute(line, "msid") for line in videos] == [[f"{name} {name}"] for name in names]
    assert [attribute(line, "x-ssrc-range") for line in videos] == [[f"{ssrc}-{ssrc + 99}"] for ssrc in ssrcs]
    assert [attribute(line, "ssrc-group") for line in videos] == [
        [f"FID {ssrc} {ssrc + 50}"] for ssrc in ssrcs
    ]


def test_cameras_are_offered_in_h264_and_a_share_in_av1_too() -> None:
    *cameras, share = media(offer(ONE))[1:-1]
    for camera in cameras:
        assert camera[0] == "m=video 9 UDP/TLS/RTP/SAVPF 107 99"
        assert "a=fmtp:99 apt=107;rtx-time=3000" in camera
        assert {"107 nack", "107 nack pli", "107 ccm fir", "107 goog-remb", "107 transport-cc"} == set(
            attribute(camera, "rtcp-fb")
        )
        assert not any("dependency-descriptor" in line for line in camera)
    assert share[0] == "m=video 9 UDP/TLS/RTP/SAVPF 107 116 99 112"
    assert {"a=rtpmap:116 AV1/90000", "a=fmtp:112 apt=116;rtx-time=3000"} <= set(share)


def test_every_number_of_a_bundle_has_one_meaning() -> None:
    lines = media(offer(ONE))[:-1]
    for name, value in (("rtpmap", 1), ("extmap", 1)):
        meanings: dict[str, set[str]] = {}
        for line in lines:
            for number, meaning in (each.split(" ", value) for each in attribute(line, name)):
                meanings.setdefault(number, set()).add(meaning)
        assert all(len(meaning) == 1 for meaning in meanings.values()), meanings
    ssrcs = [each.split()[0] for line in lines for each in attribute(line, "ssrc") if " cname:" in each]
    assert len(set(ssrcs)) == len(ssrcs)


def test_the_answer_takes_the_pages_h264_and_sends_on_all_lines() -> None:
    videos = [line for line in media(answer(ONE, H264_OFFER)) if line[0].startswith("m=video 9")]
    assert [line[0].partition("SAVPF ")[2] for line in videos] == ["108 109"] * 10 + ["108 45 109 46"]
    assert all("a=sendonly" in line for line in videos)
    assert {tuple(attribute(line, "extmap")) for line in videos} == {(f"7 {MID}",)}
    assert [attribute(line, "mid") for line in videos] == [[f"v{place}"] for place in range(11)]


def test_the_pages_answer_tells_on_which_lines_it_takes_pictures() -> None:
    session = sdp.answered_session(H264_OFFER, audio_lines(ONE)[:1], VIDEOS, OWN_SOURCE, ONE)
    lines = sdp.sent_lines(H264_OFFER, session)
    assert [(line.slot, line.mid) for line in lines] == [(place, f"v{place}") for place in range(1, 11)]
    assert [line.rtx_ssrc - line.ssrc for line in lines] == [50] * 10
    assert all(line.numbers == VideoNumbers("h264", 108, 109, {MID: 7}) for line in lines)
    without = H264_OFFER.replace("a=mid:v3\r\na=recvonly", "a=mid:v3\r\na=inactive")
    assert 3 not in {line.slot for line in sdp.sent_lines(without, session)}


def test_the_lobby_numbers_its_lines_anew() -> None:
    in_lobby = video_lines(201, LOBBY_FIRST_SSRC)
    assert [line.slot for line in in_lobby] == [*range(202, 213)]
    assert (in_lobby[0].stream, in_lobby[0].rtx_ssrc) == ("mainVideo-1001", 1051)
    assert in_lobby[-1].stream == "applicationsharingVideo-2001"


def test_without_repeats_nothing_says_rtx() -> None:
    quiet = video_lines(OWN_SOURCE, repeats=False)
    offered = sdp.describe(sdp.offered_session(audio_lines(ONE), quiet, OWN_SOURCE, ONE), LOCAL, ONE)
    session = sdp.answered_session(H264_OFFER, audio_lines(ONE)[:1], quiet, OWN_SOURCE, ONE)
    for text in (offered, sdp.describe(session, LOCAL, ONE)):
        assert "rtx" not in text
        assert "FID" not in text
    assert {line.numbers.rtx for line in sdp.sent_lines(H264_OFFER, session)} == {None}
