from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import InputError
from worker.platforms.links import LinkError, parse_link


@pytest.mark.parametrize(
    ("link", "platform", "shown"),
    [
        ("meet.google.com/abc-defg-hij", "google_meet", "https://meet.google.com/abc-defg-hij"),
        (
            "https://teams.microsoft.com/meet/123456?p=Secret",
            "microsoft_teams",
            "https://teams.microsoft.com/meet/123456",
        ),
        ("teams.live.com/meet/123456?p=x", "microsoft_teams", "https://teams.live.com/meet/123456"),
    ],
)
def test_the_host_determines_the_platform(link: str, platform: str, shown: str) -> None:
    parsed = parse_link(link)
    assert (parsed.platform, parsed.shown) == (platform, shown)


def test_the_error_for_another_host_names_the_supported_links() -> None:
    with pytest.raises(LinkError) as refusal:
        parse_link("https://zoom.us/j/123456789?pwd=Secret")
    assert isinstance(refusal.value, InputError)
    assert str(refusal.value) == (
        "meeting link 'https://zoom.us/j/123456789': expected a Google Meet link like "
        "https://meet.google.com/abc-defg-hij or a Microsoft Teams link like "
        "https://teams.microsoft.com/meet/1234567890123?p=passcode"
    )


@pytest.mark.parametrize(
    ("link", "told"),
    [
        ("https://meet.google.com/new", "is not a Google Meet link"),
        ("https://teams.microsoft.com/v2/", "is not a Microsoft Teams link"),
    ],
)
def test_the_error_for_a_known_host_names_its_platform(link: str, told: str) -> None:
    with pytest.raises(LinkError, match=told):
        parse_link(link)


@given(st.text() | st.from_regex(r"https://(meet\.google|teams\.live)\.com/.*"))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parse_link(text)
    except LinkError as refusal:
        assert str(refusal).isprintable()
