"""Opens Meet's panel of people and closes it again, which has the page subscribe to the roster where it has not."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable
from typing import Final

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Locator

from worker.browser.page_errors import first_line
from worker.lifecycle.page_tasks import TaskOutcome
from worker.platforms.meet import signs as meet
from worker.platforms.page_driver import PageDriver

logger = logging.getLogger(__name__)

PANEL_TIMEOUT: Final = 3.0
"""Seconds for the panel to show its first row, or to be gone. The page asks for the roster before it can show one."""

PRESS_TIMEOUT: Final = 5.0
"""Seconds for the page to take a press of the button: on a busy machine it draws the panel first, and one that was not pressed
again stays open."""

_ONE_NUMBER: Final = re.compile(r"^\D*\d+\D*$")

_BESIDE: Final = (10.0, 10.0)
"""CSS pixels from the window's corner: the pointer must not rest on the button, where it shows a card that covers it."""


async def open_and_close_people(driver: PageDriver) -> TaskOutcome:
    """Opens the panel, waits for its rows and closes it. A panel that was open is left so: it shows that nothing is missing.

    Rows may be shown beside it: hosts see who waits in a list of their own. Raises CallError when the page is gone.
    """
    rows = driver.page.locator(meet.PEOPLE_ROW.selector).filter(visible=True)
    try:
        button = await _button(driver)
        if not await button.count():
            logger.info("the page offers no panel of people")
            return TaskOutcome.ABSENT
        if await button.get_attribute("aria-expanded", timeout=PRESS_TIMEOUT * 1000) == "true":
            return TaskOutcome.DONE
        before = await rows.count()
        await _press(driver, button)
        opened = await _until(rows, lambda count: count > before)
        await _press(driver, button)
        closed = await _until(rows, lambda count: count <= before)
    except PlaywrightError as error:
        driver.check_alive(error)
        logger.info("the panel of people does not open and close: %s", first_line(error))
        return TaskOutcome.FAILED
    if not closed:
        logger.warning("the panel of people stays open")
    elif not opened:
        logger.info("the panel of people showed nobody")
    return TaskOutcome.DONE if opened and closed else TaskOutcome.FAILED


async def _button(driver: PageDriver) -> Locator:
    button = driver.shown(meet.PEOPLE.selector)
    if await button.count():
        return button
    return driver.page.locator(meet.PEOPLE_CHIP.selector).filter(visible=True, has_text=_ONE_NUMBER).first


async def _press(driver: PageDriver, button: Locator) -> None:
    await button.click(timeout=PRESS_TIMEOUT * 1000)
    await driver.move_mouse(*_BESIDE)


async def _until(rows: Locator, condition: Callable[[int], bool]) -> bool:
    """Whether the number of rows meets ``condition`` within PANEL_TIMEOUT."""
    deadline = time.monotonic() + PANEL_TIMEOUT
    while time.monotonic() < deadline:
        if condition(await rows.count()):
            return True
        await asyncio.sleep(0.1)
    return False
