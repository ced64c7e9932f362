"""Loads a platform's page, reads it and acts in it. Tells a page that is gone from one that does not respond."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import cache
from importlib.resources import files
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlsplit

import msgspec
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Frame, JSHandle, Locator, Page
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from worker.browser.page_errors import first_line
from worker.browser.page_window import PageWindow
from worker.platforms.call import CallError
from worker.platforms.page_actions import Click, FillName, MoveSlider, Step, press
from worker.platforms.signs import Sign
from worker.reasons import Reason

logger = logging.getLogger(__name__)

LOAD_TIMEOUT: Final = 60.0
"""Seconds for the page to load."""
MAX_FRAMES: Final = 8
"""Frames of a page that are read and clicked in, beside the page itself."""
CLICK_TIMEOUT: Final = 2.0
"""Seconds for a button to take a click."""
LEAVE_TIMEOUT: Final = 3.0
"""Seconds for the button to leave to go away after it was pressed."""

_REDIRECTED: Final = "interrupted by another navigation"

T = TypeVar("T")


_PREPARE: Final = """(wanted) => {
  const read = %s;
  let last;
  return () => {
    const seen = JSON.stringify(read(wanted));
    if (seen === last) return null;
    return (last = seen);
  };
}"""
"""Returns a function that returns what ``read`` returns, in JSON, or null if that has not changed since its last call."""

_READ: Final = "(read) => read()"


class Reading(Generic[T]):
    """A script that is called with ``wanted`` again and again. A document gets it once, and then returns changes only.

    ``kind`` is the type of the result.
    """

    def __init__(self, script: str, wanted: dict[str, Any], kind: type[T]) -> None:
        self._prepare = _PREPARE % script
        self._wanted = wanted
        self._kind = kind
        self._prepared: JSHandle | None = None
        self._seen = kind()

    async def look(self, page: Page | Frame) -> T:
        """The script's result. Raises PlaywrightError, and ValueError where it is not of the type."""
        try:
            changed = await self._changed(page)
        except asyncio.CancelledError:
            # The document may have told what it does not tell again.
            self._prepared = None
            raise
        if changed is not None:
            try:
                self._seen = msgspec.convert(json.loads(changed), self._kind)
            except (TypeError, ValueError) as error:
                await self._forget()
                raise ValueError(error) from error
        return self._seen

    async def _changed(self, page: Page | Frame) -> Any:
        """The result as JSON; None: it has not changed."""
        if self._prepared is not None:
            try:
                return await self._prepared.evaluate(_READ)
            except PlaywrightError:
                # Its document has gone, and there may be another.
                await self._forget()
        self._prepared = await page.evaluate_handle(self._prepare, self._wanted)
        try:
            return await self._prepared.evaluate(_READ)
        except PlaywrightError:
            await self._forget()
            raise

    async def _forget(self) -> None:
        """Has the next look prepare the document anew."""
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            with suppress(PlaywrightError):
                await prepared.dispose()


class PageDriver:
    """Every method raises CallError when the page or the browser is gone. ``window`` is restored for each step.

    ``frame_hosts``: frames of the page's own host and of these are part of the page.
    """

    def __init__(
        self,
        page: Page,
        bot_name: str,
        window: PageWindow | None = None,
        frame_hosts: frozenset[str] = frozenset(),
    ) -> None:
        self.page = page
        self._frame_hosts = frame_hosts
        self.window = window or PageWindow(page, minimizes=False)
        self._bot_name = bot_name
        self._last_step: Step | None = None
        self._readings: dict[tuple[Page | Frame, str, bytes], Reading[Any]] = {}

    async def load(self, url: str, shown: str) -> None:
        """Loads ``url``, named ``shown`` in messages, and follows redirects. Raises CallError where it does not load."""
        try:
            answer = await self.page.goto(url, wait_until="domcontentloaded", timeout=LOAD_TIMEOUT * 1000)
        except PlaywrightError as error:
            if _REDIRECTED in error.message:
                return
            raise CallError(Reason.PAGE_NOT_LOADED, f"{shown}: does not load: {first_line(error)}") from error
        if answer is not None and answer.status >= 500:
            raise CallError(Reason.PAGE_NOT_LOADED, f"{shown}: does not load: status {answer.status}")

    async def observe(self, script: str, wanted: dict[str, Any], kind: type[T]) -> T:
        """The result of ``script``, called with ``wanted``; a ``kind`` with its defaults where the page cannot be read now."""
        return await self._read(self.page, script, wanted, kind)

    async def observe_frames(self, script: str, wanted: dict[str, Any], kind: type[T]) -> list[T]:
        """The same of each visible frame that is part of the page."""
        frames = self._frames()
        shown = [frame for frame in frames if await self._is_visible(frame)]
        for key in [each for each in self._readings if each[0] is not self.page and each[0] not in frames]:
            del self._readings[key]
        return [await self._read(frame, script, wanted, kind) for frame in shown]

    def _frames(self) -> list[Frame]:
        """The frames that are part of the page, at most MAX_FRAMES."""
        if not self._frame_hosts:
            return []
        main = self.page.main_frame
        hosts = {*self._frame_hosts, urlsplit(main.url).hostname}
        inner = [frame for frame in self.page.frames if frame is not main]
        # An empty address is that of a frame which the page itself fills.
        return [
            frame for frame in inner if _is_filled_by_page(frame.url) or urlsplit(frame.url).hostname in hosts
        ][:MAX_FRAMES]

    async def _is_visible(self, frame: Frame) -> bool:
        try:
            return await (await frame.frame_element()).is_visible()
        except PlaywrightError as error:
            self.check_alive(error)
            return False

    async def _read(self, target: Page | Frame, script: str, wanted: dict[str, Any], kind: type[T]) -> T:
        key = (target, script, msgspec.json.encode(wanted))
        reading: Reading[T] = self._readings.setdefault(key, Reading(script, wanted, kind))
        try:
            return await reading.look(target)
        except PlaywrightError as error:
            self.check_alive(error)
            # The page is navigating.
            logger.debug("the page could not be read: %s", first_line(error))
        except ValueError as error:
            # The page may have replaced functions that the script calls.
            logger.warning("the page returned unexpected facts: %s", error)
        return kind()

    def shown(self, selector: str) -> Locator:
        """The first visible element of the page itself that Playwright's ``selector`` matches."""
        return self.page.locator(selector).filter(visible=True).first

    async def _find(self, selector: str) -> Locator:
        """The same in the page or, where it has none, in a visible frame that is part of it."""
        found = self.shown(selector)
        frames = self._frames()
        if not frames or await found.count():
            return found
        for frame in frames:
            inside = frame.locator(selector).filter(visible=True).first
            if await self._is_visible(frame) and await inside.count():
                return inside
        return found

    async def perform(self, step: Step) -> bool:
        """Performs ``step`` and returns whether the page accepted it. A repeated click is dispatched as a DOM event: a dialog
        of Chromium's own keeps the mouse from the page.
        """
        again = step == self._last_step
        self._last_step = None if again else step
        try:
            target = await self._find(step.selector)
            async with self.window.restored():
                match step:
                    case FillName():
                        await target.fill(self._bot_name, timeout=CLICK_TIMEOUT * 1000)
                    case MoveSlider():
                        await target.fill(str(step.value), timeout=CLICK_TIMEOUT * 1000)
                    case Click() if again:
                        await target.dispatch_event("click", timeout=CLICK_TIMEOUT * 1000)
                    case Click():
                        await target.click(timeout=CLICK_TIMEOUT * 1000)
        except PlaywrightTimeoutError:
            logger.info("the page does not accept a step on %s", step.selector)
            return False
        except PlaywrightError as error:
            self.check_alive(error)
            logger.info("the page does not accept a step on %s: %s", step.selector, first_line(error))
            return False
        return True

    async def leave_by(
        self, ways_out: Iterable[Sign], visible: Callable[[], Awaitable[frozenset[str]]]
    ) -> None:
        """Presses the first of ``ways_out`` that is visible and waits until it is gone, at most LEAVE_TIMEOUT; does nothing
        where none is visible. ``visible`` reads the page and returns the names of the signs that it shows.
        """
        for way_out in ways_out:
            if way_out.name not in await visible():
                continue
            await self.perform(press(way_out))
            deadline = time.monotonic() + LEAVE_TIMEOUT
            while time.monotonic() < deadline:
                await asyncio.sleep(0.1)
                if way_out.name not in await visible():
                    return
            return

    async def press_key(self, key: str) -> None:
        """Presses the key that has this name in Playwright."""
        await self._send_input(self.page.keyboard.press(key))

    async def move_mouse(self, x: float, y: float) -> None:
        """Moves the mouse, in CSS pixels from the window's corner."""
        await self._send_input(self.page.mouse.move(x, y))

    async def _send_input(self, action: Awaitable[None]) -> None:
        try:
            async with self.window.restored():
                await action
        except PlaywrightError as error:
            self.check_alive(error)
            logger.info("the page does not accept an input: %s", first_line(error))

    def check_alive(self, error: PlaywrightError) -> None:
        """Raises CallError where ``error`` means that the page is gone."""
        if self.page.is_closed():
            raise CallError(Reason.BROWSER_DIED, f"the page is gone: {first_line(error)}") from error


def _is_filled_by_page(url: str) -> bool:
    """Whether a frame has no address of its own; then it is of its parent's origin."""
    return url in ("", "about:blank", "about:srcdoc")


@cache
def reading_script(package: str) -> str:
    """The script read_page.js of ``package``, for PageDriver.observe, with the function of page_text.js as second argument."""
    text_of = (files("worker.platforms") / "page_text.js").read_text("utf-8")
    read_page = (files(package) / "read_page.js").read_text("utf-8")
    return f"(wanted) => (\n{read_page})(wanted,\n{text_of})"
