"""One Chromium for several recordings, where its launch is not what is tested: a launch costs more CPU time than a short call.
Every recording has a profile of its own (Playwright's context), as always.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from unittest.mock import patch

from fixtures.replica.entrance import Entrance
from fixtures.replica.scenario import Scenario
from fixtures.replica.server import open_entrance
from tests.support.record_process import settings_for
from worker.browser.launch import CLOSE_TIMEOUT, BrowserSession, launch_browser
from worker.recording import session
from worker.settings import BrowserSettings


@asynccontextmanager
async def shared_chromiums(scenario: Scenario, number: int) -> AsyncIterator[asyncio.Queue[Entrance]]:
    """Runs ``number`` of Chromium for replicas of the scenario's platform, and yields their entrances.

    Recordings of this process that are sent to a replica at one of the entrances use its Chromium in place of their own. Who
    takes an entrance out of the queue has it for one recording at a time, and puts it back.
    """
    running: dict[tuple[str, ...], BrowserSession] = {}

    @asynccontextmanager
    async def use_running(settings: BrowserSettings) -> AsyncIterator[BrowserSession]:
        shared = running[settings.chromium_args]
        died: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def pass_on(reason: asyncio.Future[str]) -> None:
            if not reason.cancelled() and not died.done():
                died.set_result(reason.result())

        shared.died.add_done_callback(pass_on)
        try:
            yield BrowserSession(shared.browser, shared.executable, settings, died)
        finally:
            shared.died.remove_done_callback(pass_on)
            async with asyncio.timeout(CLOSE_TIMEOUT):
                for context in shared.browser.contexts:
                    await context.close()

    entrances: asyncio.Queue[Entrance] = asyncio.Queue()
    async with AsyncExitStack() as stack:
        for _ in range(number):
            entrance = stack.enter_context(closing(open_entrance(scenario)))
            settings = settings_for(entrance)
            running[settings.chromium_args] = await stack.enter_async_context(launch_browser(settings))
            entrances.put_nowait(entrance)
        with patch.object(session, "launch_browser", use_running):
            yield entrances
