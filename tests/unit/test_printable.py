from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ada Lovelace", "Ada Lovelace"),
        ("  two\nlines\tand more ", "two lines and more"),
        ("\x1b[31mred\x07", "\ufffd[31mred\ufffd"),
        ("abc\u202egnp.exe", "abc\ufffdgnp.exe"),
        ("\U0001f469\u200d\U0001f4bb", "\U0001f469\u200d\U0001f4bb"),
        ("[bold]not markup[/bold]", "[bold]not markup[/bold]"),
        ("lone \ud800 surrogate", "lone \ufffd surrogate"),
        ("x" * 300, "x" * 47 + "…"),
        ("", ""),
    ],
)
def test_shown(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_any_text_becomes_one_harmless_line(text: str) -> None:
    shown = printable(text)
    assert len(shown) <= 48
    assert len(shown.splitlines()) <= 1
    assert not any(
        character in shown for character in "\x1b\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f"
    )
    shown.encode("utf-8")
