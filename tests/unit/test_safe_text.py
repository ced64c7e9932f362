from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.safe_text import printable, redact

SIGNED = (
    "https://bucket.s3.eu-central-1.amazonaws.com/bots/b1/audio.wav?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Credential=AKIDEXAMPLE%2F20260131%2Feu-central-1%2Fs3%2Faws4_request&X-Amz-Date=20260131T093000Z"
    "&X-Amz-Expires=600&X-Amz-SignedHeaders=host&X-Amz-Security-Token=FwoGZXIvYXdzEBY&X-Amz-Signature=5f1c0ffee"
)


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
def test_printable_replaces_unsafe_characters_and_cuts_long_text(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_printable_makes_one_harmless_line_of_any_text(text: str) -> None:
    shown = printable(text)
    assert len(shown) <= 48
    assert len(shown.splitlines()) <= 1
    assert not any(
        character in shown for character in "\x1b\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f"
    )
    shown.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("https://ada:hunter2@example.org/x", "https://***@example.org/x"),
        ("https://ada:p@ss@example.org/x", "https://***@example.org/x"),
        ("https://token1@example.org", "https://***@example.org"),
        ("GET /f?Signature=a%2Bb%3D&Expires=17", "GET /f?Signature=***&Expires=17"),
        ("GET /f?x-amz-signature=abc", "GET /f?x-amz-signature=***"),
        ("url=https%3A%2F%2Fs3%2Ff%3FX-Amz-Signature%3Dabc%26a%3D1", None),
        ("{'Authorization': 'Token abc123def', 'Accept': '*/*'}", "{'Authorization': ***', 'Accept': '*/*'}"),
        ('{"authorization": "Bearer a.b.c"}', '{"authorization": ***"}'),
        (
            "Authorization: AWS4-HMAC-SHA256 Credential=AK/1, SignedHeaders=host, Signature=f0",
            "Authorization: ***",
        ),
        ("X-MeetStream-Signature: sha256=0a1b2c", "X-MeetStream-Signature: ***"),
        ("X-Amz-Security-Token: FwoG+/==", "X-Amz-Security-Token: ***"),
        ("b'X-Amz-Security-Token': b'FwoG'", "b'X-Amz-Security-Token': b'***'"),
        ("aws_secret_access_key=wJalrXUtnFEMI/K7MDENG", "aws_secret_access_key=***"),
        ("the key AKIAIOSFODNN7EXAMPLE was refused", "the key *** was refused"),
        ("got Bearer eyJhbGciOiJIUzI1NiJ9.e30.abc", "got Bearer ***"),
        ("api_key: 12345", "api_key: ***"),
        ("https://zoom.us/j/1?pwd=abc", "https://zoom.us/j/1?pwd=***"),
        ("wss://live.example/?token=abc&x=1", "wss://live.example/?token=***&x=1"),
    ],
)
def test_redact_hides_secrets(text: str, hidden: str | None) -> None:
    assert "abc" not in redact(text)
    if hidden is not None:
        assert redact(text) == hidden


@pytest.mark.parametrize(
    "text",
    [
        "Basic information about the meeting",
        "state: in_call_recording, attempt 2",
        "joined https://meet.google.com/abc-defg-hij?hl=en",
        "mail ada@example.org",
        "automatic_leave.waiting_room_timeout: -5; expected a number of seconds from 0 to 3600",
        "token bucket refilled",
    ],
)
def test_redact_leaves_plain_text_alone(text: str) -> None:
    assert redact(text) == text


def test_redact_hides_the_query_of_a_signed_url() -> None:
    hidden = redact(f"see {SIGNED} now")
    assert hidden.startswith(
        "see https://bucket.s3.eu-central-1.amazonaws.com/bots/b1/audio.wav?X-Amz-Algorithm=***&"
    )
    assert hidden.endswith("&X-Amz-Signature=*** now")
    for secret in ("AKIDEXAMPLE", "FwoGZXIvYXdzEBY", "5f1c0ffee"):
        assert secret not in hidden


@pytest.mark.parametrize(
    "text", ["a" * 200_000, "authorization:" * 20_000, "token" * 40_000, "://" * 60_000, "x-amz-" * 30_000]
)
@pytest.mark.timeout(5)
def test_redact_takes_little_time_for_any_text(text: str) -> None:
    redact(text)
