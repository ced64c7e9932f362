from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.replica.meet.chat_messages import CHAT_LIMIT, ChatError, message_id, written_text
from fixtures.replica.meet.chat_pb2 import OutgoingMessage

SENT = bytes.fromhex(
    "0a310a2f08011a2b0a29122718aa96a684fa332a1c0a1a70726f6265206d6573736167652066726f6d2074686520626f743001"
)
"""What a real page sent (arjun1194/google-meet-protocol, wire samples, CC BY 4.0, "the contributors to this repository")."""


def test_the_captured_message_is_read_and_has_no_other_fields() -> None:
    assert written_text(base64.b64encode(SENT).decode()) == "probe message from the bot"
    assert OutgoingMessage.FromString(SENT).SerializeToString() == SENT


@pytest.mark.parametrize("text", ["", "x" * (CHAT_LIMIT + 1), "\U0001f600" * CHAT_LIMIT])
def test_a_message_that_meets_page_would_not_send_is_refused(text: str) -> None:
    message = OutgoingMessage.FromString(SENT)
    message.envelope.request.creation.wrapper.chat.body.text = text
    with pytest.raises(ChatError, match="expected 1 to 500"):
        written_text(base64.b64encode(message.SerializeToString()).decode())


def test_a_message_without_its_time_is_refused() -> None:
    message = OutgoingMessage.FromString(SENT)
    message.envelope.request.creation.wrapper.chat.sent_at = 0
    with pytest.raises(ChatError):
        written_text(base64.b64encode(message.SerializeToString()).decode())


@given(st.binary(max_size=80) | st.text().map(str.encode))
def test_anything_else_is_refused(data: bytes) -> None:
    for payload in (base64.b64encode(data).decode(), data.decode("latin-1")):
        with pytest.raises(ChatError):
            written_text(payload)


def test_ids_differ() -> None:
    ids = {message_id(f"spaces/abc/devices/{device}", number) for device in (1, 11) for number in (1, 11)}
    assert len(ids) == 4
    assert all(each.startswith("spaces/abc/messages/") for each in ids)
