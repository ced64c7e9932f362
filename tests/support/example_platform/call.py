"""An example call, joined in a page that Playwright drives."""

from __future__ import annotations

import time
from typing import Final

import msgspec
from playwright.async_api import Page

from worker.browser.page_window import PageWindow
from worker.lifecycle.announcement import NotAnnounced
from worker.lifecycle.page_tasks import PageTask, TaskOutcome
from worker.lifecycle.page_view import Scene, View
from worker.platforms.address import MeetingAddress
from worker.platforms.page_actions import ActionRetries, Click
from worker.platforms.page_driver import PageDriver

from .signs import CLOSED, JOIN, LEAVE, LOBBY, SIGNS

_READ_PAGE: Final = """(signs) => ({
  shown: Object.keys(signs).filter((name) => document.querySelector(signs[name])?.checkVisibility()),
  text: document.body?.innerText ?? "",
})"""


class _Facts(msgspec.Struct):
    shown: list[str] = []
    text: str = ""


class ExampleCall:
    """See worker.platforms.call.Call."""

    def __init__(
        self,
        page: Page,
        address: MeetingAddress,
        bot_name: str,
        *,
        signed_in: bool = False,
        window: PageWindow | None = None,
        separate_video: bool = False,
    ) -> None:
        self._page = PageDriver(page, bot_name, window)
        self._address = address
        self._retries = ActionRetries()
        self._facts = _Facts()
        self._asked = False

    async def open(self) -> None:
        """Loads the page. Raises CallError."""
        await self._page.load(self._address.url, self._address.shown)

    async def look(self, *, thorough: bool) -> View:
        """One look at the page, which is always read whole."""
        wanted = {sign.name: sign.selector for sign in SIGNS}
        self._facts = facts = await self._page.observe(_READ_PAGE, wanted, _Facts)
        for sign, scene in ((CLOSED, Scene.OVER), (LEAVE, Scene.CALL), (LOBBY, Scene.LOBBY)):
            if sign.name in facts.shown:
                return View(scene=scene, reason=sign.reason, detail=facts.text[:200], evidence=(sign.name,))
        return View(scene=Scene.ASKED if self._asked else Scene.OPENING)

    async def act(self) -> None:
        """Presses the join button."""
        steps = [Click(JOIN.selector)] if JOIN.name in self._facts.shown else []
        step = self._retries.choose(steps, time.monotonic())
        if step is not None and await self._page.perform(step):
            self._asked = True

    async def announce(self, message: str) -> NotAnnounced | None:
        """The example has no chat."""
        return NotAnnounced.NO_CHAT

    async def carry_out(self, task: PageTask) -> TaskOutcome:
        """The example's page needs nothing."""
        return TaskOutcome.ABSENT

    async def leave(self) -> None:
        """Presses the button that leaves the call."""
        if LEAVE.name in self._facts.shown:
            await self._page.perform(Click(LEAVE.selector))
