"""What a recording asks of a call, whatever the platform: platforms observe and act, worker.lifecycle.state_machine decides."""

from __future__ import annotations

from typing import Protocol

from worker.errors import MeetstemsError
from worker.lifecycle.page_view import View


class CallError(MeetstemsError):
    """The page cannot be driven: it does not load, or the browser is gone. ``reason`` is a value of worker.reasons.Reason."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Call(Protocol):
    """One call in one page. Every method raises CallError when the browser is gone."""

    platform: str
    """``google_meet`` or ``microsoft_teams``."""

    async def open(self) -> None:
        """Loads the page."""

    async def look(self, *, thorough: bool) -> View:
        """One look at the page. ``thorough``: at its text, too, which costs a layout; without a call in view that is always
        read."""

    async def act(self) -> None:
        """Takes the one step that the last look calls for, if any: on the way in, or to answer what the page asks."""

    async def announce(self, message: str) -> bool:
        """Writes into the call's chat, as much as the platform takes; False where the page offers no chat."""

    async def leave(self) -> None:
        """Leaves by the call's own button, as a person does; where there is none, there is nothing to leave."""
