from __future__ import annotations

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.errors import InputError
from worker.platforms.address import AddressError
from worker.platforms.teams.link import parse_teams_link, short_form

THREAD = "19:meeting_NjA0Mj-Zk_w@thread.v2"
MEETUP = "https://teams.microsoft.com/l/meetup-join/19%3Ameeting_NjA0Mj-Zk_w%40thread.v2/0"
CONTEXT = "context=%7B%22Tid%22%3A%22a-b%22%2C%22Oid%22%3A%22c-d%22%7D"
LAUNCHER = "https://teams.microsoft.com/dl/launcher/launcher.html?type=meet&directDl=true&url="


@pytest.mark.parametrize(
    ("link", "code", "url", "shown"),
    [
        (
            "https://teams.microsoft.com/l/meetup-join/19%3ameeting_NjA0Mj-Zk_w%40thread.v2/0?context="
            "%7b%22Tid%22%3a%22a-b%22%2c%22Oid%22%3a%22c-d%22%7d",
            THREAD,
            f"{MEETUP}?{CONTEXT}",
            MEETUP,
        ),
        (f"teams.microsoft.com/l/meetup-join/{THREAD}/0", THREAD, MEETUP, MEETUP),
        (f"https://teams.microsoft.com/l/meetup-join/{THREAD}", THREAD, MEETUP, MEETUP),
        (
            "https://teams.microsoft.com/l/meetup-join/19%3aabc%40thread.tacv2/1606305012345?anon=true",
            "19:abc@thread.tacv2",
            "https://teams.microsoft.com/l/meetup-join/19%3Aabc%40thread.tacv2/1606305012345?anon=true",
            "https://teams.microsoft.com/l/meetup-join/19%3Aabc%40thread.tacv2/1606305012345",
        ),
        (
            " HTTPS://Teams.Microsoft.com:443/meet/1234567890123?p=Se%20cret&x=\n",
            "1234567890123",
            "https://teams.microsoft.com/meet/1234567890123?p=Se%20cret&x=",
            "https://teams.microsoft.com/meet/1234567890123",
        ),
        (
            "https://teams.live.com/meet/9318960718018?p=Secret#top",
            "9318960718018",
            "https://teams.live.com/meet/9318960718018?p=Secret",
            "https://teams.live.com/meet/9318960718018",
        ),
        (
            "https://teams.microsoft.com/light-meetings/launch?agent=web&coords=eyJh%3D%3D&anon=true",
            "",
            "https://teams.microsoft.com/light-meetings/launch?agent=web&coords=eyJh%3D%3D&anon=true",
            "https://teams.microsoft.com/light-meetings/launch",
        ),
        (
            LAUNCHER + "%2F_%23%2Fmeet%2F1234567890123%3Fp%3DSecret%26anon%3Dtrue",
            "1234567890123",
            "https://teams.microsoft.com/meet/1234567890123?p=Secret&anon=true",
            "https://teams.microsoft.com/meet/1234567890123",
        ),
        (
            LAUNCHER + "%2f_%23%2fl%2fmeetup-join%2f19%3ameeting_NjA0Mj-Zk_w%40thread.v2%2f0%3f"
            "context%3d%257B%2522Tid%2522%253A%2522a-b%2522%252C%2522Oid%2522%253A%2522c-d%2522%257D",
            THREAD,
            f"{MEETUP}?{CONTEXT}",
            MEETUP,
        ),
        *(
            (client + f"/l/meetup-join/{THREAD}/0?{CONTEXT}", THREAD, f"{MEETUP}?{CONTEXT}", MEETUP)
            for client in (
                "https://teams.microsoft.com/_#",
                "https://teams.microsoft.com/#",
                "https://teams.microsoft.com/v2/?meetingjoin=true#",
                "https://teams.microsoft.com/dl/launcher/launcher.html?url=/_#",
            )
        ),
        (
            "https://teams.live.com/dl/launcher/launcher.html?url=/_#/meet/93?p=Secret&anon=true&type=meet&"
            "deeplinkId=1&directDl=true&msLaunch=true&enableMobilePage=true&suppressPrompt=true",
            "93",
            "https://teams.live.com/meet/93?p=Secret&anon=true",
            "https://teams.live.com/meet/93",
        ),
        (
            LAUNCHER + "%252F_%2523%252Fmeet%252F93%253Fp%253DSecret",
            "93",
            "https://teams.microsoft.com/meet/93?p=Secret",
            "https://teams.microsoft.com/meet/93",
        ),
        (
            "https://teams.microsoft.com/meet/93?p=Secret%3E%22&anon=true.",
            "93",
            "https://teams.microsoft.com/meet/93?p=Secret&anon=true",
            "https://teams.microsoft.com/meet/93",
        ),
        ("https://aka.ms/our-meeting?x=1", "", "https://aka.ms/our-meeting", "https://aka.ms/"),
        *(
            (
                f"https://{host}/meet/123?p=x",
                "123",
                f"https://{host}/meet/123?p=x",
                f"https://{host}/meet/123",
            )
            for host in (
                "teams.cloud.microsoft",
                "teams.microsoft.us",
                "gov.teams.microsoft.us",
                "dod.teams.microsoft.us",
            )
        ),
    ],
)
def test_a_teams_link_is_parsed(link: str, code: str, url: str, shown: str) -> None:
    assert parse_teams_link(link)[:3] == (code, url, shown)
    assert parse_teams_link(url)[:3] == (code, url, shown)


COORDS = base64.urlsafe_b64encode(
    b'{"meetingUrl":"https://teams.microsoft.com/meet/1?anon=true&p=Secret-1","passcode":"Secret-2","n":1}'
).decode()


@pytest.mark.parametrize(
    ("link", "secrets"),
    [
        ("https://teams.microsoft.com/meet/123?p=Se%20cret&x=1", ("Se cret",)),
        ("https://teams.microsoft.com/meet/123?anon=true&Passcode=Secret", ("Secret",)),
        (LAUNCHER + "%2F_%23%2Fmeet%2F123%3Fp%3DSecret%26anon%3Dtrue", ("Secret",)),
        (
            f"https://teams.microsoft.com/light-meetings/launch?coords={COORDS}",
            (COORDS, "Secret-1", "Secret-2"),
        ),
        ("https://teams.microsoft.com/light-meetings/launch?coords=neither", ("neither",)),
        ("https://teams.microsoft.com/light-meetings/launch?coords=W10%3D", ("W10=",)),
        ("https://aka.ms/our-meeting", ("our-meeting",)),
        (f"{MEETUP}?{CONTEXT}", ()),
    ],
)
def test_passcodes_and_tokens_of_a_link_are_secrets(link: str, secrets: tuple[str, ...]) -> None:
    assert parse_teams_link(link).secrets == secrets


@pytest.mark.parametrize(
    "link",
    [
        "",
        "1234567890123",
        "https://teams.microsoft.com",
        "https://teams.microsoft.com/v2/",
        "https://teams.microsoft.com/meet/",
        "https://teams.microsoft.com/meet/12/34",
        "https://teams.microsoft.com/meet/../v2",
        "https://teams.microsoft.com/l/meetup-join/",
        "https://teams.microsoft.com/l/meetup-join/19:meeting_x@evil.example/0",
        "https://teams.microsoft.com/l/meetup-join/19%3Ameeting_x%2F..%40thread.v2/0",
        "https://teams.microsoft.com/l/meetup-join/19:a@thread.v2/abc",
        "https://teams.microsoft.com/l/channel/19:a@thread.v2/General",
        "https://teams.microsoft.com/light-meetings/launch?agent=web",
        "https://teams.microsoft.com/dl/launcher/launcher.html?url=%2F_%23%2Fl%2Fchat",
        "https://teams.microsoft.com/dl/launcher/launcher.html?url=/_#/l/chat/1",
        "https://teams.microsoft.com/dl/launcher/launcher.html?url=evil.example/meet/123",
        "https://teams.microsoft.com/dl/launcher/launcher.html",
        "https://teams.microsoft.com/v2/#/l/chat/123",
        "https://teams.microsoft.com/v2/#//evil.example/meet/123",
        "https://teams.microsoft.com/dl/launcher/launcher.html?url=https://evil.example/meet/123",
        "https://teams.microsoft.com.evil.example/meet/123",
        "https://evil.example/teams.microsoft.com/meet/123",
        "https://teams.microsoft.com@evil.example/meet/123",
        "https://user@teams.microsoft.com/meet/123",
        "https://teams.microsoft.com:8443/meet/123",
        "https://teams.microsoft.com:port/meet/123",
        "https://[teams.microsoft.com/meet/123",
        "https://aka.ms/",
        "https://aka.ms/our/meeting",
        "msteams:/l/meetup-join/19:a@thread.v2/0",
        "https://teams.microsoft.com/meet/12\x1b[31m3",
    ],
)
def test_other_texts_are_refused_in_one_line(link: str) -> None:
    with pytest.raises(AddressError) as refusal:
        parse_teams_link(link)
    line = str(refusal.value)
    assert "is not a Microsoft Teams link, expected one like https://teams.microsoft.com/meet/" in line
    assert line.isprintable()
    assert isinstance(refusal.value, InputError)


@pytest.mark.parametrize(
    "link",
    [
        "https://teams.microsoft.com/meet/12/34?p=Secret",
        "https://teams.microsoft.com:1/meet/123?p=Secret",
        "https://[teams.microsoft.com/meet/123?p=Secret",
        "https://teams.microsoft.com/meet/123?p=Secret\x00",
        "https://teams.microsoft.com/meet/123&p=Secret",
        "https://teams.microsoft.com/meet/123%3Fp%3DSecret",
        "https://teams.microsoft.com/#/meet/123,Secret",
        "https://teams.microsoft.com/meet/123 Passcode: Secret",
        "https://aka.ms/our/Secret",
        "https://teams.microsoft.com/dl/launcher/launcher.html?url=%2F_%23%2Fmeet%2F1%2F2%3Fp%3DSecret",
    ],
)
def test_a_passcode_is_never_repeated(link: str) -> None:
    with pytest.raises(AddressError) as refusal:
        parse_teams_link(link)
    assert "Secret" not in str(refusal.value)


def test_a_long_text_is_not_repeated_in_full() -> None:
    with pytest.raises(AddressError) as refusal:
        parse_teams_link("https://teams.microsoft.com/meet/" + "a" * 10_000)
    assert len(str(refusal.value)) < 500


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("msteams:/meet/123?p=x", "https://teams.microsoft.com/meet/123?p=x"),
        (
            "msteams:/l/meetup-join/19:a@thread.v2/0",
            "https://teams.microsoft.com/l/meetup-join/19:a@thread.v2/0",
        ),
        (
            "MSTeams://l/meetup-join/19:a@thread.v2/0",
            "https://teams.microsoft.com/l/meetup-join/19:a@thread.v2/0",
        ),
        ("msteams://teams.live.com/meet/123", "https://teams.live.com/meet/123"),
        ("msteams://evil.example/meet/123", "https://evil.example/meet/123"),
        ("ms-teams:meet/123", "https://teams.microsoft.com/meet/123"),
        ("https://teams.live.com/meet/123", None),
        ("", None),
    ],
)
def test_a_link_of_the_app_stands_for_one_of_the_browser(text: str, link: str | None) -> None:
    assert short_form(text) == link


@given(
    st.text()
    | st.text().map(lambda text: f"https://teams.microsoft.com/{text}")
    | st.text().map(lambda text: f"https://teams.microsoft.com/meet/1{text}")
    | st.text().map(lambda text: f"https://teams.microsoft.com/meet/123?p={text}")
    | st.text().map(lambda text: f"{LAUNCHER}{text}")
)
@example("https://[::1%25]/")
@example("https://teams.microsoft.com\uff0fmeet/123")
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        link = parse_teams_link(text)
    except AddressError as refusal:
        assert str(refusal).isprintable()
    else:
        assert link.url.isascii()
        assert "?" not in link.shown
        assert link.url.startswith(link.shown)
        assert parse_teams_link(link.url) == link
