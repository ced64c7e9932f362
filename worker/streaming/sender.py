"""What sends the messages of one connection, whatever carries them."""

from __future__ import annotations

import asyncio
from typing import Protocol

from worker.streaming.live_queue import Message


class SenderObserver(Protocol):
    """What a sender tells its endpoint."""

    def up(self) -> None:
        """The receiver was reached; also each time after the first."""

    def exhausted(self, cause: str) -> bool:
        """The receiver was not reached in all retries, or never will be; ``cause`` has no secrets.

        True: the sender may go on to try, seldom; otherwise it ends.
        """


class Sender(Protocol):
    """Works in ``task`` from its making on: until all is sent after ``finish``, it is exhausted, or ``close``."""

    task: asyncio.Task[None]
    is_connected: bool

    def open(self) -> None:
        """It is wanted again, if it was not any more."""

    def put(self, message: Message) -> None:
        """Puts ``message`` behind what waits. Never blocks."""

    def finish(self) -> None:
        """Ends once what waits was sent."""

    async def close(self, within: float) -> None:
        """Like ``finish``; what was not sent after ``within`` seconds is given up. Never raises."""
