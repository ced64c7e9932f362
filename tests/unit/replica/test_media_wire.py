"""RTP packets and session descriptions of the media server, read back by aiortc's parsers."""

from __future__ import annotations

import struct

import pytest
from aiortc import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensionsMap, RtpPacket
from aiortc.sdp import SessionDescription
from hypothesis import given
from hypothesis import strategies as st

from fixtures.replica.meet.sdp import make_answer, make_offer, read_remote
from fixtures.replica.rtp import (
    AUDIO_LEVEL,
    MID,
    Extensions,
    Numbers,
    ntp_time,
    pack_extensions,
    red_payload,
    serialize,
)
from fixtures.replica.scenario import Media
from fixtures.replica.sdp import Local, SdpError

LOCAL = Local("user", "password0password0pass", ":".join(["AB"] * 32), "127.0.0.1", 5000)
NUMBERS = Numbers(opus=111, red=63, extensions={AUDIO_LEVEL: 1, MID: 4})


def page_offer() -> str:
    """The offer of a browser with other payload types: three audio lines, a video line, data."""
    common = "a=ice-ufrag:page\r\na=ice-pwd:pagepagepagepagepagepage\r\na=fingerprint:sha-256 CD:EF\r\na=setup:actpass\r\n"
    audio = "".join(
        f"m=audio 9 UDP/TLS/RTP/SAVPF 109 121\r\nc=IN IP4 0.0.0.0\r\n"
        "a=candidate:99 1 udp 2113937151 0b5e.local 50000 typ host generation 0\r\n"
        f"{common}a=mid:{mid}\r\na=extmap:9 {AUDIO_LEVEL}\r\na=extmap:7 {MID}\r\na=recvonly\r\na=rtcp-mux\r\n"
        f"a=rtpmap:109 opus/48000/2\r\na=rtpmap:121 red/48000/2\r\n"
        for mid in ("a", "b", "c")
    )
    video = f"m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\n{common}a=mid:v\r\na=recvonly\r\na=rtpmap:96 VP8/90000\r\n"
    data = f"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n{common}a=mid:d\r\na=sctp-port:5000\r\n"
    return (
        f"v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE a b c v d\r\n{audio}{video}{data}"
    )


@given(
    payload=st.binary(max_size=200),
    csrcs=st.lists(st.integers(1, 0xFFFFFFFF), max_size=3),
    sequence=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    level=st.integers(0, 127),
    marker=st.booleans(),
)
def test_a_serialized_packet_is_parsed_to_the_same_values(
    payload: bytes, csrcs: list[int], sequence: int, timestamp: int, level: int, marker: bool
) -> None:
    data = serialize(
        payload_type=111,
        marker=marker,
        sequence=sequence,
        timestamp=timestamp,
        ssrc=6666,
        csrcs=tuple(csrcs),
        extensions=pack_extensions(Extensions(mid="2", level=level, captured_at=1.0), NUMBERS),
        payload=payload,
    )
    known = HeaderExtensionsMap()
    known.configure(
        RTCRtpParameters(
            headerExtensions=[
                RTCRtpHeaderExtensionParameters(id=number, uri=uri)
                for uri, number in NUMBERS.extensions.items()
            ]
        )
    )
    packet = RtpPacket.parse(data, known)
    assert (packet.ssrc, packet.sequence_number, packet.timestamp) == (6666, sequence, timestamp)
    assert (packet.payload_type, packet.marker, packet.csrc) == (111, marker, csrcs)
    assert packet.payload == payload
    assert (packet.padding_size > 0) == (not payload)
    assert packet.extensions.mid == "2"
    assert packet.extensions.audio_level == (level <= 50, level)


@given(
    primary=st.binary(min_size=1, max_size=200),
    redundant=st.none() | st.binary(min_size=1, max_size=1023),
    offset=st.integers(0, (1 << 14) - 1),
)
def test_a_red_payload_is_parsed_to_the_same_blocks(
    primary: bytes, redundant: bytes | None, offset: int
) -> None:
    payload = red_payload(primary, redundant, offset, 111)
    if redundant is None:
        assert payload == b"\x6f" + primary
        return
    (header,) = struct.unpack("!L", payload[:4])
    length = header & 0x3FF
    assert (header >> 31, header >> 24 & 0x7F, header >> 10 & 0x3FFF, payload[4]) == (1, 111, offset, 111)
    assert payload[5 : 5 + length] == redundant
    assert payload[5 + length :] == primary


def test_ntp_time_counts_from_1900() -> None:
    assert ntp_time(0.5) == 2_208_988_800 << 32 | 1 << 31


def test_the_offer_has_the_same_lines_as_meets() -> None:
    offer = make_offer(LOCAL, Media(capture_time=True))
    parsed = SessionDescription.parse(offer)
    assert [line.kind for line in parsed.media] == ["audio", "audio", "audio", "application"]
    assert [line.ssrc[0].ssrc for line in parsed.media[:3]] == [6666, 6667, 6668]
    assert {line.direction for line in parsed.media[:3]} == {"sendonly"}
    for text in (
        "a=ice-lite",
        "msid:virtual-6666",
        "a=rtpmap:111 opus/48000/2",
        "a=rtpmap:63 red/48000/2",
        "a=fmtp:63 111/111",
    ):
        assert text in offer
    assert offer.count("abs-capture-time") == 3
    assert "a=ssrc:" not in make_offer(LOCAL, Media(declared_ssrcs=False))


def test_the_answer_uses_the_payload_types_of_the_offer_and_refuses_video() -> None:
    answer = make_answer(page_offer(), LOCAL, Media())
    parsed = SessionDescription.parse(answer)
    assert [(line.kind, line.port, line.rtp.muxId) for line in parsed.media] == [
        ("audio", 9, "a"),
        ("audio", 9, "b"),
        ("audio", 9, "c"),
        ("video", 0, "v"),
        ("application", 9, "d"),
    ]
    assert "a=group:BUNDLE a b c d\r\n" in answer
    assert "a=fmtp:121 109/109" in answer
    assert [extension.id for extension in parsed.media[0].rtp.headerExtensions] == [9, 7]
    remote = read_remote(page_offer(), Media())
    assert remote.mids == ["a", "b", "c"]
    assert (remote.username, remote.numbers.opus, remote.numbers.red) == ("page", 109, 121)
    assert remote.dtls_client


@pytest.mark.parametrize(
    ("offer", "message"),
    [
        (page_offer().replace("a=recvonly", "a=inactive"), "no audio line that receives"),
        (page_offer()[: page_offer().index("m=application")], "no m=application line"),
        (page_offer().replace("opus/48000/2", "PCMU/8000"), "no opus in media line 'a'"),
        (page_offer().replace("a=rtpmap:121 red/48000/2\r\n", ""), "no red in media line 'a'"),
        (page_offer().replace("a=ice-pwd", "a=other"), "no ICE credentials"),
    ],
)
def test_an_incomplete_description_raises_an_error_that_names_what_is_missing(
    offer: str, message: str
) -> None:
    with pytest.raises(SdpError, match=message):
        read_remote(offer, Media(red=True))
