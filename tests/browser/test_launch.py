"""How Chromium is launched, and how its end is detected."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from pathlib import Path

import msgspec
import psutil
import pytest
from playwright.async_api import Browser
from playwright.async_api import Error as PlaywrightError

from fixtures.replica.server import Replica
from tests.support.cookies import COOKIE, GOOD_COOKIES, LOST_COOKIES, WRONG_COOKIES
from tests.support.noting_proxy import noting_proxy
from tests.support.record_process import Command, assert_complete, chromium_of, meeting, settings_for
from worker.browser import launch
from worker.browser.launch import BrowserSession, ChromiumLaunchError, launch_browser, new_context
from worker.browser.processes import browser_processes, cpu_seconds, is_alive
from worker.browser.storage_state import StorageStateError
from worker.settings import BrowserSettings


async def died(session: BrowserSession) -> str:
    async with asyncio.timeout(60):
        return await session.died


async def test_closing_the_browser_is_not_reported_as_a_death() -> None:
    async with launch_browser(BrowserSettings.from_environment(os.environ)) as session:
        context = await new_context(session)
        page = await context.new_page()
        assert await page.evaluate("navigator.language") == "en-US"
        processes = browser_processes()
        assert len(processes.driver) == 1
        assert cpu_seconds(processes.chromium) > 0
    assert not session.died.done()
    assert not any(is_alive(pid) for pid in processes.chromium)


async def test_a_proxy_is_asked_for_the_meeting_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with noting_proxy() as proxy:
        for name, value in proxy.environment.items():
            monkeypatch.setenv(name, value)
        async with launch_browser(BrowserSettings.from_environment(os.environ)) as session:
            page = await (await new_context(session)).new_page()
            # What Chromium asks for on its own comes within the first second, and again after some.
            await page.wait_for_timeout(3000)
            await page.goto("http://meeting.test/")
        assert all(" http://meeting.test/" in request for request in proxy.asked), proxy.asked


async def test_the_disabled_features_are_playwrights_and_ours(browser_session: BrowserSession) -> None:
    command = psutil.Process(chromium_of(os.getpid())).cmdline()
    switch = "--disable-features="
    playwrights, last = (set(arg[len(switch) :].split(",")) for arg in command if arg.startswith(switch))
    assert playwrights == set(launch.PLAYWRIGHT_DISABLED_FEATURES)
    assert last >= {*playwrights, *launch.DISABLED_FEATURES}


@pytest.mark.parametrize("theirs", ["", "--max-old-space-size=300"])
async def test_only_the_driver_gets_its_options(monkeypatch: pytest.MonkeyPatch, theirs: str) -> None:
    monkeypatch.setenv("NODE_OPTIONS", theirs)
    async with launch_browser(BrowserSettings.from_environment(os.environ)):
        assert os.environ["NODE_OPTIONS"] == theirs
        (driver,) = browser_processes().driver
        options = psutil.Process(driver).environ()["NODE_OPTIONS"]
    assert options == f"{launch.DRIVER_OPTIONS} {theirs}".strip()


async def test_a_driver_with_a_small_heap_passes_large_results(browser_session: BrowserSession) -> None:
    page = await (await new_context(browser_session)).new_page()
    for _ in range(5):
        assert len(await page.evaluate("'ä'.repeat(12 * 1024 * 1024)")) == 12 * 1024 * 1024


async def test_a_killed_chromium_is_reported_as_a_death(browser_session: BrowserSession) -> None:
    os.kill(chromium_of(os.getpid()), signal.SIGKILL)
    assert await died(browser_session) == "Chromium ended unexpectedly"


async def test_a_crashed_page_is_reported_as_a_death(browser_session: BrowserSession) -> None:
    page = await (await new_context(browser_session)).new_page()
    with pytest.raises(PlaywrightError):
        await page.goto("chrome://crash")
    assert await died(browser_session) == "the page crashed"


async def test_a_killed_driver_is_reported_as_a_death(browser_session: BrowserSession) -> None:
    os.kill(browser_processes().driver[0], signal.SIGKILL)
    assert await died(browser_session) == "Playwright's driver ended unexpectedly"


async def test_an_executable_that_is_not_chromium_raises_a_launch_error(tmp_path: Path) -> None:
    impostor = tmp_path / "chromium"
    impostor.write_text("#!/bin/sh\necho install the snap >&2\nexit 3\n")
    impostor.chmod(0o755)
    with pytest.raises(
        ChromiumLaunchError, match=r"^[^\n]*chromium did not start: [^\n]+; its last words: install the snap$"
    ):
        async with launch_browser(BrowserSettings(chromium=str(impostor))):
            pass


NEEDS_XVFB = pytest.mark.skipif(shutil.which("Xvfb") is None, reason="no Xvfb here (apt install xvfb)")


@NEEDS_XVFB
async def test_a_headed_chromium_starts_its_own_xvfb(tmp_path: Path) -> None:
    own = BrowserSettings.from_environment(os.environ)
    headed = msgspec.structs.replace(own, headed=True, display=None, locale="de-AT")
    async with launch_browser(headed) as session:
        screens = [child for child in psutil.Process().children() if child.name() == "Xvfb"]
        assert len(screens) == 1
        page = await (await new_context(session)).new_page()
        seen = await page.evaluate("[navigator.userAgent, navigator.language, document.visibilityState]")
        assert "Headless" not in seen[0]
        assert seen[1:] == ["de-AT", "visible"]
    assert not screens[0].is_running()


@NEEDS_XVFB
async def test_a_meeting_is_recorded_with_a_headed_chromium(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setenv("MEETSTEMS_HEADED", "1")
    async with Replica(meeting(3), tmp_path / "truth.jsonl") as replica:
        command = await Command.record(replica, tmp_path / "out")
        done = await command.finish()
    assert (done.exit_code, done.err) == (0, [])
    manifest = assert_complete(tmp_path / "out")
    assert [person.participant_name for person in manifest.participants] == ["Ada Ray", "Ben Oak"]


async def test_a_storage_state_signs_the_page_in(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    cookie = {"name": "SID", "value": "a-session", "domain": ".google.com", "path": "/", "expires": -1}
    cookie |= {"httpOnly": False, "secure": True, "sameSite": "None"}
    item = {"name": "account", "value": "0"}
    origins = [{"origin": "https://meet.google.com", "localStorage": [item]}]
    state.write_text(json.dumps({"cookies": [cookie], "origins": origins}), "utf-8-sig")
    async with Replica(meeting(60), tmp_path / "truth.jsonl") as replica:
        settings = msgspec.structs.replace(settings_for(replica), storage_state=state)
        async with launch_browser(settings) as session:
            page = await (await new_context(session)).new_page()
            async with page.expect_request(lambda request: request.is_navigation_request()) as navigation:
                await page.goto(replica.meeting_url)
            headers = await (await navigation.value).all_headers()
            assert headers["cookie"] == "SID=a-session"
            assert headers["accept-language"].startswith("en-US")
            assert await page.evaluate("[document.cookie, localStorage.account]") == ["SID=a-session", "0"]

            state.write_text('{"cookies": [{"name": "SID", "value": "a-session"}]}')
            with pytest.raises(StorageStateError) as caught:
                await new_context(session)
    assert "a-session" not in str(caught.value)


async def test_storage_states_are_judged_as_chromium_judges_them(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    expected = {name: (more, "kept") for name, more in GOOD_COOKIES.items()}
    expected |= {name: (more, "lost") for name, more in LOST_COOKIES.items()}
    expected |= {name: (more, "refused") for name, (more, _) in WRONG_COOKIES.items()}
    async with launch_browser(BrowserSettings.from_environment(os.environ)) as session:
        for name, (more, judged) in expected.items():
            path.write_text(json.dumps({"cookies": [COOKIE | more]}))
            assert await judge(session.browser, path) == judged, name


async def judge(browser: Browser, state: Path) -> str:
    try:
        context = await browser.new_context(storage_state=state)
    except PlaywrightError:
        return "refused"
    cookies = await context.cookies()
    await context.close()
    return "kept" if cookies else "lost"
