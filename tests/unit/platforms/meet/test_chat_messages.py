from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.meet_wire import device, field, listed, message, nested, output, user
from worker.platforms.meet.chat_messages import MAX_CHARACTERS, chat_in
from worker.platforms.meet.compression import decompress, unpack
from worker.roster.chat import ChatMessage
from worker.tape.events import ChannelMessage, TilesSeen

SENT_AT = 1785104796458
SENT = bytes.fromhex(
    "0a310a2f08011a2b0a29122718aa96a684fa332a1c0a1a70726f6265206d6573736167652066726f6d2074686520626f743001"
)
"""What a page sent for "probe message from the bot" (arjun1194/google-meet-protocol, wire samples, CC BY 4.0, "the contributors
to this repository")."""


def written(
    text: str, number: int = 2, message_id: str = "spaces/abc-123/messages/1", name: str = "Ada"
) -> bytes:
    """A chat message's fields. Field 3 is the time at which the meeting began."""
    return message(
        (1, message_id),
        (2, device(number)),
        (3, 1785100000000),
        (5, message((1, text))),
        (8, message((1, name))),
    )


def received(data: bytes, label: str = "collections", *, sent: bool = False) -> ChannelMessage:
    return ChannelMessage(at=5.0, document=3, connection=0, label=label, payload=data, sent=sent)


@pytest.mark.parametrize("pack", [bytes, zlib.compress, gzip.compress])
def test_messages_of_one_push_are_read_in_order(pack: type[bytes]) -> None:
    pushed = nested("1.2.13.4", message((1, b"\x08\x2b"), (2, written("Hello")), (2, written("again", 4))))
    assert [(each.text, each.participant_id, each.name) for each in chat_in(received(pack(pushed)))] == [
        ("Hello", device(2), "Ada"),
        ("again", device(4), "Ada"),
    ]


def test_the_time_of_a_received_message_is_not_its_own() -> None:
    (read,) = chat_in(received(nested("1.2.13.4.2", written(" Hello ", name=""))))
    assert read == ChatMessage(
        message_id="spaces/abc-123/messages/1",
        participant_id=device(2),
        name=None,
        text="Hello",
        sent_at=None,
    )


@pytest.mark.parametrize("path", ["1.2.14.4.2", "5.44.2", "1"])
@pytest.mark.parametrize("label", ["collections", "meet_messages"])
def test_a_message_is_known_by_its_form_where_the_schema_has_moved(path: str, label: str) -> None:
    (read,) = chat_in(received(nested(path, written("Hello")), label))
    assert (read.text, read.participant_id, read.sent) == ("Hello", device(2), False)


def test_what_the_page_sends_has_its_time_and_no_sender() -> None:
    (read,) = chat_in(received(SENT, "meet_messages", sent=True))
    assert (read.text, read.sent_at, read.sent) == ("probe message from the bot", SENT_AT / 1000, True)
    assert read.participant_id == ""
    assert chat_in(received(SENT, "meet_messages")) == []
    assert chat_in(received(SENT, "collections")) == []


@pytest.mark.parametrize(
    "fields",
    [
        [(3, SENT_AT), (5, message((1, "Hello"))), (1, "an id")],
        [(3, 7), (5, message((1, "Hello")))],
        [(3, SENT_AT), (5, message((1, " ")))],
        [(5, message((1, "Hello")))],
    ],
)
def test_what_the_page_sends_otherwise_is_no_message(fields: list[tuple[int, int | str | bytes]]) -> None:
    assert chat_in(received(nested("1.1.3.1.2", message(*fields)), "meet_messages", sent=True)) == []


@pytest.mark.parametrize(
    "data",
    [
        listed(user(2, "Ada")),
        output(2, "7001"),
        nested("1.2.13.4.2", written("")),
        nested("1.2.13.4.2", written("Hello", message_id="")),
        nested("1.2.13.4.2", message((1, "id"), (2, "Ada"), (5, message((1, "Hello"))))),
        b"",
        b"\xff" * 50,
    ],
)
def test_what_nobody_wrote_is_no_message(data: bytes) -> None:
    assert chat_in(received(data)) == []


def test_other_channels_and_events_hold_no_message() -> None:
    data = nested("1.2.13.4.2", written("Hello"))
    assert chat_in(received(data, "captions")) == []
    assert chat_in(received(data, "collections", sent=True)) == []
    assert chat_in(TilesSeen(at=1.0, document=1, tiles=[])) == []


def test_a_long_message_is_cut() -> None:
    (read,) = chat_in(received(nested("1.2.13.4.2", written("x" * 50_000))))
    assert len(read.text) == MAX_CHARACTERS


@pytest.mark.parametrize("number", [1, 2, 15])
@pytest.mark.parametrize("size", [1, 100, 3_000, 9_000])
def test_a_field_may_stand_around_a_packed_message(number: int, size: int) -> None:
    data = nested("1.2.13.4.2", written("".join(map(chr, range(0x4E00, 0x4E00 + size)))))
    packed = gzip.compress(data)
    wrapped = field(number, packed)
    assert unpack(wrapped) == decompress(packed) == data
    assert len(chat_in(received(wrapped))) == 1
    assert unpack(message((3, 7)) + wrapped) == data
    assert unpack(data) == data


@given(st.binary(max_size=300), st.sampled_from(["collections", "meet_messages"]), st.booleans())
def test_no_message_raises(data: bytes, label: str, sent: bool) -> None:
    for payload in (data, nested("1.2.13.4.2", data), nested("1.1.3.1.2", data)):
        for read in chat_in(received(payload, label, sent=sent)):
            read.text.encode()


@given(st.text(min_size=1, max_size=500).filter(str.strip), st.text(max_size=30))
def test_every_text_comes_through(text: str, name: str) -> None:
    (read,) = chat_in(received(zlib.compress(nested("1.2.13.4.2", written(text, name=name)))))
    assert (read.text, read.name) == (text.strip(), name.strip() or None)
