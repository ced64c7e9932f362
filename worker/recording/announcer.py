"""Tells the call that it is recorded: writes the job's announcement into the chat, and down whether that succeeded.

The page's own chat sends it, as a person would: what other participants see is then what the bot's page shows. A message that
comes back from the platform, or that the page was seen sending, confirms it; that neither is seen says nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from worker.iso_time import iso_utc
from worker.lifecycle.announcement import NotAnnounced
from worker.manifest.schema import Announcement
from worker.platforms.call import Call
from worker.tape.events import Announced, WorkerEvent

logger = logging.getLogger(__name__)

MOST_TRIES: Final = 3
PAUSE: Final = 5.0
"""Seconds from a try that failed to the next: panels open slowly, and a dialog may cover them."""
TRY_TIMEOUT: Final = 15.0
"""Seconds for one try."""
CONFIRM_TIMEOUT: Final = 2.0
"""Seconds in which a message that was written may be seen to be sent, or may come back."""
_ELLIPSIS: Final = "\u2026"


class Announcer:
    """Writes ``message`` into the chat of ``call``; does nothing where it is None.

    ``write`` is called with the event for the tape, once it is certain that the call was told, or that it will not be.
    ``clock`` returns Unix seconds.
    """

    def __init__(
        self,
        call: Call,
        message: str | None,
        *,
        write: Callable[[WorkerEvent], None],
        clock: Callable[[], float],
    ) -> None:
        self._call = call
        self._message = message
        self._write = write
        self._clock = clock
        self._tries = 0
        self._due = 0.0
        self._confirmed = asyncio.Event()
        self._confirmed_by = ""
        self.outcome: Announcement | None = None
        """Whether the call was told; None as long as that is open, and where there is nothing to tell."""

    async def try_if_due(self) -> None:
        """Tries to write the message, if that is due; to be called while the bot records. Raises CallError."""
        if self._message is None or self.outcome is not None or self._clock() < self._due:
            return
        self._tries += 1
        try:
            async with asyncio.timeout(TRY_TIMEOUT):
                failure = await self._call.announce(self._message)
        except TimeoutError:
            failure = NotAnnounced.NOT_TAKEN
        if await self._is_confirmed(failure):
            failure = None
        if failure is not None and self._tries < MOST_TRIES:
            logger.info("the announcement could not be written into the chat (%s); trying again", failure)
            self._due = self._clock() + PAUSE
            return
        self._decide(failure)

    def see(self, text: str, by: str) -> None:
        """Takes a chat message of the bot: ``by`` says whether it came back (``echo``) or was seen to be sent (``sent``)."""
        if self._message is None or not self._tries or self.outcome is not None:
            return
        if _is_beginning(text, self._message):
            self._confirmed_by = self._confirmed_by or by
            self._confirmed.set()

    async def _is_confirmed(self, failure: NotAnnounced | None) -> bool:
        """Whether the message was seen, now or within CONFIRM_TIMEOUT. Where the page has no chat, none was written."""
        if failure is not NotAnnounced.NO_CHAT:
            # asyncio.wait_for can lose the cancellation of a task whose event is set at the same moment (Python 3.11).
            with suppress(TimeoutError):
                async with asyncio.timeout(CONFIRM_TIMEOUT):
                    await self._confirmed.wait()
        return self._confirmed.is_set()

    def end(self, *, recorded: bool) -> None:
        """The bot leaves: what was not announced will not be. ``recorded``: the recording had begun."""
        if self._message is not None and self.outcome is None:
            self._decide(NotAnnounced.LEFT_BEFORE if recorded else NotAnnounced.NEVER_RECORDED)

    def _decide(self, failure: NotAnnounced | None) -> None:
        at = self._clock()
        self.outcome = Announcement(written_at=None if failure else iso_utc(at), failure=failure or "")
        if failure is NotAnnounced.NEVER_RECORDED:
            logger.info("nothing was recorded, and nothing announced")
        elif failure is None:
            logger.info(
                "the announcement was written into the chat; confirmed by: %s",
                self._confirmed_by or "nothing",
            )
        else:
            logger.warning("the announcement could not be written into the chat: %s", failure)
        self._write(Announced(at=at, failure=failure or "", confirmed_by=self._confirmed_by))


def _is_beginning(text: str, message: str) -> bool:
    """Whether ``text`` is ``message``, or its beginning where it was cut; white space does not count."""
    shown, whole = " ".join(text.split()), " ".join(message.split())
    return shown == whole or (
        shown.endswith(_ELLIPSIS) and whole.startswith(shown.rstrip(_ELLIPSIS).rstrip() or "\0")
    )
