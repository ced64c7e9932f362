from __future__ import annotations

from typing import cast

import pytest
from playwright.async_api import Page

from tests.support.fake_page import FakeElement, FakePage
from worker.lifecycle.announcement import NotAnnounced
from worker.platforms import layout_keeper, page_driver
from worker.platforms.page_actions import ActionRetries, press
from worker.platforms.signs import Sign
from worker.platforms.teams import signs as teams
from worker.platforms.teams.call import TeamsCall
from worker.platforms.teams.link import parse_teams_link
from worker.reasons import Reason

LINK = parse_teams_link("https://teams.microsoft.com/meet/1234567890123?p=passcode")
SIGN_IN = {"elements": [teams.SIGN_IN_FORM.name]}


def call(page: FakePage, *, signed_in: bool = False, separate_video: bool = False) -> TeamsCall:
    return TeamsCall(cast(Page, page), LINK, "Stems", signed_in=signed_in, separate_video=separate_video)


class ViewPage(FakePage):
    """A call with the menu View; an item of it chooses the gallery. ``pressed`` names what was pressed."""

    def __init__(self) -> None:
        self.pressed: list[str] = []
        self.open = self.shares = False
        self.keyboard = self
        elements = {
            press(teams.VIEW).selector: FakeElement(lambda: self._press("view")),
            press(teams.GALLERY).selector: FakeElement(lambda: self._press("gallery")),
            press(teams.VIDEO_MENU).selector: FakeElement(lambda: self._press("video menu")),
        }
        super().__init__(None, elements=elements)

    async def press(self, key: str) -> None:
        self.pressed.append(key)
        self.open = False

    def _press(self, name: str) -> None:
        self.pressed.append(name)
        self.open = name == "view"

    def _look(self) -> object:
        shown = [teams.HANG_UP, teams.VIEW, teams.VIDEO_MENU]
        shown += [teams.GALLERY] if self.open else []
        shown += [teams.SHARED] if self.shares else []
        return {"elements": [sign.name for sign in shown]}


async def test_a_recording_of_video_keeps_it_and_chooses_the_gallery(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(layout_keeper, "SETTLE", 0.0)
    page = ViewPage()
    meeting = call(page, separate_video=True)
    for _ in range(6):
        await meeting.look(thorough=False)
        await meeting.act()
    assert page.pressed == ["view", "gallery"]


async def test_the_gallery_is_chosen_again_once_somebody_shares_a_screen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(layout_keeper, "SETTLE", 0.0)
    monkeypatch.setattr(layout_keeper, "RETRY_AFTER", 0.0)
    monkeypatch.setattr(ActionRetries, "PATIENCE", 0.0)
    page = ViewPage()
    meeting = call(page, separate_video=True)
    for look in range(12):
        page.shares = look >= 6
        await meeting.look(thorough=False)
        await meeting.act()
    assert page.pressed == ["view", "gallery"] * 2


async def test_leaving_closes_the_menu_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout_keeper, "SETTLE", 0.0)
    page = ViewPage()
    meeting = call(page, separate_video=True)
    await meeting.look(thorough=False)
    await meeting.act()
    assert page.open
    monkeypatch.setattr(page_driver, "LEAVE_TIMEOUT", 0.0)
    await meeting.leave()
    assert page.pressed == ["view", "Escape"]


async def test_a_page_without_the_gallery_is_told_by_its_view(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout_keeper, "SETTLE", 0.0)
    monkeypatch.setattr(layout_keeper, "RETRY_AFTER", 0.0)
    monkeypatch.setattr(layout_keeper, "ATTEMPT", -1.0)
    meeting = call(FakePage({"elements": [teams.HANG_UP.name]}), separate_video=True)
    assert layout_keeper.LAYOUT_FAILED not in (await meeting.look(thorough=False)).evidence
    for _ in range(layout_keeper.MOST_TRIES + 1):
        await meeting.look(thorough=False)
        await meeting.act()
    assert layout_keeper.LAYOUT_FAILED in (await meeting.look(thorough=False)).evidence


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
