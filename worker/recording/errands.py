"""Does in the call's page what a bot is asked for: writes messages, takes pictures. What fails there costs nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from playwright.async_api import Error as PlaywrightError

from worker.browser.page_errors import first_line
from worker.errors import cause
from worker.platforms.call import Call
from worker.recording.controls import Controls, Errand, Message, Screenshot

logger = logging.getLogger(__name__)

TIMEOUT: Final = 15.0
"""Seconds for one errand, during which nothing else is read from the page."""

_INTERRUPTED: Final = "the bot had to stop what it was doing in the page"


class Errands:
    """Takes the errands out of ``controls``. ``take_screenshot`` writes a picture of the page to a path, or raises
    PlaywrightError or OSError.
    """

    def __init__(
        self, controls: Controls, call: Call, take_screenshot: Callable[[Path], Awaitable[None]]
    ) -> None:
        self._controls = controls
        self._call = call
        self._take_screenshot = take_screenshot

    async def do_next(self) -> None:
        """Does the next errand, if there is one. Raises CallError."""
        if not self._controls.errands:
            return
        errand, finish = self._controls.errands.popleft()
        failure = _INTERRUPTED
        try:
            async with asyncio.timeout(TIMEOUT):
                failure = await self._do(errand)
        except TimeoutError:
            failure = f"the page took longer than {TIMEOUT:g} s"
        except PlaywrightError as error:
            failure = first_line(error)
        except OSError as error:
            failure = cause(error)
        finally:
            kind = type(errand).__name__.lower()
            logger.info("an errand in the page, %s: %s", kind, failure or "done")
            finish(failure)
            if self._controls.errands:
                self._controls.wake.set()

    async def rest(self, seconds: float) -> None:
        """Waits for so long, or until the page is to be looked at without delay."""
        # asyncio.wait_for can lose the cancellation of a task whose event is set at the same moment (Python 3.11).
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._controls.wake.wait()
        self._controls.wake.clear()

    async def _do(self, errand: Errand) -> str:
        match errand:
            case Message(text):
                return await self._call.announce(text) or ""
            case Screenshot(path):
                await self._take_screenshot(path)
                return ""
