"""A Microsoft Teams call, joined in a page that Playwright drives."""

from __future__ import annotations

import logging
import time
from functools import cache
from importlib.resources import files
from itertools import chain
from typing import Final

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page

from worker.browser.page_errors import first_line
from worker.browser.page_window import PageWindow
from worker.lifecycle.announcement import NotAnnounced
from worker.lifecycle.page_tasks import PageTask, TaskOutcome
from worker.lifecycle.page_view import Scene, View
from worker.platforms.address import MeetingAddress
from worker.platforms.chat import Chat, write_message
from worker.platforms.layout_keeper import LayoutKeeper
from worker.platforms.page_actions import ActionRetries, Step, press
from worker.platforms.page_driver import PageDriver, reading_script
from worker.platforms.signs import judge_sign_in
from worker.platforms.teams import signs as teams
from worker.platforms.teams.facts import Facts, joined
from worker.platforms.teams.link import HOSTS
from worker.platforms.teams.rules import (
    HELD_AS_BOT,
    Past,
    asks,
    layout_steps,
    steps,
    view,
    waits_for_name,
)

logger = logging.getLogger(__name__)

VIDEO_TIMEOUT: Final = 15.0
"""Seconds in the call after which incoming video is left on."""
MOUSE_EVERY: Final = 120.0
"""Seconds between two moves of the mouse in the call, which keep its chat pane alive."""

_CHAT: Final = Chat(
    toggle=teams.CHAT, field=teams.CHAT_FIELD, send=teams.CHAT_SEND, limit=teams.CHAT_LIMIT, rich_text=True
)
_MOUSE_POSITIONS: Final = ((640, 300), (660, 320))
"""Positions of the mouse in CSS pixels: over the stage, where there is no button."""


class TeamsCall:
    """See worker.platforms.call.Call. ``signed_in``: the browser has an account, so a page that asks for a sign-in means
    that the account's session has ended.
    """

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
        self._driver = PageDriver(page, bot_name, window, frame_hosts=frozenset(HOSTS))
        self._address = address
        self._signed_in = signed_in
        self._retries = ActionRetries()
        self._facts = Facts()
        self._past = Past()
        self._nameless_since: float | None = None
        self._video_until: float | None = None
        self._video_done = separate_video
        self._observed = teams.OBSERVED_WITH_VIDEO if separate_video else teams.OBSERVED
        self._layout = LayoutKeeper(wanted=separate_video)
        self._layout_failed = False
        self._suspected = False
        self._mouse_moved = 0.0
        self._mouse_moves = 0

    async def open(self) -> None:
        """Loads the page and follows redirects. Raises CallError where it does not load."""
        self._driver.page.on("popup", _close_popup)
        await self._driver.page.add_init_script(_script("stay_in_browser.js"))
        await self._driver.load(self._address.url, self._address.shown)

    async def look(self, *, thorough: bool) -> View:
        """Reads the page once. ``thorough``: reads its text even while a call is visible, which costs a layout."""
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
            self._layout.follow(now, shares=teams.SHARED.name in facts.elements)
        elif teams.SUSPECTED.name in seen.evidence and not self._suspected:
            self._suspected = True
            logger.warning("%s; MEETSTEMS_TEAMS_BOT_TOKEN identifies registered bots", HELD_AS_BOT)
        return judge_sign_in(self._layout.judge(seen), signed_in=self._signed_in)

    async def act(self) -> None:
        """Performs at most one step, chosen from the last look; in the call also moves the mouse every MOUSE_EVERY seconds."""
        now = time.monotonic()
        if self._past.entered:
            await self._check_video_timeout(now)
            await self._move_mouse(now)
        with_video = self._past.entered and not self._video_done
        if self._layout.is_overdue(now):
            await self._end_layout()
        to_layout = layout_steps(self._facts) if self._layout.is_active else ()
        step = self._retries.choose(
            chain(steps(self._facts, self._past, with_video=with_video), to_layout), now
        )
        if step is not None and await self._driver.perform(step):
            await self._record_step(step)

    async def announce(self, message: str) -> NotAnnounced | None:
        """Writes ``message`` into the chat, cut to CHAT_LIMIT; says why where the page does not take it."""
        await self._end_layout()
        return await write_message(self._driver, _CHAT, message)

    async def carry_out(self, task: PageTask) -> TaskOutcome:
        """Nothing is known that Teams' page would need."""
        return TaskOutcome.ABSENT

    async def leave(self) -> None:
        """Hangs up, or cancels the request to join; does nothing where the page offers neither."""
        await self._end_layout()
        await self._driver.leave_by((teams.HANG_UP, teams.CANCEL), self._visible)

    async def _observe(self, *, with_text: bool) -> Facts:
        reading = (reading_script("worker.platforms.teams"), {**self._observed, "withText": with_text}, Facts)
        page = await self._driver.observe(*reading)
        frames = await self._driver.observe_frames(*reading)
        return joined(page, frames, with_text=not self._past.entered)

    async def _visible(self) -> frozenset[str]:
        return (await self._observe(with_text=False)).elements

    async def _record_step(self, step: Step) -> None:
        """Records that the page accepted ``step``."""
        if asks(step) and not self._past.asked:
            logger.info("asked to join")
            self._past = self._past._replace(asked=True)
        elif step == press(teams.VIDEO_OFF):
            await self._finish_video("incoming video is turned off")
        elif step == press(teams.GALLERY):
            self._layout.finish(time.monotonic(), done=True)
            self._layout_failed = False

    def _enter(self, now: float) -> None:
        self._past = self._past._replace(asked=True, entered=True)
        if self._video_until is None:
            self._video_until = now + VIDEO_TIMEOUT
            self._mouse_moved = now

    async def _check_video_timeout(self, now: float) -> None:
        """Stops trying to turn off incoming video after VIDEO_TIMEOUT."""
        if self._video_done:
            return
        if self._video_until is not None and now > self._video_until:
            await self._finish_video("incoming video stays on: the page offers no way to turn it off")

    async def _finish_video(self, message: str) -> None:
        logger.info("%s", message)
        self._video_done = True
        if teams.VIEW_MORE.name in self._facts.elements:
            # The menu may still be open.
            await self._driver.press_key("Escape")

    async def _end_layout(self) -> None:
        """Gives up what is under way to the layout with the most videos, and closes its menu."""
        if not self._layout.is_active:
            return
        self._layout.finish(time.monotonic(), done=False)
        if self._layout.failed and not self._layout_failed:
            logger.warning("the page does not offer the gallery: fewer videos may be recorded")
        self._layout_failed = self._layout.failed
        if not {teams.GALLERY.name, teams.VIEW_MORE.name}.isdisjoint(await self._visible()):
            await self._driver.press_key("Escape")

    async def _move_mouse(self, now: float) -> None:
        if now - self._mouse_moved < MOUSE_EVERY:
            return
        self._mouse_moved = now
        self._mouse_moves += 1
        await self._driver.move_mouse(*_MOUSE_POSITIONS[self._mouse_moves % 2])


async def _close_popup(popup: Page) -> None:
    """Closes a second window: it offers the app or help, which a call does not need."""
    logger.info("the page opened another window, which is closed")
    try:
        await popup.close()
    except PlaywrightError as error:
        logger.debug("the other window is already closed: %s", first_line(error))


@cache
def _script(name: str) -> str:
    return (files("worker.platforms.teams") / name).read_text("utf-8")
