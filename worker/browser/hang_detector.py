"""Detects that a page does not answer any more."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page

from worker.browser.page_errors import first_line

logger = logging.getLogger(__name__)

HUNG_TIMEOUT: Final = 30.0
"""Seconds that the page may take to evaluate a trivial script."""

_HUNG_PERIOD: Final = 5.0
"""Seconds between two checks."""


async def until_hung(page: Page) -> str:
    """Waits until the page does not answer any more; returns an English sentence that says so."""
    while True:
        try:
            async with asyncio.timeout(HUNG_TIMEOUT):
                await page.evaluate("0")
        except TimeoutError:
            return f"the page did not answer for {HUNG_TIMEOUT:.0f} s"
        except PlaywrightError as error:
            # A page that is navigating cannot answer; a page that is gone is detected elsewhere.
            logger.debug("the page could not be checked: %s", first_line(error))
        await asyncio.sleep(_HUNG_PERIOD)
