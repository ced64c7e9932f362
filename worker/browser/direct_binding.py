"""A function in a page's documents that hands text to the worker process without an answer."""

from __future__ import annotations

import asyncio
import inspect
import logging
import secrets
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from playwright.async_api import BrowserContext, CDPSession, Page
from playwright.async_api import Error as PlaywrightError

from worker.browser.page_errors import first_line

logger = logging.getLogger(__name__)

MOST_DOCUMENTS: Final = 10_000
"""Documents whose calls are counted, since the page is untrusted; the calls of further ones count as not arrived."""

_RELEASE_AFTER: Final = 5.0
"""Seconds after a page's message to its console until the objects in it are released."""


class DirectBinding:
    """The binding of CDP's Runtime.addBinding: half the cost of Playwright's, which follows every frame and answers each call.

    It exists in all documents of a page and of its iframes in the same process, before their first script, from install() on.
    Windows that the page opens and iframes of other sites are other targets of CDP, and do not have it. ``receive`` is called
    with the kind and the body of each call, in the order in which a document made them; it must not raise.
    """

    def __init__(self, receive: Callable[[str, str], None]) -> None:
        self.name = f"tap{secrets.token_hex(8)}"
        self._receive = receive
        self._arrived: Counter[str] = Counter()
        self._releases: dict[CDPSession, asyncio.Task[None]] = {}

    async def install(self, context: BrowserContext, page: Page) -> None:
        """Adds the binding to ``page``; where Chromium refuses, its documents do without."""
        try:
            session = await context.new_cdp_session(page)
            session.on("Runtime.bindingCalled", self._listener())
            for report in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
                session.on(report, lambda _: self._release_console(session))
            # Without Runtime.enable, documents that come later have no binding.
            await session.send("Runtime.enable")
            await session.send("Runtime.addBinding", {"name": self.name})
        except PlaywrightError as error:
            logger.info("the page has no direct binding: %s", first_line(error))

    def arrived(self, document: str) -> int:
        """How many calls of the document have arrived."""
        return self._arrived[document]

    def _listener(self) -> Callable[[dict[str, Any]], None]:
        """What listens to the calls. Playwright looks for a listener's signature at each event (PEP 362), which takes two
        thirds of the time that it needs to pass one on, unless the listener has it as ``__signature__``.
        """

        def listener(event: dict[str, Any]) -> None:
            self._on_call(event)

        vars(listener)["__signature__"] = inspect.signature(listener)
        return listener

    def _on_call(self, event: dict[str, Any]) -> None:
        if event["name"] != self.name:
            return
        document, _, call = event["payload"].partition(" ")
        if document in self._arrived or len(self._arrived) < MOST_DOCUMENTS:
            self._arrived[document] += 1
        kind, _, body = call.partition(" ")
        self._receive(kind, body)

    def _release_console(self, session: CDPSession) -> None:
        """CDP keeps what a page writes to its console for later clients, as long as the document lives."""
        if session not in self._releases:
            self._releases[session] = asyncio.create_task(self._release(session))

    async def _release(self, session: CDPSession) -> None:
        await asyncio.sleep(_RELEASE_AFTER)
        del self._releases[session]
        try:
            await session.send("Runtime.releaseObjectGroup", {"objectGroup": "console"})
        except PlaywrightError as error:
            logger.debug("the console's objects are not released: %s", first_line(error))
