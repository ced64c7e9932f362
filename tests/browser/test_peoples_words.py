"""What people write changes nothing, wherever a page shows it; what the platform itself says does. In a real Chromium."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import pytest
from playwright.async_api import Page, WebSocketRoute, async_playwright

from fixtures.replica.scenario import Scenario
from fixtures.replica.server import Replica
from fixtures.replica.words import Place
from tests.browser.test_selectors import CALL, PEOPLE, TEAMS_CALL, TILES
from worker.browser.launch import find_chromium
from worker.lifecycle.page_view import Scene, View
from worker.platforms.meet import rules as meet_rules
from worker.platforms.meet import signs as meet
from worker.platforms.meet.facts import Facts as MeetFacts
from worker.platforms.page_actions import Step
from worker.platforms.page_driver import PageDriver, reading_script
from worker.platforms.registry import Platform
from worker.platforms.signs import Sign
from worker.platforms.teams import rules as teams_rules
from worker.platforms.teams import signs as teams
from worker.platforms.teams.facts import Facts as TeamsFacts
from worker.settings import BrowserSettings

PLACES: tuple[Place, ...] = get_args(Place)
KNOWN_PLACES: tuple[Place, ...] = ("chat", "live", "caption", "name", "tooltip")
"""Places that count as people's even before the call was seen."""

PLATFORM_NAMES: dict[Platform, Literal["google_meet", "microsoft_teams"]] = {
    Platform.GOOGLE_MEET: "google_meet",
    Platform.MICROSOFT_TEAMS: "microsoft_teams",
}


class Reading(NamedTuple):
    """What a look at the page leads to."""

    view: View
    steps: list[Step]


class Guest:
    """A page of the replica that the test itself leads through the meeting, and that is read as the bot reads it."""

    def __init__(self, platform: Platform, page: Page, meeting: WebSocketRoute) -> None:
        self.page = page
        self._platform = platform
        self._meeting = meeting
        self._driver = PageDriver(page, "Stems")

    def send(self, *messages: dict[str, Any]) -> None:
        for message in messages:
            self._meeting.send(json.dumps(message))

    async def show(self, place: Place, texts: list[str]) -> None:
        """Shows what people write; returns once the page shows it."""
        for text in texts:
            self.send({"type": "words", "place": place, "text": text})
        await self.page.wait_for_function("(text) => document.body.textContent.includes(text)", arg=texts[-1])

    async def clear(self, texts: list[str]) -> None:
        self.send({"type": "no_words"})
        await self.page.wait_for_function(
            "(text) => !document.body.textContent.includes(text)", arg=texts[-1]
        )

    async def read(self, *, entered: bool) -> Reading:
        if self._platform is Platform.GOOGLE_MEET:
            wanted = {**meet.OBSERVED, "withText": True}
            seen = await self._driver.observe(reading_script("worker.platforms.meet"), wanted, MeetFacts)
            view = meet_rules.view(seen, meet_rules.Past(asked=True, entered=entered))
            return Reading(view, list(meet_rules.steps(seen)))
        wanted = {**teams.OBSERVED, "withText": True}
        facts = await self._driver.observe(reading_script("worker.platforms.teams"), wanted, TeamsFacts)
        past = teams_rules.Past(asked=True, entered=entered)
        steps = list(teams_rules.steps(facts, past, with_video=False))
        return Reading(teams_rules.view(facts, past), steps)


@asynccontextmanager
async def guest_in_a_call(platform: Platform, tmp_path: Path) -> AsyncIterator[Guest]:
    scenario = Scenario(title="words", duration=60.0, platform=PLATFORM_NAMES[platform])
    async with Replica(scenario, tmp_path / "truth.jsonl") as replica, async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=find_chromium(BrowserSettings.from_environment({})),
            args=replica.chromium_args,
            chromium_sandbox=False,
        )
        page = await chromium.new_page(locale="en-US")
        sockets: asyncio.Queue[WebSocketRoute] = asyncio.Queue()
        await page.route_web_socket(re.compile("/replica/meeting|trouter"), sockets.put_nowait)
        await page.goto(replica.meeting_url)
        while "trouter" in (meeting := await sockets.get()).url:
            pass
        guest = Guest(platform, page, meeting)
        if platform is Platform.GOOGLE_MEET:
            guest.send(CALL, TILES)
            await page.wait_for_selector(".tiles [data-participant-id]")
            await page.get_by_label("Turn off microphone").click()
            await page.get_by_label("Turn off camera").click()
        else:
            guest.send(*TEAMS_CALL)
            await page.wait_for_selector(".bar .hangup")
            await page.get_by_label("Dismiss").click()
            guest.send({"type": "people", "people": PEOPLE, "objects": False})
            await page.wait_for_selector(teams.STREAM.selector)
        yield guest
        await chromium.close()


def sayings(signs: tuple[Sign, ...]) -> list[str]:
    """Everything that a page could say to have an effect: each sign's phrases and the labels of its buttons."""
    phrases = [phrase for sign in signs for phrase in sign.phrases]
    return list(dict.fromkeys([*phrases, *(label for sign in signs for label in sign.labels)]))


SAYINGS = {Platform.GOOGLE_MEET: sayings(meet.SIGNS), Platform.MICROSOFT_TEAMS: sayings(teams.SIGNS)}


NO_CALL = (Scene.ASKED, Scene.LOBBY, Scene.HOST_ABSENT)
"""While a call hides itself, its lobby's words may count: they end no recording."""


@pytest.mark.parametrize("platform", Platform)
async def test_nothing_that_people_write_has_an_effect(platform: Platform, tmp_path: Path) -> None:
    texts = SAYINGS[platform]
    async with guest_in_a_call(platform, tmp_path) as guest:
        quiet = await guest.read(entered=True)
        assert (quiet.view.scene, quiet.steps) == (Scene.CALL, [])
        for place in PLACES:
            await guest.show(place, texts)
            for entered in (True, False) if place in KNOWN_PLACES else (True,):
                view, steps = await guest.read(entered=entered)
                assert view.scene in (NO_CALL if place == "hidden_call" else (Scene.CALL,)), (place, view)
                assert not view.recording_denied, (place, view)
                assert steps == [], (place, entered)
            await guest.clear(texts)
        assert await guest.read(entered=True) == quiet


async def test_a_dialog_of_meets_own_denies_recording(tmp_path: Path) -> None:
    async with guest_in_a_call(Platform.GOOGLE_MEET, tmp_path) as guest:
        guest.send({"type": "recording_denied"})
        await guest.page.wait_for_selector(meet.DIALOG.selector)
        view, steps = await guest.read(entered=True)
        assert (view.scene, view.recording_denied) == (Scene.CALL, True)
        assert view.detail == "Recording is not allowed in this call"
        assert steps == []


ENDS = {
    Platform.GOOGLE_MEET: ({"type": "over", "how": "removed"}, meet.REMOVED),
    Platform.MICROSOFT_TEAMS: ({"type": "show", "screen": "removed"}, teams.REMOVED),
}


@pytest.mark.parametrize("platform", Platform)
async def test_the_platforms_own_last_page_ends_the_call(platform: Platform, tmp_path: Path) -> None:
    message, sign = ENDS[platform]
    async with guest_in_a_call(platform, tmp_path) as guest:
        guest.send(message)
        await guest.page.get_by_role("heading", name=re.compile("removed")).wait_for()
        view, _ = await guest.read(entered=True)
        assert (view.scene, view.reason) == (Scene.OVER, sign.reason)
