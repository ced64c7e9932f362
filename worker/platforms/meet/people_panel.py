"""Opens Meet's panel of people and closes it again, which has the page subscribe to the roster where it has not."""

from __future__ import annotations

import logging
import re
from typing import Final, Literal

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Locator
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from worker.browser.page_errors import first_line
from worker.lifecycle.page_tasks import TaskOutcome
from worker.platforms.meet import signs as meet
from worker.platforms.page_driver import CLICK_TIMEOUT, PageDriver

logger = logging.getLogger(__name__)

PANEL_TIMEOUT: Final = 3.0
"""Seconds for the panel to show its first row, or to be gone. The page asks for the roster before it can show one."""

_ONE_NUMBER: Final = re.compile(r"^\D*\d+\D*$")

_BESIDE: Final = (10.0, 10.0)
"""CSS pixels from the window's corner: the pointer must not rest on the button, where it shows a card."""


async def open_and_close_people(driver: PageDriver) -> TaskOutcome:
    """Opens the panel, waits for a row and closes it. A panel that was open is left so: it shows that nothing is missing.

    Raises CallError when the page is gone.
    """
    row = driver.shown(meet.PEOPLE_ROW.selector)
    try:
        button = await _button(driver)
        if await row.count():
            return TaskOutcome.DONE
        if not await button.count():
            logger.info("the page offers no panel of people")
            return TaskOutcome.ABSENT
        await button.click(timeout=CLICK_TIMEOUT * 1000)
        opened = await _becomes(row, "visible")
        await button.click(timeout=CLICK_TIMEOUT * 1000)
        await driver.move_mouse(*_BESIDE)
        closed = await _becomes(row, "hidden")
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


async def _becomes(row: Locator, state: Literal["visible", "hidden"]) -> bool:
    try:
        await row.wait_for(state=state, timeout=PANEL_TIMEOUT * 1000)
    except PlaywrightTimeoutError:
        return False
    return True
