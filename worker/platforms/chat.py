"""Writes a message into a call's chat; the platforms differ in their signs and in the longest message."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final, NamedTuple

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Locator

from worker.browser.page_errors import first_line
from worker.lifecycle.announcement import NotAnnounced
from worker.platforms.page_driver import CLICK_TIMEOUT, PageDriver
from worker.platforms.signs import Sign

logger = logging.getLogger(__name__)

CHAT_TIMEOUT: Final = 3.0
"""Seconds for the chat's panel to open, and for a message to go."""


class Chat(NamedTuple):
    """A platform's chat. ``toggle`` opens and closes its panel, ``field`` takes the message.

    ``limit`` is the longest message in UTF-16 code units. ``send`` is the button that sends; where there is none, or it is not
    visible, Enter sends. ``rich_text``: the field is an editable element instead of a text area.
    """

    toggle: Sign
    field: Sign
    limit: int
    send: Sign | None = None
    rich_text: bool = False


async def write_message(driver: PageDriver, chat: Chat, message: str) -> NotAnnounced | None:
    """Sends ``message``, cut to the chat's limit. Returns why the page did not take it; None: it did.

    Raises CallError when the page is gone.
    """
    try:
        async with driver.window.restored():
            return await _send(driver, chat, shortened(message, chat.limit))
    except PlaywrightError as error:
        driver.check_alive(error)
        logger.info("the chat does not take a message: %s", first_line(error))
        return NotAnnounced.NOT_TAKEN


def shortened(message: str, most: int) -> str:
    """``message``, cut to at most ``most`` UTF-16 code units (at least 1), in which web pages count. The cut is at the end of a
    word and marked with an ellipsis.
    """
    if _units(message) <= most:
        return message
    cut = message
    while _units(cut) > most - 1:
        cut = cut[: len(cut) - max(1, (_units(cut) - most + 1) // 2)]
    in_a_word = not message[len(cut)].isspace()
    words = cut.rsplit(None, 1) if in_a_word else [cut, ""]
    return (words[0].rstrip() if len(words) > 1 else cut) + "…"


async def _send(driver: PageDriver, chat: Chat, message: str) -> NotAnnounced | None:
    toggle = driver.shown(chat.toggle.selector)
    field = driver.shown(chat.field.selector)
    was_open = bool(await field.count())
    if not was_open:
        if not await toggle.count():
            return NotAnnounced.NO_CHAT
        await toggle.click(timeout=CLICK_TIMEOUT * 1000)
    await field.fill(message, timeout=CHAT_TIMEOUT * 1000)
    send = None if chat.send is None else driver.shown(chat.send.selector)
    if send is not None and await send.count():
        await send.click(timeout=CLICK_TIMEOUT * 1000)
    else:
        await field.press("Enter", timeout=CHAT_TIMEOUT * 1000)
    sent = await _became_empty(field, rich_text=chat.rich_text)
    if not was_open and await toggle.count():
        await toggle.click(timeout=CLICK_TIMEOUT * 1000)
    return None if sent else NotAnnounced.NOT_TAKEN


async def _became_empty(field: Locator, *, rich_text: bool) -> bool:
    """Whether the page took the message out of the field, within CHAT_TIMEOUT."""
    deadline = time.monotonic() + CHAT_TIMEOUT
    while time.monotonic() < deadline:
        timeout = CHAT_TIMEOUT * 1000
        text = await (field.inner_text(timeout=timeout) if rich_text else field.input_value(timeout=timeout))
        if not text.strip():
            return True
        await asyncio.sleep(0.1)
    return False


def _units(text: str) -> int:
    return len(text) + sum(character > "\uffff" for character in text)
