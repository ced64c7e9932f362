"""Minimizes a page's window, which then costs Chromium about a third less, and restores it for steps in the page."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from playwright.async_api import CDPSession, Page
from playwright.async_api import Error as PlaywrightError

from worker.browser.page_errors import first_line

logger = logging.getLogger(__name__)

REST_AFTER: Final = 3.0
"""Seconds after a step in the page until its window is minimized: menus may close with it, and steps come in series."""

MINIMIZES_WITH_VIDEO: Final = False
"""Whether the window is minimized while video is recorded: pages ask only for what they show, and a minimized one may stop."""


class PageWindow:
    """The window of ``page``. ``minimizes`` False: it stays as it is. ``clock`` returns seconds that are never set.

    A minimized page runs as before (visibility, timers, media, layout), except that it gets one animation frame a second, for
    which Playwright's clicks would wait.
    """

    def __init__(
        self, page: Page, *, minimizes: bool = True, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.minimized = False
        self._page = page
        self._minimizes = minimizes
        self._clock = clock
        self._session: CDPSession | None = None
        self._window = 0
        self._steps = 0
        self._last_step = clock()

    async def rest(self) -> None:
        """Minimizes the window if no step was taken for REST_AFTER; to be called again and again."""
        if self._steps or self.minimized or self._clock() - self._last_step < REST_AFTER:
            return
        await self._set("minimized")

    @asynccontextmanager
    async def restored(self) -> AsyncIterator[None]:
        """For a step in the page: the window is not minimized while the block lasts."""
        self._steps += 1
        try:
            if self.minimized:
                await self._set("normal")
            yield
        finally:
            self._steps -= 1
            self._last_step = self._clock()

    async def _set(self, state: str) -> None:
        """Where Chromium refuses, the window is left alone from then on."""
        if not self._minimizes:
            return
        try:
            if self._session is None:
                self._session = await self._page.context.new_cdp_session(self._page)
                self._window = (await self._session.send("Browser.getWindowForTarget"))["windowId"]
            bounds = {"windowId": self._window, "bounds": {"windowState": state}}
            await self._session.send("Browser.setWindowBounds", bounds)
            self.minimized = state == "minimized"
        except PlaywrightError as error:
            self._minimizes = False
            logger.info("the window is not %s: %s", state, first_line(error))
