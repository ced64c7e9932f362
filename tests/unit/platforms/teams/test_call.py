from __future__ import annotations

from typing import cast

import pytest
from playwright.async_api import Page

from tests.support.fake_page import FakeElement, FakePage
from worker.lifecycle.announcement import NotAnnounced
from worker.platforms.page_actions import press
from worker.platforms.signs import Sign
from worker.platforms.teams import signs as teams
from worker.platforms.teams.call import TeamsCall
from worker.platforms.teams.link import parse_teams_link
from worker.reasons import Reason

LINK = parse_teams_link("https://teams.microsoft.com/meet/1234567890123?p=passcode")
SIGN_IN = {"elements": [teams.SIGN_IN_FORM.name]}


def call(page: FakePage, *, signed_in: bool = False) -> TeamsCall:
    return TeamsCall(cast(Page, page), LINK, "Stems", signed_in=signed_in)


@pytest.mark.parametrize(
    ("signed_in", "reason"), [(False, Reason.SIGN_IN_REQUIRED), (True, Reason.SIGN_IN_FAILED)]
)
async def test_a_sign_in_page_means_a_failed_sign_in_for_an_account(signed_in: bool, reason: Reason) -> None:
    assert (await call(FakePage(SIGN_IN), signed_in=signed_in).look(thorough=True)).reason is reason


async def test_announce_says_that_the_page_has_no_chat() -> None:
    assert await call(FakePage({})).announce("I record this") is NotAnnounced.NO_CHAT


@pytest.mark.parametrize("way_out", [teams.HANG_UP, teams.CANCEL], ids=lambda sign: sign.name)
async def test_leave_hangs_up_in_the_call_and_cancels_in_the_lobby(way_out: Sign) -> None:
    pressed: list[str] = []
    button = FakeElement(lambda: pressed.append(way_out.name))
    looks = 1 if way_out is teams.HANG_UP else 2
    page = FakePage(*[{"elements": [way_out.name]}] * looks, {}, elements={press(way_out).selector: button})
    await call(page).leave()
    assert pressed == [way_out.name]
