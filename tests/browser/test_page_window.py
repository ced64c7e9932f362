"""A minimized page: what it costs is paid in animation frames only, and both platforms' steps work."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from pathlib import Path

import msgspec
import pytest
from playwright.async_api import Page

from fixtures.replica.scenario import Participant, Scenario
from fixtures.replica.server import Replica
from tests.browser.test_launch import NEEDS_XVFB
from tests.support.record_process import settings_for
from worker.browser import page_window
from worker.browser.launch import BrowserSession, launch_browser, new_context
from worker.browser.page_window import PageWindow
from worker.lifecycle.page_view import Scene
from worker.platforms.links import parse_link
from worker.platforms.open_call import open_call
from worker.platforms.page_actions import Click
from worker.platforms.page_driver import PageDriver
from worker.platforms.registry import Platform
from worker.settings import BrowserSettings

ADA = Participant(name="Ada Ray", voice="elif", csrc=401, says=[(0.2, 50.0)], host=True)
PAGE = """<!doctype html><button onclick="pressed = event.isTrusted">Go</button>
<style>@keyframes moving { to { transform: translateX(90px); } } p { animation: moving 1s infinite; }</style><p>Moving"""
"""Only a page that changes to the eye gets fewer animation frames."""


@pytest.fixture(autouse=True)
def rest_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_window, "REST_AFTER", 0.0)


async def animation_frames(page: Page) -> int:
    """In one second."""
    count: int = await page.evaluate(
        """() => new Promise((resolve) => {
          let frames = 0;
          const count = () => { frames += 1; requestAnimationFrame(count); };
          requestAnimationFrame(count);
          setTimeout(() => resolve(frames), 1000);
        })"""
    )
    return count


async def check_a_minimized_page(session: BrowserSession, most_frames: int) -> None:
    page = await (await new_context(session)).new_page()
    await page.set_content(PAGE)
    window = PageWindow(page)
    driver = PageDriver(page, "Stems", window)
    assert await animation_frames(page) >= 10
    size = await page.evaluate("[innerWidth, innerHeight]")
    await window.rest()
    assert window.minimized
    await page.wait_for_timeout(500)
    assert await animation_frames(page) <= most_frames
    seen = await page.evaluate("[document.visibilityState, document.hasFocus(), innerWidth, innerHeight]")
    assert seen == ["visible", True, *size]
    began = time.monotonic()
    assert await driver.perform(Click("button"))
    assert time.monotonic() - began < 1.5
    assert await page.evaluate("pressed")
    assert not window.minimized
    assert await animation_frames(page) >= 10
    await window.rest()
    assert window.minimized


async def test_a_minimized_page_runs_and_takes_a_click(browser_session: BrowserSession) -> None:
    await check_a_minimized_page(browser_session, 3)


@NEEDS_XVFB
async def test_a_headed_page_takes_a_click_whether_minimizing_has_an_effect_or_not() -> None:
    settings = BrowserSettings.from_environment(os.environ)
    async with launch_browser(msgspec.structs.replace(settings, headed=True, display=None)) as session:
        # Without a window manager, X windows stay where they are.
        await check_a_minimized_page(session, 100)


async def test_a_window_that_cannot_be_minimized_is_reported_once_and_left_alone(
    browser_session: BrowserSession, caplog: pytest.LogCaptureFixture
) -> None:
    page = await (await new_context(browser_session)).new_page()
    window = PageWindow(page)
    await page.close()
    with caplog.at_level(logging.INFO, page_window.__name__):
        await window.rest()
        await window.rest()
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["the window is not minimized"]
    assert not window.minimized


@pytest.mark.timeout(120)
@pytest.mark.parametrize("platform", Platform)
async def test_a_minimized_bot_writes_in_the_chat_and_leaves(tmp_path: Path, platform: Platform) -> None:
    scenario = Scenario(title="test", platform=platform.value, duration=50.0, participants=[ADA])
    async with (
        asyncio.timeout(100),
        Replica(scenario, tmp_path / "truth.jsonl") as replica,
        launch_browser(settings_for(replica)) as browser,
    ):
        page = await (await new_context(browser)).new_page()
        window = PageWindow(page)
        call = open_call(parse_link(replica.meeting_url), page, "Stems", signed_in=False, window=window)
        await call.open()
        while (await call.look(thorough=True)).scene is not Scene.CALL:
            await call.act()
            await asyncio.sleep(0.1)
        await window.rest()
        assert window.minimized
        assert await call.announce("I record this") is None
        assert replica.chat == ["I record this"]
        await window.rest()
        assert window.minimized
        await call.leave()
        assert await replica.wait_ended() == "left"
