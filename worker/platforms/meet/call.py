"""A Google Meet call, joined in a page that Playwright drives."""

from __future__ import annotations

import logging
import time
from importlib.resources import files
from itertools import chain
from typing import Final

from playwright.async_api import Page

from worker.browser.page_window import PageWindow
from worker.lifecycle.announcement import NotAnnounced
from worker.lifecycle.page_tasks import PageTask, TaskOutcome
from worker.lifecycle.page_view import Scene, View
from worker.platforms.address import MeetingAddress
from worker.platforms.chat import Chat, write_message
from worker.platforms.layout_keeper import LayoutKeeper
from worker.platforms.meet import signs as meet
from worker.platforms.meet.facts import Facts
from worker.platforms.meet.people_panel import open_and_close_people
from worker.platforms.meet.rules import (
    Past,
    asks,
    has_most_tiles,
    is_unanswerable,
    layout_steps,
    opens_layouts,
    steps,
    view,
)
from worker.platforms.meet.settings_dialog import stay_in_empty_calls
from worker.platforms.page_actions import ActionRetries, Click
from worker.platforms.page_driver import PageDriver, reading_script
from worker.platforms.signs import judge_sign_in

logger = logging.getLogger(__name__)

_INCOMING_VIDEO: Final = (files("worker.platforms.meet") / "incoming_video.js").read_text("utf-8")
_CHAT: Final = Chat(toggle=meet.CHAT, field=meet.CHAT_FIELD, limit=meet.CHAT_LIMIT)


class MeetCall:
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
        self._driver = PageDriver(page, bot_name, window)
        self._address = address
        self._signed_in = signed_in
        self._retries = ActionRetries()
        self._facts = Facts()
        self._past = Past()
        self._language = ""
        self._unanswerable = False
        self._with_video = separate_video
        self._observed = meet.OBSERVED_WITH_VIDEO if separate_video else meet.OBSERVED
        self._layout = LayoutKeeper(wanted=separate_video)
        self._layout_failed = False
        self._layouts_opened = False
        """Whether the bot has opened the dialog of layouts, which may be open yet."""

    async def open(self) -> None:
        """Loads the page, with incoming video off unless it is recorded. Raises CallError where it does not load."""
        wanted = "true" if self._with_video else "false"
        await self._driver.page.add_init_script(
            f"(\n{_INCOMING_VIDEO.rstrip().removesuffix(';')})({wanted});"
        )
        await self._driver.load(self._address.url, self._address.shown)

    async def look(self, *, thorough: bool) -> View:
        """Reads the page once. ``thorough``: reads its text even while a call is visible, which costs a layout."""
        self._facts = facts = await self._observe(with_text=thorough)
        self._log_language(facts.language)
        self._log_unanswerable(facts)
        seen = view(facts, self._past)
        if seen.scene is Scene.CALL:
            self._past = Past(asked=True, entered=True)
            self._layout.follow(time.monotonic(), shares=facts.presented > 0)
        return judge_sign_in(self._layout.judge(seen), signed_in=self._signed_in)

    async def act(self) -> None:
        """Performs at most one step, chosen from the last look."""
        now = time.monotonic()
        if self._layout.is_overdue(now):
            await self._end_layout(done=False)
        if not self._layout.is_active and meet.LAYOUT.name not in self._facts.elements:
            self._layouts_opened = False
        opened = self._layouts_opened
        to_layout = layout_steps(self._facts, opened=opened) if self._layout.is_active else ()
        step = self._retries.choose(chain(steps(self._facts), to_layout), now)
        if step is None:
            return
        self._layouts_opened |= opens_layouts(step)
        accepted = await self._driver.perform(step)
        if accepted and asks(step, self._facts) and not self._past.asked:
            logger.info("asked to join by %s", step.selector)
            self._past = Past(asked=True)
        if accepted and step == Click(meet.CLOSE_LAYOUT.selector):
            await self._end_layout(done=has_most_tiles(self._facts))

    async def announce(self, message: str) -> NotAnnounced | None:
        """Writes ``message`` into the chat, cut to CHAT_LIMIT; says why where the page does not take it."""
        await self._end_layout(done=False)
        return await write_message(self._driver, _CHAT, message)

    async def carry_out(self, task: PageTask) -> TaskOutcome:
        """Does ``task`` by the page's own buttons, unless a dialog asks for something else now."""
        if self._facts.dialogs or self._layout.is_active:
            return TaskOutcome.LATER
        async with self._driver.window.restored():
            match task:
                case PageTask.STAY_ALONE:
                    return await stay_in_empty_calls(self._driver)
                case PageTask.WAKE_ROSTER:
                    return await open_and_close_people(self._driver)

    async def leave(self) -> None:
        """Leaves by the page's own button, as a person does; does nothing where there is none."""
        await self._end_layout(done=False)
        await self._driver.leave_by((meet.LEAVE,), self._visible)

    async def _observe(self, *, with_text: bool) -> Facts:
        return await self._driver.observe(
            reading_script("worker.platforms.meet"), {**self._observed, "withText": with_text}, Facts
        )

    async def _visible(self) -> frozenset[str]:
        return (await self._observe(with_text=False)).elements

    async def _end_layout(self, *, done: bool) -> None:
        """Ends what is under way to the layout with the most videos, and closes what is open of it."""
        if not self._layout.is_active:
            return
        self._layout.finish(time.monotonic(), done=done)
        if self._layout.failed and not self._layout_failed:
            logger.warning("the page does not take the layout with tiles: fewer videos may be recorded")
        self._layout_failed = self._layout.failed
        if done:
            return
        visible = await self._visible()
        if meet.LAYOUT.name in visible and not self._layouts_opened:
            return
        if meet.CLOSE_LAYOUT.name in visible:
            await self._driver.perform(Click(meet.CLOSE_LAYOUT.selector))
        elif meet.LAYOUT.name in visible or meet.MENU.name in visible:
            await self._driver.press_key("Escape")

    def _log_unanswerable(self, facts: Facts) -> None:
        """Says once for each such dialog that the bot does not know its answer; its words may be people's."""
        unanswerable = is_unanswerable(facts)
        if unanswerable and not self._unanswerable:
            logger.warning(
                "the page asks a question whose answer is not known: it may end the call for the bot"
            )
        self._unanswerable = unanswerable

    def _log_language(self, language: str) -> None:
        if language and language != self._language:
            self._language = language
            logger.info("the page's language is %s", language)
