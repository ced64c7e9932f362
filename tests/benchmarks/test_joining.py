"""How soon the bot asks to join, beside a bare Playwright script that knows the page and presses the same button."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Final

import pytest
from playwright.async_api import async_playwright

from fixtures.replica.server import Replica
from tests.support.record_process import meeting, settings_for
from worker.browser.launch import LAUNCH_ARGS, find_chromium
from worker.lifecycle.ending import Ending
from worker.platforms.links import parse_link
from worker.recording.observer import RecordingObserver
from worker.recording.outcome import RecordingRequest
from worker.recording.session import attend
from worker.rendering.renderer import Renderer

ROUNDS: Final = 7
MOST_TIMES: Final = 5.0
"""Both need the page's scripts. The worker then looks four times a second and takes one step after each look."""
LOBBY: Final = 3600.0
BOT_NAME: Final = "Stems"


@pytest.mark.timeout(300)
async def test_the_bot_asks_to_join_soon_after_the_page_can_be_used(tmp_path: Path) -> None:
    by_script, by_worker = [], []
    for number in range(ROUNDS):
        by_script.append(await asked_after(_script_asks, tmp_path / f"script-{number}"))
        by_worker.append(await asked_after(_worker_asks, tmp_path / f"worker-{number}"))
    ratio = median(by_worker) / median(by_script)
    print(
        f"\npage served to asked to join, medians of {ROUNDS}: a bare script {median(by_script):.2f} s, "
        f"the worker {median(by_worker):.2f} s, {ratio:.2f} times as long"
    )
    assert ratio <= MOST_TIMES


async def asked_after(ask: Callable[[Replica, Path], Awaitable[None]], folder: Path) -> float:
    """Seconds from serving the page to its request to join, on the replica's clock. ``ask`` is cancelled then."""
    await asyncio.to_thread(folder.mkdir)
    async with Replica(meeting(60, lobby=LOBBY), folder / "truth.jsonl") as replica:
        asking = asyncio.ensure_future(ask(replica, folder))
        try:
            async with asyncio.timeout(60):
                while not replica.bot_name:
                    assert not asking.done(), asking.result()
                    await asyncio.sleep(0.01)
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        sent = {what: at for at, what in reversed(replica.sent_to_page)}
    return sent["lobby"] - sent["page"]


async def _script_asks(replica: Replica, _folder: Path) -> None:
    settings = settings_for(replica)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=find_chromium(settings, playwright.chromium.executable_path),
            args=[*LAUNCH_ARGS, *settings.chromium_args],
            chromium_sandbox=False,
        )
        page = await browser.new_page(locale=settings.locale)
        await page.goto(replica.meeting_url)
        await page.fill('input[type=text][aria-label="Your name"]', BOT_NAME)
        await page.click("button:has(span:text-is('Ask to join'))")
        await asyncio.Event().wait()


async def _worker_asks(replica: Replica, folder: Path) -> None:
    output = folder / "out"
    stopped: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
    request = RecordingRequest("joining", parse_link(replica.meeting_url), output, BOT_NAME)
    await attend(
        request,
        settings_for(replica),
        RecordingObserver(),
        lambda platform: Renderer(output, platform),
        stopped,
    )
