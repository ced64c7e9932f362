import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.opus_packets import pack
from worker.audio.payload_kinds import PayloadKind, PayloadReader, left_out_warning
from worker.audio.red import RedundantBlock

OPUS = b"\x48opus"
OLDER = RedundantBlock(960, 111, b"\x48older")


@pytest.mark.parametrize("mime_type", ["audio/opus", "audio/OPUS", "Audio/Opus"])
@pytest.mark.parametrize("payload_type", [111, 102, 0, 13])
def test_opus_is_read_by_its_mime_type(mime_type: str, payload_type: int) -> None:
    reader = PayloadReader()
    assert reader.read(mime_type, payload_type, OPUS) == (OPUS, [])
    assert not reader.left_out


@pytest.mark.parametrize(
    ("mime_type", "payload_type", "kind"),
    [
        ("audio/CN", 13, PayloadKind.COMFORT_NOISE),
        ("audio/cn", 120, PayloadKind.COMFORT_NOISE),
        ("audio/telephone-event", 110, PayloadKind.TELEPHONE_EVENTS),
        ("audio/PCMU", 0, PayloadKind.PCMU),
        ("audio/pcma", 8, PayloadKind.PCMA),
        ("audio/G722", 9, PayloadKind.G722),
        ("audio/lyra", 96, PayloadKind.OTHER),
        ("", 0, PayloadKind.PCMU),
        ("", 8, PayloadKind.PCMA),
        ("", 9, PayloadKind.G722),
        ("", 13, PayloadKind.COMFORT_NOISE),
    ],
)
def test_what_is_not_opus_is_left_out_and_counted(
    mime_type: str, payload_type: int, kind: PayloadKind
) -> None:
    reader = PayloadReader()
    assert reader.read(mime_type, payload_type, OPUS) == (b"", [])
    assert reader.left_out == {kind: 1}


def test_a_payload_without_a_mime_type_is_opus_unless_its_payload_type_is_known() -> None:
    reader = PayloadReader()
    assert reader.read("", 111, OPUS).primary == OPUS
    reader.read("audio/telephone-event", 110, b"\x01\x0a\x03\x20")
    assert reader.read("", 110, b"\x01\x0a\x03\x20").primary == b""
    assert reader.left_out == {PayloadKind.TELEPHONE_EVENTS: 2}


@pytest.mark.parametrize("mime_type", ["audio/red", "audio/RED"])
@pytest.mark.parametrize("outer", [63, 97, 111])
def test_red_is_unpacked(mime_type: str, outer: int) -> None:
    reader = PayloadReader()
    assert reader.read(mime_type, outer, pack(OPUS, [OLDER])) == (OPUS, [OLDER])
    assert reader.read_block(OLDER.payload_type, OLDER.payload) == OLDER.payload
    assert not reader.left_out


@pytest.mark.parametrize(
    ("payload_type", "kind"),
    [
        (0, PayloadKind.PCMU),
        (8, PayloadKind.PCMA),
        (9, PayloadKind.G722),
        (13, PayloadKind.COMFORT_NOISE),
        (120, PayloadKind.COMFORT_NOISE),
    ],
)
def test_blocks_inside_red_are_distinguished_by_their_payload_type(
    payload_type: int, kind: PayloadKind
) -> None:
    reader = PayloadReader()
    reader.read("audio/CN", 120, b"\x4e")
    reader.left_out.clear()
    assert reader.read("audio/red", 63, bytes([payload_type]) + OPUS).primary == b""
    older = RedundantBlock(960, 111, b"\x48older")
    wire = pack(OPUS, [older])
    assert wire[4] == 111
    assert reader.read("audio/red", 63, wire[:4] + bytes([payload_type]) + wire[5:]) == (b"", [older])
    assert reader.read_block(payload_type, OPUS) == b""
    assert reader.left_out == {kind: 3}


def test_a_red_payload_that_cannot_be_read_is_left_out_and_counted() -> None:
    reader = PayloadReader()
    assert reader.read("audio/red", 63, b"\xef\x00") == (b"", [])
    assert reader.left_out == {PayloadKind.MALFORMED_RED: 1}


def test_an_empty_block_is_not_counted() -> None:
    reader = PayloadReader()
    assert reader.read_block(13, b"") == b""
    assert reader.read("audio/red", 63, b"\x0d").primary == b""
    assert sum(reader.left_out.values()) == 0


@given(
    st.text(max_size=10) | st.sampled_from(["audio/red", "audio/CN", ""]),
    st.integers(0, 127),
    st.binary(min_size=1, max_size=1_500),
)
def test_any_payload_is_read_or_left_out(mime_type: str, payload_type: int, payload: bytes) -> None:
    reader = PayloadReader()
    primary, redundant = reader.read(mime_type, payload_type, payload)
    assert primary in payload
    assert all(block.payload in payload for block in redundant)


@pytest.mark.parametrize(
    ("kind", "count", "sentence"),
    [
        (PayloadKind.COMFORT_NOISE, 1, "1 packet was comfort noise: it is silence in the files."),
        (PayloadKind.TELEPHONE_EVENTS, 2, "2 packets were telephone events: they are silence in the files."),
        (PayloadKind.OTHER, 3, "3 packets were in an unknown codec: they are silence in the files."),
        (PayloadKind.MALFORMED_OPUS, 4, "4 packets were malformed Opus: they are silence in the files."),
    ],
)
def test_a_warning_names_kind_and_count(kind: PayloadKind, count: int, sentence: str) -> None:
    assert left_out_warning(kind, count) == sentence
