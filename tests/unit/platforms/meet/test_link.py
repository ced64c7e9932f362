from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.errors import InputError
from worker.platforms.address import AddressError, MeetingAddress
from worker.platforms.meet.link import parse_meet_link


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
        f"meeting link {link!r}: is not a Google Meet link, expected one like https://meet.google.com/abc"
    )
    assert line.isprintable()
    assert isinstance(refusal.value, InputError)


def test_a_long_text_is_not_repeated_in_full() -> None:
    with pytest.raises(AddressError) as refusal:
        parse_meet_link("https://meet.google.com/" + "a" * 10_000)
    assert len(str(refusal.value)) < 400


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
