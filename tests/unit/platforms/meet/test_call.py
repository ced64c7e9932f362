"""A Google Meet call, with a fake page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page

from tests.support.fake_page import FakePage
from worker.lifecycle.announcement import NotAnnounced
from worker.lifecycle.page_view import Scene
from worker.platforms.call import CallError
from worker.platforms.meet import signs as meet
from worker.platforms.meet.call import MeetCall
from worker.platforms.meet.link import parse_meet_link
from worker.reasons import Reason

LINK = parse_meet_link("https://meet.google.com/abc-defg-hij")
IN_CALL = {"elements": [meet.CALL_CONTROLS.name], "tiles": 2}
SIGN_IN = {"headings": ["Sign in"], "text": "Use your Google Account"}


def call(page: FakePage, *, signed_in: bool = False) -> MeetCall:
    return MeetCall(cast(Page, page), LINK, "Stems", signed_in=signed_in)


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
