"""What a recording asks of a call, whatever the platform."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from worker.errors import MeetstemsError


class NotAdmitted(NamedTuple):
    """The bot is not let in. ``reason`` is a short code such as ``denied_by_host``; ``detail`` is what the page says."""

    reason: str
    detail: str


class Ended(NamedTuple):
    """The call is over. ``reason`` is a short code such as ``meeting_ended``; ``detail`` is what the page says."""

    reason: str
    detail: str


class CallError(MeetstemsError):
    """The page cannot be driven: it does not load, or the browser is gone. ``reason`` is a short code."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Call(Protocol):
    """One call in one page. Every method raises CallError when the browser is gone."""

    platform: str
    in_lobby_until: float | None
    """When the waiting room was last seen, in seconds since the Unix epoch; None: never."""

    async def join(self, in_waiting_room: Callable[[], None]) -> NotAdmitted | None:
        """Goes in; returns None once in the call. ``in_waiting_room`` is called once if somebody has to let the bot in."""

    async def until_ended(self) -> Ended:
        """Stays until the call ends for the bot, and answers what the page asks meanwhile."""

    async def leave(self) -> None:
        """Leaves by the call's own button, as a person does."""
