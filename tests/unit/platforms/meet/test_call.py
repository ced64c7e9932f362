"""A Google Meet call, with a fake page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import pytest
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page

from tests.support.fake_page import FakeElement, FakePage
from worker.lifecycle.announcement import NotAnnounced
from worker.lifecycle.page_tasks import PageTask, TaskOutcome
from worker.lifecycle.page_view import Scene
from worker.platforms import layout_keeper
from worker.platforms.call import CallError
from worker.platforms.meet import signs as meet
from worker.platforms.meet.call import MeetCall
from worker.platforms.meet.link import parse_meet_link
from worker.platforms.page_actions import ActionRetries, press
from worker.reasons import Reason

LINK = parse_meet_link("https://meet.google.com/abc-defg-hij")
IN_CALL = {"elements": [meet.CALL_CONTROLS.name], "tiles": 2}
SIGN_IN = {"headings": ["Sign in"], "text": "Use your Google Account"}


def call(page: FakePage, *, signed_in: bool = False, separate_video: bool = False) -> MeetCall:
    return MeetCall(cast(Page, page), LINK, "Stems", signed_in=signed_in, separate_video=separate_video)


class LayoutPage(FakePage):
    """A call whose button More options opens a menu, with a dialog of layouts behind it. ``pressed`` names what was pressed."""

    def __init__(self, *, takes: bool = True) -> None:
        self.pressed: list[str] = []
        self.open = ""
        self.tiled = False
        self.value = 6
        self.presented = 0
        self.takes = takes
        self.labels = ("Auto", "Tiled", "Spotlight", "Sidebar")
        selectors = {
            "more": meet.MORE_OPTIONS.selector,
            "item": meet.LAYOUT_ITEM.selector,
            "tiled": f'{meet.LAYOUT.selector} >> input[type="radio"] >> nth=1',
            "slider": meet.LAYOUT_SLIDER.selector,
            "close": meet.CLOSE_LAYOUT.selector,
            "leave": press(meet.LEAVE).selector,
        }
        elements = {selector: FakeElement(partial(self._press, name)) for name, selector in selectors.items()}
        elements[meet.LAYOUT_SLIDER.selector] = self.slider = FakeElement()
        super().__init__(None, elements=elements)
        self.keyboard = self

    async def press(self, key: str) -> None:
        self.pressed.append(key)
        self.open = ""

    def _press(self, name: str) -> None:
        self.pressed.append(name)
        match name:
            case "more":
                self.open = "menu"
            case "item" if self.takes:
                self.open = "dialog"
            case "tiled":
                self.tiled = True
            case "close":
                self.open = ""
            case "leave":
                self.open = "left"

    def _look(self) -> object:
        if self.open == "left":
            return {}
        shown = [meet.CALL_CONTROLS, meet.LEAVE, meet.MORE_OPTIONS]
        dialog = self.open == "dialog"
        shown += [meet.MENU, meet.LAYOUT_ITEM] if self.open == "menu" else []
        shown += [meet.LAYOUT, meet.CLOSE_LAYOUT] if dialog else []
        chosen = 1 if self.tiled else 0
        layouts = [{"label": label, "chosen": at == chosen} for at, label in enumerate(self.labels)]
        return {
            "elements": [sign.name for sign in shown],
            "tiles": 2,
            "presented": self.presented,
            "layouts": layouts if dialog else [],
            "slider": {"value": int(self.slider.text or 6), "most": 49} if dialog else None,
            "dialogs": [{"text": "Adjust view", "buttons": [], "layouts": True}] if dialog else [],
        }


async def act(on: MeetCall, times: int) -> None:
    for _ in range(times):
        assert (await on.look(thorough=False)).scene is Scene.CALL
        await on.act()


async def test_a_recording_of_video_chooses_tiles_and_closes_the_dialog(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(layout_keeper, "SETTLE", 0.0)
    page = LayoutPage()
    meeting = call(page, separate_video=True)
    await act(meeting, 10)
    assert page.pressed == ["more", "item", "tiled", "close"]
    assert page.slider.filled == [str(meet.MOST_TILES)]


async def test_of_dialogs_with_unknown_words_only_the_one_that_the_bot_opened_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(layout_keeper, "SETTLE", 0.0)
    page = LayoutPage()
    page.labels = ("a", "b", "c", "d")
    page.open = "dialog"
    meeting = call(page, separate_video=True)
    await act(meeting, 5)
    await meeting.announce("I record this")
    assert page.pressed == []
    page.open = ""
    meeting = call(page, separate_video=True)
    await act(meeting, 10)
    assert page.pressed == ["more", "item", "tiled", "close"]


async def test_other_recordings_leave_the_layout_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout_keeper, "SETTLE", 0.0)
    page = LayoutPage()
    await act(call(page), 5)
    assert page.pressed == []


async def test_a_presentation_has_the_layout_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout_keeper, "SETTLE", 0.0)
    monkeypatch.setattr(layout_keeper, "RETRY_AFTER", 0.0)
    page = LayoutPage()
    meeting = call(page, separate_video=True)
    await act(meeting, 10)
    page.pressed.clear()
    page.tiled, page.presented = False, 1
    monkeypatch.setattr(ActionRetries, "PATIENCE", 0.0)
    await act(meeting, 10)
    assert page.pressed == ["more", "item", "tiled", "close"]


async def test_an_attempt_that_leads_nowhere_closes_its_menu_and_is_said_in_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(layout_keeper, "SETTLE", 0.0)
    monkeypatch.setattr(layout_keeper, "RETRY_AFTER", 0.0)
    monkeypatch.setattr(layout_keeper, "ATTEMPT", -1.0)
    page = LayoutPage(takes=False)
    page.open = "menu"
    meeting = call(page, separate_video=True)
    await act(meeting, 1)
    assert page.pressed == ["Escape"]
    await act(meeting, 4)
    assert caplog.text.count("does not take the layout") == 1
    assert layout_keeper.LAYOUT_FAILED in (await meeting.look(thorough=False)).evidence


async def test_leaving_closes_the_dialog_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout_keeper, "SETTLE", 0.0)
    page = LayoutPage()
    meeting = call(page, separate_video=True)
    await act(meeting, 2)
    assert await meeting.carry_out(PageTask.STAY_ALONE) is TaskOutcome.LATER
    await meeting.leave()
    assert page.pressed == ["more", "item", "close", "leave"]


async def looks(on: MeetCall, thorough: Sequence[bool]) -> list[Any]:
    return [await on.look(thorough=each) for each in thorough]


@pytest.mark.parametrize(
    ("signed_in", "reason"), [(False, Reason.SIGN_IN_REQUIRED), (True, Reason.SIGN_IN_FAILED)]
)
async def test_a_sign_in_page_means_a_failed_sign_in_for_an_account(signed_in: bool, reason: Reason) -> None:
    assert (await call(FakePage(SIGN_IN), signed_in=signed_in).look(thorough=True)).reason is reason


async def test_a_dialog_that_denies_recording_is_read_at_every_look() -> None:
    dialog = {"text": "Recording is not allowed in this call", "buttons": ["Got it"]}
    page = FakePage({**IN_CALL, "dialogs": [dialog]}, {**IN_CALL, "dialogs": [dialog]}, IN_CALL)
    seen = await looks(call(page), [True, False, False])
    assert [view.recording_denied for view in seen] == [True, True, False]


async def test_a_page_that_cannot_be_read_counts_as_opening() -> None:
    page = FakePage(PlaywrightError("Execution context was destroyed"), {"tiles": "many"}, IN_CALL)
    seen = await looks(call(page), [True, True, True])
    assert [view.scene for view in seen] == [Scene.OPENING, Scene.OPENING, Scene.CALL]


async def test_look_raises_once_the_page_is_gone() -> None:
    page = FakePage(PlaywrightError("Target closed\nmore"))
    page.closed = True
    with pytest.raises(CallError, match=r"^the page is gone: Target closed$") as error:
        await call(page).look(thorough=True)
    assert error.value.reason == Reason.BROWSER_DIED


async def test_announce_says_that_the_page_has_no_chat() -> None:
    assert await call(FakePage(IN_CALL)).announce("I record this") is NotAnnounced.NO_CHAT


async def test_leave_does_nothing_where_the_page_has_no_button() -> None:
    await call(FakePage({})).leave()
