"""Packetizers against depacketizers: what is taken apart is put together again, and no packet is too long."""

from __future__ import annotations

from typing import cast, get_args

import pytest
from aiortc.codecs import depayload
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from hypothesis import given
from hypothesis import strategies as st

from fixtures.replica.video import annexb, av1, h264, obu, vp8, vp9
from fixtures.replica.video.clips import KEY_EVERY, load_clip
from fixtures.replica.video.counter import PICTURES
from fixtures.replica.video.head import Head, next_head
from fixtures.replica.video.packets import packetize
from fixtures.replica.video.scenario import MOST_LAYERS, Codec, Layers

LIMITS = st.integers(60, 1200)
HEAD = Head(0x12345, 7, 3, 1, 320, 180)

UNITS = st.lists(
    st.builds(
        lambda kind, body: bytes([0x60 | kind]) + body + b"\x80",
        st.sampled_from([1, annexb.IDR, annexb.SPS, annexb.PPS]),
        st.binary(min_size=1, max_size=3000).map(lambda body: body.replace(b"\x00", b"\x01")),
    ),
    min_size=1,
    max_size=6,
)
OBUS = st.lists(
    st.builds(
        obu.Obu,
        st.one_of(
            st.sampled_from([obu.SEQUENCE_HEADER, 3, 5, 6]).map(lambda kind: bytes([kind << 3])),
            st.sampled_from([3, 6]).map(lambda kind: bytes([kind << 3 | obu.EXTENSION_BIT, 0x20])),
        ),
        st.binary(max_size=3000),
    ),
    min_size=1,
    max_size=6,
)


def by_aiortc(mime_type: str, payloads: list[bytes]) -> bytes:
    codec = RTCRtpCodecParameters(mime_type, 90_000)
    return b"".join(depayload(codec, payload) for payload in payloads)


def assemble_vp9(payloads: list[bytes]) -> tuple[bytes, list[dict[str, int | tuple[int, int] | None]]]:
    """A frame, and what the descriptor of each packet says (RFC 9628 §4.2)."""
    data, said = b"", []
    for payload in payloads:
        first, at = payload[0], 1
        fields: dict[str, int | tuple[int, int] | None] = {"begin": first >> 3 & 1, "end": first >> 2 & 1}
        assert first & 0x80 and payload[at] & 0x80, "a picture id of 15 bits"
        fields["picture"] = int.from_bytes(payload[at : at + 2], "big") & 0x7FFF
        at += 2
        assert first & 0x10, "flexible mode"
        fields["temporal"] = payload[at] >> 5 if first & 0x20 else None
        at += 1 if first & 0x20 else 0
        fields["needs"] = payload[at] >> 1 if first & 0x40 else None
        at += 1 if first & 0x40 else 0
        fields["size"] = None
        if first & 0x02:
            assert payload[at] == 0x10
            width, height = payload[at + 1 : at + 3], payload[at + 3 : at + 5]
            fields["size"] = (int.from_bytes(width, "big"), int.from_bytes(height, "big"))
            at += 5
        said.append(fields)
        data += payload[at:]
    return data, said


def assemble_av1(payloads: list[bytes]) -> bytes:
    """A frame with sizes, as the payload format's receiver makes it (§4.4)."""
    elements: list[bytes] = []
    open_ = False
    for place, payload in enumerate(payloads):
        header, at = payload[0], 1
        assert bool(header & 0x80) == open_
        assert not header & 0x08 or not place
        counted = header >> 4 & 3
        number = 0
        while at < len(payload):
            number += 1
            length = len(payload) - at
            if number != counted:
                length, at = obu.read_leb128(payload, at)
            piece, at = payload[at : at + length], at + length
            assert at <= len(payload)
            if number == 1 and header & 0x80:
                elements[-1] += piece
            else:
                elements.append(piece)
        assert counted in (0, number)
        open_ = bool(header & 0x40)
    assert not open_
    units = [
        obu.Obu(element[:2], element[2:])
        if element[0] & obu.EXTENSION_BIT
        else obu.Obu(element[:1], element[1:])
        for element in elements
    ]
    return obu.sized(units)


@given(UNITS, LIMITS)
def test_h264_is_put_together_again(units: list[bytes], limit: int) -> None:
    frame = annexb.join(units)
    payloads = h264.packetize(frame, limit)
    assert max(map(len, payloads)) <= limit
    assert by_aiortc("video/H264", payloads) == frame


def test_parameter_sets_of_h264_share_a_packet() -> None:
    sps, pps, idr = b"\x67\x42\xc0\x1f", b"\x68\xce", b"\x65" + bytes([7]) * 300
    first, *fragments = h264.packetize(annexb.join([sps, pps, idr]), 200)
    assert first == b"\x78" + b"\x00\x04" + sps + b"\x00\x02" + pps
    assert [(piece[0], piece[1]) for piece in fragments] == [(0x7C, 0x85), (0x7C, 0x45)]


@given(st.binary(min_size=1, max_size=4000), LIMITS)
def test_vp8_is_put_together_again(frame: bytes, limit: int) -> None:
    payloads = vp8.packetize(frame, HEAD, limit)
    assert max(map(len, payloads)) <= limit
    assert by_aiortc("video/VP8", payloads) == frame
    assert [bool(payload[0] & 0x10) for payload in payloads] == [True] + [False] * (len(payloads) - 1)
    assert {payload[2:4] for payload in payloads} == {b"\xa3\x45"}


@given(st.binary(min_size=1, max_size=4000), LIMITS, st.integers(0, 9), st.sampled_from([1, 2, 3]))
def test_vp9_is_put_together_again(frame: bytes, limit: int, after_key: int, layers: Layers) -> None:
    head = HEAD._replace(after_key=after_key, layers=layers)
    payloads = vp9.packetize(frame, head, limit)
    assert max(map(len, payloads)) <= limit
    data, said = assemble_vp9(payloads)
    assert data == frame
    last = len(said) - 1
    for place, fields in enumerate(said):
        assert fields == {
            "begin": int(place == 0),
            "end": int(place == last),
            "picture": 0x2345,
            "temporal": head.temporal if layers > 1 else None,
            "needs": head.refers,
            "size": (320, 180) if head.key and place == 0 else None,
        }


@given(OBUS, LIMITS, st.booleans())
def test_av1_is_put_together_again(units: list[obu.Obu], limit: int, key: bool) -> None:
    frame = obu.sized(units)
    delimiter = obu.sized([obu.Obu(bytes([obu.TEMPORAL_DELIMITER << 3]), b"")])
    payloads = av1.packetize(delimiter + frame, limit, key=key)
    assert max(map(len, payloads)) <= limit
    assert assemble_av1(payloads) == frame
    assert bool(payloads[0][0] & 0x08) == key


def test_a_small_frame_of_av1_is_one_packet() -> None:
    (payload,) = av1.packetize(
        obu.sized([obu.Obu(b"\x08", b"seq"), obu.Obu(b"\x30", b"frame")]), 100, key=True
    )
    assert payload == b"\x28" + b"\x04\x08seq" + b"\x30frame"


@pytest.mark.parametrize("codec", get_args(Codec))
def test_the_frames_of_a_clip_are_put_together_again(codec: Codec) -> None:
    clip = load_clip(codec, 360, 1)
    head: Head | None = None
    for counter in range(0, PICTURES, 7):
        layers = cast(Layers, MOST_LAYERS[codec])
        head = next_head(head, key=counter % KEY_EVERY == 0, layers=layers, width=640, height=360)
        frame = clip.frames[counter]
        payloads = packetize(codec, frame, head, 500)
        match codec:
            case "vp9":
                whole, _ = assemble_vp9(payloads)
            case "av1":
                whole = assemble_av1(payloads)
            case _:
                whole = by_aiortc(f"video/{codec.upper()}", payloads)
        assert whole == frame
