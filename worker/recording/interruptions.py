"""What ends a recording from outside the call: the worker's stop, a failing tape, a dead browser, a page that hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from playwright.async_api import Page

from worker.browser.hang_detector import until_hung
from worker.browser.launch import BrowserSession
from worker.browser.tap import Tap
from worker.lifecycle.ending import Ending
from worker.reasons import Reason
from worker.tape.errors import TapeWriteError


class Interruptions:
    """Waits for an interruption of the recording in ``page``; ``stopped`` is done when the bot has to leave. ``clock`` returns
    Unix seconds on the recording's steady clock.
    """

    def __init__(
        self,
        browser: BrowserSession,
        tap: Tap,
        page: Page,
        stopped: asyncio.Future[Ending],
        clock: Callable[[], float],
    ) -> None:
        self._browser = browser
        self._tap = tap
        self._page = page
        self._stopped = stopped
        self._clock = clock

    async def wait_beside(self, call: asyncio.Task[None]) -> Ending | None:
        """Waits until ``call`` is done (returns None) or interrupted. Of several interruptions, returns the first in the order
        stop, tape, browser, page."""
        hanging = asyncio.ensure_future(until_hung(self._page, lambda: self._tap.last_heartbeat, self._clock))
        ends: set[asyncio.Future[Any]] = {
            call,
            hanging,
            self._stopped,
            self._browser.died,
            self._tap.failed,
        }
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            return self._first(hanging)
        finally:
            hanging.cancel()
            await asyncio.gather(hanging, return_exceptions=True)

    def _first(self, hanging: asyncio.Future[str]) -> Ending | None:
        now = self._clock()
        if self._stopped.done():
            # The stop's time is by the system's clock, which may have been set meanwhile.
            return self._stopped.result()._replace(at=now)
        if self._tap.failed.done():
            error = self._tap.failed.result()
            tape_failed = isinstance(error, TapeWriteError)
            return Ending(Reason.TAPE_FAILED if tape_failed else Reason.INTERNAL_ERROR, str(error), now)
        if self._browser.died.done():
            return Ending(Reason.BROWSER_DIED, self._browser.died.result(), now)
        if hanging.done():
            return Ending(Reason.PAGE_HUNG, hanging.result(), now)
        return None
