"""The interface of a call on any platform: platforms observe and act, worker.lifecycle.state_machine decides."""

from __future__ import annotations

from typing import Protocol

from playwright.async_api import Page

from worker.browser.page_window import PageWindow
from worker.errors import MeetstemsError
from worker.lifecycle.announcement import NotAnnounced
from worker.lifecycle.page_tasks import PageTask, TaskOutcome
from worker.lifecycle.page_view import View
from worker.platforms.address import MeetingAddress
from worker.reasons import Reason


class CallError(MeetstemsError):
    """The page cannot be driven: it does not load, or the browser is gone. ``reason`` says which."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Call(Protocol):
    """One call in one page. Every method raises CallError when the browser is gone."""

    async def open(self) -> None:
        """Loads the page."""

    async def look(self, *, thorough: bool) -> View:
        """Reads the page once. ``thorough``: reads its text even while a call is visible, which costs a layout."""

    async def act(self) -> None:
        """Performs at most one step, chosen from the last look: to join, or to answer what the page asks."""

    async def announce(self, message: str) -> NotAnnounced | None:
        """Writes ``message`` into the call's chat, cut to the platform's limit; says why where the page does not take it."""

    async def carry_out(self, task: PageTask) -> TaskOutcome:
        """Does ``task`` in the page of a call, which is left as it was found; ABSENT where the page offers no such thing."""

    async def leave(self) -> None:
        """Leaves by the page's own button, as a person does; does nothing where there is none."""


class CallFactory(Protocol):
    """The constructor of a platform's class of calls."""

    def __call__(
        self,
        page: Page,
        address: MeetingAddress,
        bot_name: str,
        *,
        signed_in: bool = ...,
        window: PageWindow | None = ...,
        separate_video: bool = ...,
    ) -> Call:
        """The call at ``address`` in ``page``, not yet joined. ``signed_in``: the browser carries an account. ``window``: the
        page's, for PageDriver; None: it is never minimized. ``separate_video``: incoming video stays on, in the layout that
        shows the most.
        """
