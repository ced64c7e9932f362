"""How a Chromium's end is noticed, and what it is made of."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from playwright.async_api import Error as PlaywrightError

from tests.browser.recordings import chromium_of
from worker.browser.launch import BrowserSession, ChromiumLaunchError, launch_browser, new_context
from worker.browser.processes import browser_processes, cpu_seconds, is_alive
from worker.settings import Settings


async def died(session: BrowserSession) -> str:
    async with asyncio.timeout(10):
        return await session.died


async def test_a_closed_browser_has_not_died() -> None:
    async with launch_browser(Settings.from_environment(os.environ)) as session:
        context = await new_context(session)
        page = await context.new_page()
        assert await page.evaluate("navigator.language") == "en-US"
        processes = browser_processes()
        assert len(processes.driver) == 1
        assert cpu_seconds(processes.chromium) > 0
    assert not session.died.done()
    assert not any(is_alive(pid) for pid in processes.chromium)


async def test_chromium_that_is_killed_has_died(browser_session: BrowserSession) -> None:
    os.kill(chromium_of(os.getpid()), signal.SIGKILL)
    assert await died(browser_session) == "Chromium ended unexpectedly"


async def test_a_page_that_crashes_is_a_death(browser_session: BrowserSession) -> None:
    page = await (await new_context(browser_session)).new_page()
    with pytest.raises(PlaywrightError):
        await page.goto("chrome://crash")
    assert await died(browser_session) == "the page crashed: about:blank"


async def test_a_driver_that_is_killed_is_a_death(browser_session: BrowserSession) -> None:
    os.kill(browser_processes().driver[0], signal.SIGKILL)
    assert await died(browser_session) == "Playwright's driver ended unexpectedly"


async def test_an_executable_that_is_no_chromium(tmp_path: Path) -> None:
    impostor = tmp_path / "chromium"
    impostor.write_text("#!/bin/sh\nexit 3\n")
    impostor.chmod(0o755)
    with pytest.raises(ChromiumLaunchError, match=r"^[^\n]*chromium did not start: [^\n]+$"):
        async with launch_browser(Settings(chromium=str(impostor))):
            pass
