"""Detects that a page does not answer any more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page

from worker.browser.page_errors import first_line

logger = logging.getLogger(__name__)

HUNG_TIMEOUT: Final = 30.0
"""Seconds that the page may take to evaluate a trivial script."""

_HUNG_PERIOD: Final = 5.0
"""Seconds between two checks."""


async def until_hung(page: Page, seen_running: Callable[[], float | None], clock: Callable[[], float]) -> str:
    """Waits until the page does not answer any more; returns an English sentence that says so.

    The page is asked only if its scripts were not ``seen_running`` since the last check: returns when that was, by ``clock``.
    """
    checked = clock()
    while True:
        await asyncio.sleep(_HUNG_PERIOD)
        seen, last_check, checked = seen_running(), checked, clock()
        if seen is not None and seen >= last_check:
            continue
        try:
            async with asyncio.timeout(HUNG_TIMEOUT):
                await page.evaluate("0")
        except TimeoutError:
            return f"the page did not answer for {HUNG_TIMEOUT:.0f} s"
        except PlaywrightError as error:
            # A page that is navigating cannot answer; a page that is gone is detected elsewhere.
            logger.debug("the page could not be checked: %s", first_line(error))
