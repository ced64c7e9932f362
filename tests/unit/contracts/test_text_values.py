"""Metadata that receivers get are texts, whatever the job had."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.contracts.text_values import text_values, well_formed

ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=5)
    | st.builds(object),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.dictionaries(st.text(st.characters(), max_size=5), ANY, max_size=5))
def test_any_metadata_become_texts_that_json_can_hold(metadata: dict[str, Any]) -> None:
    texts = text_values(metadata)
    assert msgspec.json.decode(msgspec.json.encode(texts), type=dict[str, str]) == texts
    assert {well_formed(name) for name in metadata} == set(texts)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        ("", ""),
        (1, "1"),
        (1.5, "1.5"),
        (True, "true"),
        (None, "null"),
        ([1, "a"], '[1,"a"]'),
        ({"b": None}, '{"b":null}'),
    ],
)
def test_another_value_is_its_json(value: object, text: str) -> None:
    assert text_values({"x": value}) == {"x": text}
