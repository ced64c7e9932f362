"""Details of joining and leaving a Teams call that the outcomes do not cover."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fixtures.replica.scenario import Participant, Scenario
from fixtures.replica.server import Replica
from fixtures.replica.teams.links import PASSCODE
from fixtures.replica.teams.scenario import TeamsPage
from tests.support.record_process import settings_for
from worker.browser.launch import launch_browser, new_context
from worker.lifecycle.page_view import Scene, View
from worker.platforms.call import CallError
from worker.platforms.teams import signs as teams
from worker.platforms.teams.call import TeamsCall
from worker.platforms.teams.link import parse_teams_link

ADA = Participant(name="Ada Ray", voice="elif", csrc=414, says=[(0.2, 20.0)], host=True)


@asynccontextmanager
async def guest(tmp_path: Path, **page: Any) -> AsyncIterator[tuple[Replica, TeamsCall]]:
    """A bot with a blank page, and the replica that it can join."""
    scenario = Scenario(
        title="test",
        platform="microsoft_teams",
        duration=20.0,
        participants=[ADA],
        teams=TeamsPage(**page),
    )
    async with (
        asyncio.timeout(90),
        Replica(scenario, tmp_path / "truth.jsonl") as replica,
        launch_browser(settings_for(replica)) as browser,
    ):
        context = await new_context(browser)
        yield replica, TeamsCall(await context.new_page(), parse_teams_link(replica.meeting_url), "Stems")


async def until(call: TeamsCall, scene: Scene) -> View:
    while (view := await call.look(thorough=True)).scene is not scene:
        await call.act()
        await asyncio.sleep(0.1)
    return view


async def test_leaving_the_lobby_withdraws_the_request(tmp_path: Path) -> None:
    async with guest(tmp_path, lobby=30.0) as (replica, call):
        await call.open()
        view = await until(call, Scene.LOBBY)
        assert view.evidence == ("lobby.let_in",)
        await call._driver.shown(teams.CANCEL.selector).wait_for()
        await call.leave()
        assert await replica.wait_ended() == "left"


@pytest.mark.parametrize("client", ["light", "full"])
async def test_leave_ends_the_call(tmp_path: Path, client: str) -> None:
    async with guest(tmp_path, lobby=0.0, client=client) as (replica, call):
        await call.open()
        await until(call, Scene.CALL)
        await call.leave()
        assert await replica.wait_ended() == "left"
        assert (await until(call, Scene.OVER)).evidence == ("over.left",)
        await call.leave()  # there is nothing left to leave


async def test_chromiums_dialog_about_the_app_does_not_block_joining(tmp_path: Path) -> None:
    async with guest(tmp_path, lobby=0.0, launcher=True, opens_app=True) as (replica, call):
        page = call._driver.page
        await page.goto(replica.meeting_url)  # not by open(), which prevents the dialog
        await until(call, Scene.CALL)
        assert replica.bot_name == "Stems"


async def test_other_windows_are_closed(tmp_path: Path) -> None:
    async with guest(tmp_path, lobby=30.0) as (_, call):
        await call.open()
        await until(call, Scene.LOBBY)  # the launcher is a page before
        page = call._driver.page
        async with page.expect_popup() as opened:
            await page.evaluate("() => void window.open('about:blank')")
        popup = await opened.value
        while not popup.is_closed():  # noqa: ASYNC110 - waits until it is closed
            await asyncio.sleep(0.05)
        assert page.context.pages == [page]


async def test_a_closed_page_raises_browser_died(tmp_path: Path) -> None:
    async with guest(tmp_path) as (_, call):
        await call.open()
        await call._driver.page.close()
        with pytest.raises(CallError, match="the page is gone") as gone:
            await call.look(thorough=True)
        assert gone.value.reason == "browser_died"


async def test_the_error_for_a_page_that_does_not_load_has_no_passcode(tmp_path: Path) -> None:
    async with guest(tmp_path) as (_, call):
        await call._driver.page.context.route("**/*", lambda route: route.abort())
        with pytest.raises(CallError) as refusal:
            await call.open()
    assert refusal.value.reason == "page_not_loaded"
    assert "https://teams.microsoft.com/meet/2519304817762: does not load: " in str(refusal.value)
    assert PASSCODE not in str(refusal.value)
