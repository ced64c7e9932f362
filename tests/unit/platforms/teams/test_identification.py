from __future__ import annotations

from urllib.parse import unquote, urldefrag

import pytest

from worker.platforms.links import parse_link
from worker.platforms.open_call import identified_link
from worker.safe_text import Secret

TOKEN = "eyJ0b2tlbiI6.Tq7-Wn4~Zk/9+x=="
TEAMS = "https://teams.microsoft.com/meet/1234567890123?p=passcode"
MEET = "https://meet.google.com/abc-defg-hij"


@pytest.mark.parametrize("link", [TEAMS, "https://aka.ms/meeting-1", TEAMS.partition("?")[0]])
def test_a_registered_bots_token_is_in_the_fragment_and_secret(link: str) -> None:
    plain, identified = parse_link(link), identified_link(parse_link(link), Secret(TOKEN))
    address, fragment = urldefrag(identified.address.url)
    assert (address, unquote(fragment)) == (plain.address.url, f"token={TOKEN}")
    assert (identified.shown, identified.address.code) == (plain.shown, plain.address.code)
    assert TOKEN not in identified.redactor().text(f"a {TOKEN} b {identified.address.url}")
    assert set(plain.address.secrets) < set(identified.address.secrets)


@pytest.mark.parametrize(("link", "token"), [(TEAMS, None), (MEET, Secret(TOKEN)), (MEET, None)])
def test_without_a_token_or_a_platform_that_takes_it_a_link_stays(link: str, token: Secret | None) -> None:
    assert identified_link(parse_link(link), token) == parse_link(link)
