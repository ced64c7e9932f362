"""One plain Chromium that visits any number of the replica's meetings, one after the other: starting one for each takes longer
than most visits.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from fixtures.replica.entrance import Entrance
from fixtures.replica.scenario import Scenario
from fixtures.replica.server import Replica
from worker.browser.launch import CLOSE_TIMEOUT, find_chromium
from worker.settings import BrowserSettings


class ReplicaBrowser:
    """The Chromium, which reaches the replica by way of ``entrance``."""

    def __init__(self, context: BrowserContext, entrance: Entrance) -> None:
        self._context = context
        self._entrance = entrance

    @asynccontextmanager
    async def visiting(self, scenario: Scenario, truth: Path) -> AsyncIterator[tuple[Replica, Page]]:
        """The replica of ``scenario``, and an empty page."""
        async with Replica(scenario, truth, entrance=self._entrance) as replica:
            page = await self._context.new_page()
            try:
                yield replica, page
            finally:
                await close(page)


@asynccontextmanager
async def replica_browser(hosts: Sequence[str], script: str) -> AsyncIterator[ReplicaBrowser]:
    """Starts it. Every document has ``script`` before its own. The pages' files are loaded once for all visits."""
    with closing(Entrance(hosts)) as entrance:
        async with async_playwright() as playwright:
            chromium = await playwright.chromium.launch(
                executable_path=find_chromium(BrowserSettings.from_environment({})),
                args=[*entrance.chromium_args, "--autoplay-policy=no-user-gesture-required"],
                chromium_sandbox=False,
            )
            try:
                context = await chromium.new_context(locale="en-US")
                await context.grant_permissions(["local-network-access"])
                await context.add_init_script(script)
                yield ReplicaBrowser(context, entrance)
            finally:
                await close(chromium)


async def close(what: Page | Browser) -> None:
    """Closes it, unless that takes longer than CLOSE_TIMEOUT: a page that is closed while it goes to another site may never say
    that it is closed, and its Chromium waits for it. The end of the driver ends both.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await what.close()
