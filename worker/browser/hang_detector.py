"""Whether the page still answers."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page

logger = logging.getLogger(__name__)

HUNG_TIMEOUT: Final = 30.0
"""Seconds that the page may take for the shortest of answers."""

_HUNG_PERIOD: Final = 5.0
"""Seconds between two questions."""


async def until_hung(page: Page) -> str:
    """Returns when the page does not answer any more, and says so in plain English."""
    while True:
        try:
            async with asyncio.timeout(HUNG_TIMEOUT):
                await page.evaluate("0")
        except TimeoutError:
            return f"the page did not answer for {HUNG_TIMEOUT:.0f} s"
        except PlaywrightError as error:
            # On its way to another document it cannot answer; whether it is gone, others notice.
            logger.debug("the page could not be asked: %s", error.message)
        await asyncio.sleep(_HUNG_PERIOD)
