from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.errors import InputError
from worker.platforms.address import AddressError, MeetingAddress
from worker.platforms.meet.link import parse_meet_link, short_form
from worker.safe_text import address_start


@pytest.mark.parametrize(
    ("given_link", "code", "url"),
    [
        (
            "https://meet.google.com/abc-defg-hij",
            "abc-defg-hij",
            "https://meet.google.com/abc-defg-hij?hl=en",
        ),
        (
            " HTTPS://Meet.Google.com/ABC-defg-hij/\n",
            "abc-defg-hij",
            "https://meet.google.com/abc-defg-hij?hl=en",
        ),
        ("meet.google.com/abc-defg-hij", "abc-defg-hij", "https://meet.google.com/abc-defg-hij?hl=en"),
        (
            "http://meet.google.com:80/abc-defg-hij",
            "abc-defg-hij",
            "https://meet.google.com/abc-defg-hij?hl=en",
        ),
        (
            "https://meet.google.com/abc-defg-hij?authuser=1&hl=de&pli=#x",
            "abc-defg-hij",
            "https://meet.google.com/abc-defg-hij?authuser=1&pli=&hl=en",
        ),
        (
            "https://meet.google.com/lookup/Team_Standup-7",
            "Team_Standup-7",
            "https://meet.google.com/lookup/Team_Standup-7?hl=en",
        ),
        (
            "https://meet.google.com/our-team-standup",
            "our-team-standup",
            "https://meet.google.com/lookup/our-team-standup?hl=en",
        ),
        ("https://g.co/meet/standup?x=1", "standup", "https://meet.google.com/lookup/standup?hl=en"),
        ("https://g.co/meet/ABC-defg-hij", "abc-defg-hij", "https://meet.google.com/abc-defg-hij?hl=en"),
        (
            "https://tel.meet/abc-defg-hij?pin=123",
            "abc-defg-hij",
            "https://meet.google.com/abc-defg-hij?hl=en",
        ),
        (
            "https://meet.google.com/tel/abc-defg-hij",
            "abc-defg-hij",
            "https://meet.google.com/abc-defg-hij?hl=en",
        ),
        ("https://meet.google.com/abcdefghij", "abc-defg-hij", "https://meet.google.com/abc-defg-hij?hl=en"),
        (
            "https://meet.google.com/_meet/abc-defg-hij?ijlm=1",
            "abc-defg-hij",
            "https://meet.google.com/abc-defg-hij?ijlm=1&hl=en",
        ),
        (
            "https://meet.google.com/abc-defg-hij?authuser=ada%40example.org%22&x=.",
            "abc-defg-hij",
            "https://meet.google.com/abc-defg-hij?authuser=ada%40example.org&x=&hl=en",
        ),
    ],
)
def test_a_meet_link_is_parsed(given_link: str, code: str, url: str) -> None:
    assert parse_meet_link(given_link) == MeetingAddress(code, url, url.partition("?")[0])


@pytest.mark.parametrize(
    "link",
    [
        "",
        "abc-defg-hij",
        "https://meet.google.com",
        "https://meet.google.com/abc-defg-hi",
        "https://meet.google.com/abcd-efg-hij",
        "https://meet.google.com/landing",
        "https://meet.google.com/" + "a-" * 60 + "a",
        "https://g.co/meet/",
        "https://g.co/abc-defg-hij",
        "https://tel.meet/our-team-standup",
        "https://meet.google.com/abc-defg-hij/extra",
        "https://meet.google.com/äbc-defg-hij",
        "https://meet.google.com/lookup/",
        "https://meet.google.com/lookup/../new",
        "https://meet.google.com.evil.example/abc-defg-hij",
        "https://evil.example/meet.google.com/abc-defg-hij",
        "https://meet.google.com@evil.example/abc-defg-hij",
        "https://user@meet.google.com/abc-defg-hij",
        "https://meet.google.com:8443/abc-defg-hij",
        "https://meet.google.com:port/abc-defg-hij",
        "https://[meet.google.com/abc-defg-hij",
        "https://zoom.us/j/123456789",
        "javascript://meet.google.com/abc-defg-hij",
        "file:///etc/passwd",
        "https://meet.google.com/abc-\x1b[31mdefg-hij",
    ],
)
def test_other_texts_are_refused_in_one_line(link: str) -> None:
    with pytest.raises(AddressError) as refusal:
        parse_meet_link(link)
    line = str(refusal.value)
    assert line.startswith(
        f"meeting link {address_start(link)!r}: is not a Google Meet link, expected one like https://meet.google.com/abc"
    )
    assert line.isprintable()
    assert isinstance(refusal.value, InputError)


def test_a_long_text_is_not_repeated_in_full() -> None:
    with pytest.raises(AddressError) as refusal:
        parse_meet_link("https://meet.google.com/" + "a" * 10_000)
    assert len(str(refusal.value)) < 400


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("abc-defg-hij", "https://meet.google.com/abc-defg-hij"),
        ("ABC-DEFG-HIJ", "https://meet.google.com/ABC-DEFG-HIJ"),
        ("abcdefghij", None),
        ("abc-defg-hi", None),
        ("abc-defg-hij.evil.example", None),
        ("", None),
    ],
)
def test_a_code_alone_stands_for_a_link(text: str, link: str | None) -> None:
    assert short_form(text) == link


@given(st.text() | st.text().map(lambda text: f"https://meet.google.com/{text}"))
@example("https://[::1%25]/")
@example("https://meet.google.com\uff0fabc")
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        link = parse_meet_link(text)
    except AddressError as refusal:
        assert str(refusal).isprintable()
    else:
        assert parse_meet_link(link.url) == link
