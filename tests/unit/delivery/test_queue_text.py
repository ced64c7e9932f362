from __future__ import annotations

import json
import sys
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.sqs_rules import FIFO_CHARACTERS, allows
from worker.delivery.queue_text import (
    LARGEST_MESSAGE,
    LONGEST_FIFO_ID,
    QueueBody,
    ascii_json,
    attribute_text,
    fifo_id,
    queue_body,
)

ANY_TEXT = st.text(st.characters(min_codepoint=0, max_codepoint=sys.maxunicode, categories=None))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
EVERY_CHARACTER = "".join(chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF)


@given(VALUES)
def test_ascii_json_is_ascii_and_keeps_the_value(value: Any) -> None:
    text = ascii_json(value)
    assert text.isascii()
    assert all(allows(character) for character in text)
    assert msgspec.json.decode(text) == value


def test_ascii_json_keeps_every_character_of_unicode() -> None:
    text = ascii_json({"name": EVERY_CHARACTER})
    assert text.isascii()
    assert json.loads(text) == msgspec.json.decode(text) == {"name": EVERY_CHARACTER}


@given(ANY_TEXT)
@example("A\ud83d")
@example("\udc00\ud800")
def test_ascii_json_replaces_surrogates_without_their_pair(text: str) -> None:
    value = {text: [text, (text, 1.5)]}
    seen = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if seen == text:
        assert msgspec.json.decode(ascii_json(value)) == {text: [text, [text, 1.5]]}
    else:
        ((key, _),) = msgspec.json.decode(ascii_json(value)).items()
        assert len(key) == len(text)
        assert "\ufffd" in key


def test_ascii_json_raises_for_a_value_that_is_not_json() -> None:
    with pytest.raises(TypeError):
        ascii_json({"x": object()})


@given(VALUES)
def test_queue_body_keeps_the_value_of_json(value: Any) -> None:
    text = msgspec.json.encode(value).decode()
    body = queue_body(text)
    assert not body.quoted
    assert body.text.isascii()
    assert msgspec.json.decode(body.text) == value


@given(ANY_TEXT)
@example("")
@example("not a job \ufffe\x00")
@example("\ud83d")
@example("[" * 100_000 + "\uffff")
def test_any_text_survives_as_a_queue_body(text: str) -> None:
    body = queue_body(text)
    assert body.text
    assert all(allows(character) for character in body.text)
    restored = json.loads(body.text) if body.quoted else body.text
    assert restored == text or json.loads(restored) == json.loads(text)


@pytest.mark.parametrize("text", ["{}", '{"name": "Ann"}', "not a job", "Zoë: kein Job", "{", '{"a": 1'])
def test_what_sqs_accepts_and_is_no_json_beyond_ascii_stays_as_it_is(text: str) -> None:
    assert queue_body(text) == QueueBody(text)


def test_escaping_does_not_make_a_large_text_too_large() -> None:
    text = json.dumps({"note": "字" * 80_000 + "\uffff"}, ensure_ascii=False)
    body = queue_body(text)
    assert len(body.text.encode()) == len(text.encode()) + 3
    assert len(body.text.encode()) < LARGEST_MESSAGE
    assert json.loads(body.text) == json.loads(text)


@given(ANY_TEXT)
def test_attribute_text_is_accepted_and_readable(text: str) -> None:
    assert all(allows(character) for character in attribute_text(text))
    assert attribute_text("Zoë 🎙") == "Zoë 🎙"


@given(ANY_TEXT)
@example("b" * 129)
@example("")
def test_fifo_id_is_one(text: str) -> None:
    made = fifo_id(text)
    assert 0 < len(made) <= LONGEST_FIFO_ID
    assert FIFO_CHARACTERS.issuperset(made)
    assert fifo_id(made) == made


def test_fifo_ids_keep_long_ids_distinct_and_short_ones_as_they_are() -> None:
    bot = "b" * 128
    keys = [f"{bot}-{sequence}" for sequence in range(1000, 1100)]
    assert len({fifo_id(key) for key in keys}) == len(keys)
    assert fifo_id("bot-1-1001") == "bot-1-1001"
    assert fifo_id(bot) == bot
    assert fifo_id("a b") != fifo_id("a_b")
    assert fifo_id(keys[0]).startswith("b" * 60)
