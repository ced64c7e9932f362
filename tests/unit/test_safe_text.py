from __future__ import annotations

import base64
import json
from string import ascii_letters, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.canaries import written_forms
from worker.safe_text import Redactor, Secret, address_start, printable, redact

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
        ("url=https%3A%2F%2Fs3%2Ff%3FX-Amz-Signature%3Dabc%26a%3D1", "url=https%3A%2F%2Fs3%2Ff?***"),
        ("u=https%253A%252F%252Fh%252Fm%253Fp%253Dabc ", "u=https%253A%252F%252Fh%252Fm?*** "),
        ("at https://h/light?anon=true&coords=eyJabc%3D%3D:3:7)", "at https://h/light?***"),
        ('"https://h/v2/?a=1\\u0026p=abc\\"', '"https://h/v2/?***\\"'),
        ("https://h/#/l/meetup-join/x?p=abc is gone", "https://h/?*** is gone"),
        ("/meet/123?p=abc&x=1", "/meet/123?p=***&x=1"),
        ("/meet/123?anon=true&amp;p=abc", "/meet/123?anon=true&amp;p=***"),
        ("/_%23%2Fmeet%2F123%3Fp%3Dabc%26x", "/_%23%2Fmeet%2F123%3Fp%3D***%26x"),
        ("passcode: abc", "passcode: ***"),
        ('<body data-passcode="abc">', '<body data-passcode="***">'),
        ("/light-meetings/launch?coords=eyJabc", "/light-meetings/launch?coords=***"),
        ("data:text/html;base64,abc==", "data:***"),
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
        ("https://zoom.us/j/1?pwd=abc", "https://zoom.us/j/1?***"),
        ("wss://live.example/?token=abc&x=1", "wss://live.example/?***"),
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
        "joined https://meet.google.com/abc-defg-hij",
        "which of them? p=0.5; the step is 'p=1'",
        "mail ada@example.org",
        "automatic_leave.waiting_room_timeout: -5; expected a number of seconds from 0 to 3600",
        "token bucket refilled",
    ],
)
def test_redact_leaves_plain_text_alone(text: str) -> None:
    assert redact(text) == text


def test_redact_hides_the_query_of_a_signed_url() -> None:
    address = "https://bucket.s3.eu-central-1.amazonaws.com/bots/b1/audio.wav"
    assert redact(f"see {SIGNED} now") == f"see {address}?*** now"
    hidden = redact(SIGNED.removeprefix("https://"))
    for secret in ("AKIDEXAMPLE", "FwoGZXIvYXdzEBY", "5f1c0ffee"):
        assert secret not in hidden


@pytest.mark.parametrize(
    "text",
    [
        "a" * 200_000,
        "authorization:" * 20_000,
        "token" * 40_000,
        "://" * 60_000,
        "x-amz-" * 30_000,
        "a://" * 50_000,
    ],
)
@pytest.mark.timeout(5)
def test_redact_takes_little_time_for_any_text(text: str) -> None:
    redact(text)


SECRETS = st.text(st.characters(codec="utf-8", exclude_characters="x", exclude_categories=["Cs"]), min_size=5)


@given(secret=SECRETS, before=st.binary(max_size=4), after=st.binary(max_size=4), data=st.data())
def test_the_redactor_finds_a_secret_in_any_form_at_any_place(
    secret: str, before: bytes, after: bytes, data: st.DataObject
) -> None:
    form = data.draw(st.sampled_from(sorted(written_forms(secret))))
    raw = before + form + after
    hidden = Redactor([secret]).data(raw)
    assert len(hidden) == len(raw)
    assert form not in hidden
    text = form.decode()
    assert text not in Redactor(["another one", secret]).text(f"<{text}>")


PASSCODES = st.lists(st.sampled_from(ascii_letters + digits), min_size=5, max_size=30, unique=True).map(
    "".join
)


@given(secret=PASSCODES, before=st.text(max_size=9), after=st.text(max_size=9))
def test_json_in_base64_can_still_be_read_without_the_secret(secret: str, before: str, after: str) -> None:
    coords = base64.b64encode(json.dumps({"before": before, "passcode": secret, "after": after}).encode())
    hidden = json.loads(base64.b64decode(Redactor([secret]).data(coords)))
    if secret not in before + after:
        assert (hidden["before"], hidden["after"]) == (before, after)
    assert secret not in hidden["passcode"]


@pytest.mark.parametrize("secrets", [[], [""], ["p", "1234"]])
def test_a_redactor_without_secrets_of_some_length_changes_nothing(secrets: list[str]) -> None:
    redactor = Redactor(secrets)
    assert not redactor
    assert (redactor.text("p 1234"), redactor.data(b"p 1234")) == ("p 1234", b"p 1234")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (" https://h/meet/1?p=abc", "https://h/meet/1"),
        ("https://h/meet/1&p=abc", "https://h/meet/1"),
        ("https://h/meet/1%3Fp%3Dabc", "https://h/meet/1"),
        ("https://h/meet/1%253fp%253dabc", "https://h/meet/1"),
        ("https://h/meet/1;abc", "https://h/meet/1"),
        ("https://h/meet/1#abc", "https://h/meet/1"),
        ("https://h/meet/1 Passcode: abc", "https://h/meet/1"),
        ("https://h/l/19%3Ameeting_Nj@thread.v2/0?abc", "https://h/l/19%3Ameeting_Nj@thread.v2/0"),
        ("https://ada:secret@h/meet/1", "https://***@h/meet/1"),
        ("a" * 200, "a" * 100 + "…"),
    ],
)
def test_address_start_ends_where_a_query_may_begin(value: str, shown: str) -> None:
    assert address_start(value) == shown


def test_a_redactor_can_hide_one_secret_more() -> None:
    redactor = Redactor(["passcode"])
    assert redactor.also(None) is redactor
    assert (
        redactor.also(Secret("t0ken/+x")).text("passcode t0ken/+x t0ken%2F%2Bx")
        == "xxxxxxxx xxxxxxxx xxxxxxxxxxxx"
    )
