"""The server's page in a real Chromium: what a person does with it by keyboard, at two widths, in light and dark."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import uvicorn
from playwright.async_api import BrowserContext, Page, expect

from tests.support.api import KEY, MEETING, Api
from tests.support.audio_files import write_tone
from worker.browser.launch import BrowserSession
from worker.server.page import live
from worker.states import State

WAIT: Final = 20_000.0
"""Milliseconds for what takes one where the machine has nothing else to do."""

SHOWS_FOCUS: Final = """() => [null, "::after"].some(
  (part) => getComputedStyle(document.activeElement, part).outlineStyle !== "none"
)"""

CHECKS: Final = (Path(__file__).parents[1] / "support" / "page_checks.js").read_text("utf-8")


@asynccontextmanager
async def serving(api: Api) -> AsyncIterator[str]:
    """The API behind a port of this machine; yields its address."""
    config = uvicorn.Config(
        api.app, host="127.0.0.1", port=0, ws="none", log_config=None, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(20):
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.02)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        api.services.stopping.set()
        server.should_exit = True
        async with asyncio.timeout(20):
            await asyncio.gather(task, return_exceptions=True)


async def open_page(context: BrowserContext, complaints: list[str]) -> Page:
    page = await context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page


async def tab_to(page: Page, selector: str) -> None:
    """Presses Tab until the element has the focus, which has to be visible there."""
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await page.evaluate("selector => document.activeElement?.matches(selector)", selector):
            assert await page.evaluate(SHOWS_FOCUS)
            return
    raise AssertionError(f"Tab does not reach {selector}")


async def test_a_person_signs_in_sends_a_bot_sees_it_live_and_hears_what_it_recorded(
    browser_session: BrowserSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LOOK", 0.1)
    api = Api(tmp_path)
    tone = tmp_path / "tone.webm"
    write_tone(tone, 5.0)
    complaints: list[str] = []
    async with serving(api) as address:
        context = await browser_session.browser.new_context(viewport={"width": 1280, "height": 800})
        page = await open_page(context, complaints)

        await page.goto(f"{address}/")
        await expect(page.locator("#key")).to_be_focused(timeout=WAIT)
        await page.keyboard.type(KEY)
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"{address}/")
        await expect(page.get_by_text("No bots yet")).to_be_visible(timeout=WAIT)
        await expect(page.locator("#live")).to_have_text("Live", timeout=WAIT)
        await check(page, complaints)

        sender = await open_page(context, complaints)
        await sender.goto(f"{address}/")
        await tab_to(sender, "#link")
        await sender.keyboard.type("https://zoom.us/j/1")
        await sender.keyboard.press("Enter")
        await expect(sender.locator("#link-error")).to_contain_text(
            "This is no link to a Google Meet or Microsoft Teams call", timeout=WAIT
        )
        await expect(sender.locator("#link")).to_be_focused(timeout=WAIT)
        # Chromium says so of every page that it is answered with this status.
        complaints.remove("Failed to load resource: the server responded with a status of 400 (Bad Request)")
        await check(sender, complaints)
        await sender.locator("#link").fill(MEETING)
        await tab_to(sender, "#name")
        await sender.keyboard.type("Minutes <b>")
        await tab_to(sender, "button.main")
        await sender.keyboard.press("Enter")
        await expect(sender.locator(".bot")).to_have_count(1, timeout=WAIT)

        row = page.locator(".bot")
        await expect(row.locator(".name")).to_have_text("Minutes <b>", timeout=WAIT)
        await expect(row.locator(".badge")).to_have_text("Waiting for a worker", timeout=WAIT)
        await expect(page.get_by_text("No bots yet")).to_be_hidden(timeout=WAIT)
        (job,) = api.desk.jobs
        await tab_to(page, ".bot .name")
        api.enter(job.bot_id, State.JOINING, State.IN_CALL_NOT_RECORDING, State.IN_CALL_RECORDING)
        await expect(row.locator(".badge")).to_have_text("Recording", timeout=WAIT)
        await expect(row.locator(".name")).to_be_focused(timeout=WAIT)
        await check(page, complaints)

        await page.keyboard.press("Enter")
        await page.wait_for_url(f"{address}/bots/{job.bot_id}")
        await expect(page.locator("#bot-commands button").first).to_be_enabled(timeout=WAIT)
        await check(page, complaints)
        manifest = api.record(job.bot_id)
        folder = api.bots.keys_of(job.bot_id).folder
        for _, segment in manifest.segments():
            api.store.put(f"{folder}{segment.url}", tone.read_bytes(), content_type="audio/webm")
        await expect(page.locator("#bot-head .badge")).to_have_text("Done", timeout=WAIT)
        await expect(page.locator("audio")).to_have_count(3, timeout=WAIT)
        await expect(page.locator("#bot-commands")).to_be_hidden(timeout=WAIT)
        player = page.get_by_label("Audio of Ada Lovelace")
        await player.evaluate("audio => { audio.muted = true; return audio.play(); }")
        await page.wait_for_function("audio => audio.currentTime > 0", arg=await player.element_handle())
        await check(page, complaints)
        await page.goto(f"{address}/bots/{job.bot_id}/delete")
        await check(page, complaints)
        assert [cookie["name"] for cookie in await context.cookies()] == ["meetstems_session"]
        assert await page.evaluate("document.cookie") == ""
        await context.close()
    assert complaints == []


async def check(page: Page, complaints: list[str]) -> None:
    """Looks at the page at two widths, in light and in dark."""
    size: Any = page.viewport_size
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        for width in (1280, 320):
            await page.set_viewport_size({"width": width, "height": 800})
            found = await page.evaluate(CHECKS)
            complaints += [f"{page.url} {scheme} {width}: {each}" for each in found]
    await page.set_viewport_size(size)
