"""What shows that a call goes on without us: no connection, a deaf tap, a page that hangs."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page

from worker.platforms.call import Ended
from worker.recorder import Recorder

logger = logging.getLogger(__name__)

DISCONNECTED_TIMEOUT: Final = 90.0
"""Seconds without a peer connection after which the call is given up; Meet reconnects, or says that it failed, sooner."""

DEAF_TIMEOUT: Final = 10.0
"""Seconds that packets may come without one of them reaching the tap, after the page has told of it."""

HUNG_TIMEOUT: Final = 30.0
"""Seconds that the page may take for the shortest of answers."""

_CUT_OFF_PERIOD: Final = 1.0
_HUNG_PERIOD: Final = 5.0
"""Seconds between two looks."""


async def until_cut_off(recorder: Recorder) -> Ended:
    """Returns when nothing has come for too long, although it should: ``connection_lost`` or ``tap_deaf``."""
    while True:
        if recorder.disconnected_for() > DISCONNECTED_TIMEOUT:
            return Ended("connection_lost", f"no connection for {DISCONNECTED_TIMEOUT:.0f} s")
        if recorder.deaf_for() > DEAF_TIMEOUT:
            return Ended("tap_deaf", f"packets arrive, but none reached the tap for {DEAF_TIMEOUT:.0f} s")
        await asyncio.sleep(_CUT_OFF_PERIOD)


async def until_hung(page: Page) -> Ended:
    """Returns when the page does not answer any more: ``page_hung``."""
    while True:
        try:
            async with asyncio.timeout(HUNG_TIMEOUT):
                await page.evaluate("0")
        except TimeoutError:
            return Ended("page_hung", f"the page did not answer for {HUNG_TIMEOUT:.0f} s")
        except PlaywrightError as error:
            # On its way to another document it cannot answer; whether it is gone, others notice.
            logger.debug("the page could not be asked: %s", error.message)
        await asyncio.sleep(_HUNG_PERIOD)
