"""A Microsoft Teams call, joined in a page that Playwright drives."""

from __future__ import annotations

import logging
import time
from functools import cache
from importlib.resources import files
from typing import Final

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page

from worker.lifecycle.page_view import Scene, View
from worker.platforms.address import MeetingAddress
from worker.platforms.chat import Chat, write_message
from worker.platforms.page_actions import ActionRetries, Step, press
from worker.platforms.page_driver import PageDriver, first_line
from worker.platforms.signs import judge_sign_in
from worker.platforms.teams import signs as teams
from worker.platforms.teams.facts import Facts
from worker.platforms.teams.rules import Past, asks, steps, view, waits_for_name

logger = logging.getLogger(__name__)

VIDEO_TIMEOUT: Final = 15.0
"""Seconds in the call after which incoming video is left on."""
MOUSE_EVERY: Final = 120.0
"""Seconds between two moves of the mouse in the call, which keep its chat pane alive."""

_CHAT: Final = Chat(
    toggle=teams.CHAT, field=teams.CHAT_FIELD, send=teams.CHAT_SEND, limit=teams.CHAT_LIMIT, rich_text=True
)
_RESTS: Final = ((640, 300), (660, 320))
"""Where the mouse goes, in CSS pixels: over the stage, where nothing is pressed."""


class TeamsCall:
    """See worker.platforms.call.Call. ``signed_in``: the browser carries an account, so that a sign-in wall means that the
    account is not signed in any more.
    """

    def __init__(
        self, page: Page, address: MeetingAddress, bot_name: str, *, signed_in: bool = False
    ) -> None:
        self._driver = PageDriver(page, bot_name)
        self._address = address
        self._signed_in = signed_in
        self._retries = ActionRetries()
        self._facts = Facts()
        self._past = Past()
        self._nameless_since: float | None = None
        self._video_until: float | None = None
        self._video_settled = False
        self._mouse_moved = 0.0
        self._mouse_moves = 0

    async def open(self) -> None:
        """Loads the page, or what the link leads to. Raises CallError where it does not load."""
        self._driver.page.on("popup", _close)
        await self._driver.page.add_init_script(_script("stay_in_browser.js"))
        await self._driver.load(self._address.url, self._address.shown)

    async def look(self, *, thorough: bool) -> View:
        """One look at the page. ``thorough``: its text is read even where a call is seen, which costs the browser a layout."""
        self._facts = facts = await self._observe(with_text=thorough)
        now = time.monotonic()
        if not waits_for_name(facts):
            self._nameless_since = None
        elif self._nameless_since is None:
            self._nameless_since = now
        self._past = self._past._replace(nameless_for=now - (self._nameless_since or now))
        seen = view(facts, self._past)
        if seen.scene is Scene.CALL:
            self._enter(now)
        return judge_sign_in(seen, signed_in=self._signed_in)

    async def act(self) -> None:
        """Takes the one step that the last look calls for, if any; in the call it also moves the mouse now and then."""
        now = time.monotonic()
        if self._past.entered:
            await self._settle_video(now)
            await self._move_mouse(now)
        with_video = self._past.entered and not self._video_settled
        step = self._retries.choose(steps(self._facts, self._past, with_video=with_video), now)
        if step is not None and await self._driver.take(step):
            await self._note(step)

    async def announce(self, message: str) -> bool:
        """Writes ``message`` into the chat, cut to CHAT_LIMIT; False where the page does not take it."""
        return await write_message(self._driver, _CHAT, message)

    async def leave(self) -> None:
        """Leaves by the call's own button, or takes the request to join back; where there is neither, nothing is to be left."""
        await self._driver.leave_by((teams.HANG_UP, teams.CANCEL), self._visible)

    async def _observe(self, *, with_text: bool) -> Facts:
        return await self._driver.observe(
            _script("read_page.js"), {**teams.OBSERVED, "withText": with_text}, Facts
        )

    async def _visible(self) -> frozenset[str]:
        return (await self._observe(with_text=False)).elements

    async def _note(self, step: Step) -> None:
        """Takes that the page took ``step``."""
        if asks(step) and not self._past.asked:
            logger.info("asked to join")
            self._past = self._past._replace(asked=True)
        elif step == press(teams.VIDEO_OFF):
            await self._end_video("incoming video is turned off")

    def _enter(self, now: float) -> None:
        self._past = self._past._replace(asked=True, entered=True)
        if self._video_until is None:
            self._video_until = now + VIDEO_TIMEOUT
            self._mouse_moved = now

    async def _settle_video(self, now: float) -> None:
        """Stops asking for less video once it is off, or was not to be had."""
        if self._video_settled:
            return
        if self._video_until is not None and now > self._video_until:
            await self._end_video("incoming video stays on: the page offers no way to turn it off")

    async def _end_video(self, how: str) -> None:
        logger.info("%s", how)
        self._video_settled = True
        if teams.VIEW_MORE.name in self._facts.elements:
            # The menu may be open still.
            await self._driver.press_key("Escape")

    async def _move_mouse(self, now: float) -> None:
        if now - self._mouse_moved < MOUSE_EVERY:
            return
        self._mouse_moved = now
        self._mouse_moves += 1
        await self._driver.move_mouse(*_RESTS[self._mouse_moves % 2])


async def _close(popup: Page) -> None:
    """A guest's call needs no second window; what opens one offers the app or help."""
    logger.info("the page opened another window, which is closed")
    try:
        await popup.close()
    except PlaywrightError as error:
        logger.debug("the other window is gone: %s", first_line(error))


@cache
def _script(name: str) -> str:
    return (files("worker.platforms.teams") / name).read_text("utf-8")
