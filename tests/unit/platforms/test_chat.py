from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.platforms.chat import shortened


@pytest.mark.parametrize(
    ("message", "most", "shown"),
    [
        ("Hello", 5, "Hello"),
        ("Hello there", 11, "Hello there"),
        ("Hello there", 10, "Hello…"),
        ("Hello there you", 12, "Hello there…"),
        ("Helloooooo", 5, "Hell…"),
        ("Hello\nthere you", 12, "Hello\nthere…"),
        ("ab \U0001f600\U0001f600", 6, "ab…"),
        ("\U0001f600\U0001f600\U0001f600", 4, "\U0001f600…"),
        ("ab", 1, "…"),
    ],
)
def test_a_message_is_cut_at_a_word(message: str, most: int, shown: str) -> None:
    assert shortened(message, most) == shown


@given(st.text(), st.integers(1, 50))
def test_it_never_gets_too_long(message: str, most: int) -> None:
    shown = shortened(message, most)
    assert len(shown.encode("utf-16-le", "surrogatepass")) // 2 <= most
    assert shown == message or (shown.endswith("…") and message.startswith(shown[:-1].rstrip()))
