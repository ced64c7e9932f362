"""Switches off in Meet's settings that it ends the call for one who is alone in it."""

from __future__ import annotations

import asyncio
import logging
from typing import Final, Literal

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Locator
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from worker.browser.page_errors import first_line
from worker.lifecycle.page_tasks import TaskOutcome
from worker.platforms.meet import signs as meet
from worker.platforms.page_actions import press
from worker.platforms.page_driver import CLICK_TIMEOUT, PageDriver
from worker.platforms.signs import Sign, with_icon

logger = logging.getLogger(__name__)

STEP_TIMEOUT: Final = 2.0
"""Seconds for a menu, a dialog or a part of it to be shown, or to be gone."""

OPEN_TIMEOUT: Final = 8.0
"""Seconds for the whole way to the switch; then the settings are closed."""

_ITEM: Final = with_icon("menuitem", meet.SETTINGS_ICON)
_TAB: Final = with_icon("tab", meet.SETTINGS_ICON)
_WAY: Final = (
    (meet.MORE_OPTIONS.name, meet.MORE_OPTIONS.selector),
    (meet.SETTINGS_ITEM.name, f"{press(meet.SETTINGS_ITEM).selector}, {_ITEM}"),
    (meet.GENERAL_TAB.name, f"{press(meet.GENERAL_TAB).selector}, {_TAB}"),
)
"""What is pressed until the switch is shown, in this order."""


async def stay_in_empty_calls(driver: PageDriver) -> TaskOutcome:
    """Opens the settings, switches "Leave empty calls" off, and closes them again, whatever came of it.

    Whether guests have that setting is not known, so a page without it is ABSENT. Raises CallError when the page is gone.
    """
    try:
        async with asyncio.timeout(OPEN_TIMEOUT):
            outcome = await _switch_off(driver)
    except TimeoutError:
        logger.info("the settings take longer than %g s", OPEN_TIMEOUT)
        outcome = TaskOutcome.FAILED
    except PlaywrightError as error:
        driver.check_alive(error)
        logger.info("the settings do not open: %s", first_line(error))
        outcome = TaskOutcome.FAILED
    return outcome if await _close(driver) else TaskOutcome.FAILED


async def _switch_off(driver: PageDriver) -> TaskOutcome:
    for name, selector in _WAY:
        element = driver.shown(selector)
        if not await _becomes(element, "visible"):
            logger.warning("there is no way to the switch for empty calls: the page shows no %s", name)
            return TaskOutcome.ABSENT
        await element.click(timeout=CLICK_TIMEOUT * 1000)
    (label,) = meet.LEAVE_EMPTY_CALLS.labels
    switch = driver.page.get_by_role("switch", name=label, exact=True).first
    if not await _becomes(switch, "visible"):
        logger.warning(
            "the settings show no switch for empty calls; Meet may end the call for a bot that is alone"
        )
        return TaskOutcome.ABSENT
    if await _is_on(switch):
        await switch.click(timeout=CLICK_TIMEOUT * 1000)
        if await _is_on(switch):
            return TaskOutcome.FAILED
    return TaskOutcome.DONE


async def _is_on(switch: Locator) -> bool:
    return await switch.is_checked(timeout=CLICK_TIMEOUT * 1000)


async def _becomes(element: Locator, state: Literal["visible", "hidden"]) -> bool:
    """Whether ``element`` becomes so within STEP_TIMEOUT."""
    try:
        await element.wait_for(state=state, timeout=STEP_TIMEOUT * 1000)
    except PlaywrightTimeoutError:
        return False
    return True


async def _close(driver: PageDriver) -> bool:
    """Closes menu and settings, where they are open; returns whether they are gone. Raises CallError."""
    try:
        button = driver.shown(meet.CLOSE_SETTINGS.selector)
        if await _is_shown(driver, meet.SETTINGS) and await button.count():
            await button.click(timeout=CLICK_TIMEOUT * 1000)
            await _becomes(driver.shown(meet.SETTINGS.selector), "hidden")
        for sign in (meet.SETTINGS, meet.MENU):
            if await _is_shown(driver, sign):
                await driver.press_key("Escape")
                await _becomes(driver.shown(sign.selector), "hidden")
        gone = not await _is_shown(driver, meet.SETTINGS)
    except PlaywrightError as error:
        driver.check_alive(error)
        logger.info("the settings do not close: %s", first_line(error))
        return False
    if not gone:
        logger.warning("the settings do not close")
    return gone


async def _is_shown(driver: PageDriver, sign: Sign) -> bool:
    return bool(await driver.shown(sign.selector).count())
