"""A Google Meet call, joined as a guest in a page that Playwright drives."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from worker.platforms import meet_page as look
from worker.platforms.call import CallError, Ended, NotAdmitted
from worker.platforms.meet_link import MeetLink
from worker.platforms.meet_page import Facts
from worker.platforms.meet_rules import (
    Attempts,
    Click,
    FillName,
    InCall,
    InLobby,
    Over,
    Refused,
    Step,
    situation,
    steps,
)

logger = logging.getLogger(__name__)

JOINING_INTERVAL: Final = 0.25
"""Seconds between two looks at the page on the way in."""
IN_CALL_INTERVAL: Final = 0.5
"""Seconds between two looks at the page in the call."""
TEXT_EVERY: Final = 8
"""In the call every so many looks read the page's text too."""
LOAD_TIMEOUT: Final = 60.0
"""Seconds for the page to load."""
OPENING_TIMEOUT: Final = 120.0
"""Seconds from the loaded page to the waiting room or the call."""
CLICK_TIMEOUT: Final = 2.0
"""Seconds for a button to take a click."""
LEAVE_TIMEOUT: Final = 3.0
"""Seconds for the call's view to go away after leaving."""


class MeetCall:
    """See worker.platforms.call.Call.

    ``media_seen`` says whether the page has opened media or a roster channel: the call's view alone can stand behind a consent
    dialog that holds everything back. ``waiting_room_timeout`` is in seconds; Meet itself gives up after 600.
    """

    platform = "google_meet"

    def __init__(
        self,
        page: Page,
        link: MeetLink,
        bot_name: str,
        *,
        media_seen: Callable[[], bool],
        waiting_room_timeout: float = 600.0,
    ) -> None:
        self._page = page
        self._link = link
        self._bot_name = bot_name
        self._media_seen = media_seen
        self._waiting_room_timeout = waiting_room_timeout
        self._attempts = Attempts()
        self.in_lobby_until: float | None = None
        """When the waiting room was last seen, in seconds since the Unix epoch; None: never."""

    async def join(self, in_waiting_room: Callable[[], None]) -> NotAdmitted | None:
        """Goes in; returns None once in the call. ``in_waiting_room`` is called once if somebody has to let the bot in."""
        await self._open()
        deadline = time.monotonic() + OPENING_TIMEOUT
        language_logged = False
        while time.monotonic() < deadline:
            facts = await self._look(with_text=True)
            if facts.language and not language_logged:
                language_logged = True
                logger.info("the page's language is %s", facts.language)
            match situation(facts):
                case Refused(reason, detail):
                    return NotAdmitted(reason, detail)
                case Over(reason, detail):
                    return NotAdmitted(reason, detail)
                case InLobby():
                    if self.in_lobby_until is None:
                        deadline = time.monotonic() + self._waiting_room_timeout
                        in_waiting_room()
                    self.in_lobby_until = time.time()
                case InCall() if self._media_seen():
                    return None
            await self._act(facts)
            await asyncio.sleep(JOINING_INTERVAL)
        if self.in_lobby_until is not None:
            return NotAdmitted(
                "waiting_room_timeout", f"nobody answered within {self._waiting_room_timeout:.0f} s"
            )
        return NotAdmitted(
            "page_not_understood", f"neither waiting room nor call within {OPENING_TIMEOUT:.0f} s"
        )

    async def until_ended(self) -> Ended:
        """Stays until the call ends for the bot, and answers what the page asks meanwhile."""
        looks = 0
        while True:
            facts = await self._look(with_text=looks % TEXT_EVERY == 0)
            looks += 1
            match situation(facts):
                case Over(reason, detail):
                    return Ended(reason, detail)
                case Refused(reason, detail):
                    return Ended(reason, detail)
            await self._act(facts)
            await asyncio.sleep(IN_CALL_INTERVAL)

    async def leave(self) -> None:
        """Leaves by the call's own button, as a person does; where there is none, there is nothing to leave."""
        facts = await self._look(with_text=False)
        if not facts.leave_button:
            return
        await self._take(Click(look.LEAVE))
        deadline = time.monotonic() + LEAVE_TIMEOUT
        while facts.leave_button and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
            facts = await self._look(with_text=False)

    async def _open(self) -> None:
        try:
            await self._page.goto(self._link.url, wait_until="domcontentloaded", timeout=LOAD_TIMEOUT * 1000)
        except PlaywrightError as error:
            raise CallError(
                "page_not_loaded", f"{self._link.url}: does not load: {_first_line(error)}"
            ) from error

    async def _look(self, *, with_text: bool) -> Facts:
        try:
            seen = await self._page.evaluate(_observer(), {**look.OBSERVED, "withText": with_text})
        except PlaywrightError as error:
            if self._page.is_closed():
                raise CallError("browser_died", f"the page is gone: {_first_line(error)}") from error
            # The page is on its way to another document.
            logger.debug("the page could not be read: %s", _first_line(error))
            return Facts()
        try:
            return msgspec.convert(seen, Facts)
        except msgspec.ValidationError as error:
            # The page can replace what the observer calls.
            logger.warning("the page gave an odd account of itself: %s", error)
            return Facts()

    async def _act(self, facts: Facts) -> None:
        step = self._attempts.choose(steps(facts), time.monotonic())
        if step is not None:
            await self._take(step)

    async def _take(self, step: Step) -> None:
        target = self._page.locator(step.selector).filter(visible=True).first
        try:
            match step:
                case FillName():
                    await target.fill(self._bot_name, timeout=CLICK_TIMEOUT * 1000)
                case Click():
                    await target.click(timeout=CLICK_TIMEOUT * 1000)
        except PlaywrightTimeoutError:
            logger.info("the page does not take a click on %s", step.selector)
        except PlaywrightError as error:
            if self._page.is_closed():
                raise CallError("browser_died", f"the page is gone: {_first_line(error)}") from error
            logger.info("the page does not take a click on %s: %s", step.selector, _first_line(error))


@cache
def _observer() -> str:
    return (files("worker.platforms") / "meet_observe.js").read_text("utf-8")


def _first_line(error: PlaywrightError) -> str:
    return error.message.strip().split("\n", 1)[0]
