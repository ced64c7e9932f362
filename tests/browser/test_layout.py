"""The layout that shows the most videos is chosen in the pages of both platforms, which are left as they were."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from fixtures.replica.meet.scenario import Page
from fixtures.replica.scenario import Participant, Scenario
from fixtures.replica.server import Replica
from fixtures.replica.teams.scenario import TeamsPage
from fixtures.replica.video.scenario import VideoMedia
from tests.support.record_process import settings_for
from worker.browser.launch import launch_browser, new_context
from worker.browser.page_window import PageWindow
from worker.lifecycle.page_view import Scene
from worker.platforms import layout_keeper
from worker.platforms.links import parse_link
from worker.platforms.open_call import open_call

MOST_LOOKS = 300
CHOSEN = "() => document.querySelector('input[name=layout]:checked')?.value ?? ''"
OPEN = "() => document.querySelectorAll('[role=menu], [role=dialog]').length"


def meeting(platform: Literal["google_meet", "microsoft_teams"]) -> Scenario:
    return Scenario(
        title="test",
        platform=platform,
        duration=30.0,
        participants=[Participant(name="Ada Ray", voice="elif", csrc=414, says=[(0.2, 20.0)], host=True)],
        page=Page(lobby=0.0),
        teams=TeamsPage(lobby=0.0),
    )


@pytest.mark.parametrize(
    ("platform", "chosen"), [("google_meet", "tiled"), ("microsoft_teams", "view_gallery")]
)
async def test_a_recording_of_video_chooses_the_layout_with_the_most(
    platform: Literal["google_meet", "microsoft_teams"],
    chosen: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(layout_keeper, "SETTLE", 1.0)
    async with (
        asyncio.timeout(90),
        Replica(meeting(platform), tmp_path / "truth.jsonl") as replica,
        launch_browser(settings_for(replica)) as browser,
    ):
        page = await (await new_context(browser)).new_page()
        window = PageWindow(page, minimizes=False)
        link = parse_link(replica.meeting_url)
        call = open_call(link, page, "Stems", signed_in=False, window=window, separate_video=True)
        await call.open()
        seen: list[str] = []
        for _ in range(MOST_LOOKS):
            view = await call.look(thorough=True)
            await call.act()
            # Before the call the page may navigate at any moment, and what it evaluates then fails.
            if view.scene is Scene.CALL:
                seen.append(await page.evaluate(CHOSEN))
                seen += replica.page_reports[-1].did if replica.page_reports else []
                if chosen in seen and not await page.evaluate(OPEN):
                    break
            await asyncio.sleep(0.05)
        assert chosen in seen
        assert not await page.evaluate(OPEN)
        await call.leave()
        assert await replica.wait_ended() == "left"


async def test_a_look_sees_a_shared_screen_in_teams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the page shows one, and neither before nor after it."""
    seen: list[bool] = []
    follow = layout_keeper.LayoutKeeper.follow

    def note(self: layout_keeper.LayoutKeeper, now: float, *, shares: bool) -> None:
        if [shares] != seen[-1:]:
            seen.append(shares)
        follow(self, now, shares=shares)

    monkeypatch.setattr(layout_keeper.LayoutKeeper, "follow", note)
    scenario = meeting("microsoft_teams")
    (ada,) = scenario.participants
    ada = msgspec.structs.replace(ada, presents=[(5.0, 10.0)])
    scenario = msgspec.structs.replace(scenario, participants=[ada], video=VideoMedia(codec="h264"))
    async with (
        asyncio.timeout(90),
        Replica(scenario, tmp_path / "truth.jsonl") as replica,
        launch_browser(settings_for(replica)) as browser,
    ):
        page = await (await new_context(browser)).new_page()
        link = parse_link(replica.meeting_url)
        window = PageWindow(page, minimizes=False)
        call = open_call(link, page, "Stems", signed_in=False, window=window, separate_video=True)
        await call.open()
        while seen != [False, True, False]:
            assert seen == [False, True, False][: len(seen)]
            await call.look(thorough=True)
            await call.act()
            await asyncio.sleep(0.05)
        await call.leave()
