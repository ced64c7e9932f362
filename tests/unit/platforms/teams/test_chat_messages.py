from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.teams_wire import frame, identity, objects, person, roster, written
from worker.platforms.teams.chat_messages import MAX_CHARACTERS, chat_in
from worker.roster.chat import ChatMessage


def test_a_message_is_read_with_its_sender_and_its_time() -> None:
    assert chat_in(written("<p>Who&nbsp;are <b>you</b>?</p><p>Line&lt;2&gt;<br>three</p>")) == [
        ChatMessage(
            message_id="1",
            participant_id=identity(2),
            name="Ada",
            text="Who are you?\nLine<2>\nthree",
            sent_at=1763151361.428441,
        )
    ]
    (plain,) = chat_in(
        written("a <b> c", messagetype="Text", originalarrivaltime="today", imdisplayname=None)
    )
    assert (plain.text, plain.sent_at, plain.name) == ("a <b> c", None, None)


@pytest.mark.parametrize(
    "resource",
    [
        {"messagetype": "ThreadActivity/MemberJoined"},
        {"messagetype": "Event/Call"},
        {"id": None},
        {"content": "<p> </p>"},
        {"threadtype": "chat"},
    ],
)
def test_frames_without_a_written_text_are_no_chat_messages(resource: dict[str, Any]) -> None:
    assert chat_in(written("<p>text</p>", **resource)) == []


def test_other_frames_and_events_hold_no_message() -> None:
    update = {"resourceType": "MessageUpdate", "resource": {"id": "1", "messagetype": "Text", "content": "x"}}
    for event in (
        roster(person(1, "Ada")),
        objects(),
        frame("/x/messaging", update),
        frame("/x/messaging", 7),
    ):
        assert chat_in(event) == []


def test_a_long_message_is_cut() -> None:
    (message,) = chat_in(written("x" * 100_000, messagetype="Text"))
    assert len(message.text) == MAX_CHARACTERS


@pytest.mark.parametrize("hostile", ["<a ", "<!--", "<a b='", "</", "&", "<"])
def test_text_that_a_parser_would_read_again_and_again_is_read_once(hostile: str) -> None:
    before = time.process_time()
    chat_in(written("<p>x</p>" + hostile * MAX_CHARACTERS))
    assert time.process_time() - before < 1.0


json_values = st.none() | st.booleans() | st.floats() | st.text() | st.lists(st.text(), max_size=2)


@given(
    st.text(),
    st.dictionaries(st.sampled_from(["id", "from", "imdisplayname", "originalarrivaltime"]), json_values),
    st.sampled_from(["Text", "RichText", "RichText/Html"]),
)
def test_no_message_raises(content: str, resource: dict[str, Any], kind: str) -> None:
    for message in chat_in(written(content, messagetype=kind, **resource)):
        message.text.encode()
