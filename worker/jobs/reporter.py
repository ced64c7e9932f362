"""Tells the world how a bot is doing: ``bot.json`` in the store, events on their queue. Nobody who reports ever waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

import msgspec

from worker.contracts.job import Job
from worker.contracts.status import (
    AUDIO_SUCCESS,
    SEQUENCES_PER_ATTEMPT,
    BotStatus,
    audio_event,
    bot_status,
    state_event,
)
from worker.contracts.vendor_words import words
from worker.delivery.bucket_layout import BotKeys
from worker.delivery.errors import DeliveryError
from worker.delivery.event_sinks import EventSink
from worker.delivery.object_store import ObjectStore
from worker.reasons import Reason
from worker.states import State

logger = logging.getLogger(__name__)

JSON: Final = "application/json"


class Reporter:
    """Reports one bot. To be used in one event loop; ``clock`` gives seconds since the Unix epoch.

    ``attempt`` is the number under which events are numbered from now on; it only grows.
    """

    def __init__(
        self,
        store: ObjectStore,
        keys: BotKeys,
        events: EventSink,
        job: Job,
        attempt: int,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._keys = keys
        self._events = events
        self._job = job
        self._clock = clock
        self.attempt = attempt
        self._count = 0
        self._status: BotStatus | None = None
        self._unwritten: BotStatus | None = None
        self._writing: asyncio.Task[None] | None = None

    def next_sequence(self) -> int:
        """The number of the next event."""
        self._count += 1
        return self.attempt * SEQUENCES_PER_ATTEMPT + self._count

    def enter(self, state: State, reason: Reason | None = None) -> BotStatus:
        """The bot enters ``state``: an event, and bot.json soon. Entering the same state again is told once."""
        if self._status is not None and (self._status.state, self._status.reason) == (state, reason or ""):
            return self._status
        said = words(state, reason, self._job.platform)
        status = bot_status(self._job, state, reason, said, self.attempt, self.next_sequence(), self._clock())
        if self._status is not None:
            status = msgspec.structs.replace(status, audio_status=self._status.audio_status)
        self._status = status
        self._events.send(state_event(status, said.event, self._job.custom_attributes))
        self._write_soon(status)
        return status

    async def audio_ready(self) -> None:
        """The document of audio streams is there: bot.json says so before anybody is told. Raises what the store raises."""
        status = self._renewed(audio_status=AUDIO_SUCCESS)
        await self._settled()
        await self._put(status)
        self._events.send(audio_event(status, self._job.custom_attributes))

    async def no_audio(self) -> None:
        """There is nothing to give, and there will not be. Raises what the store raises."""
        status = self._renewed(audio_status=AUDIO_SUCCESS)
        await self._settled()
        await self._put(status)

    async def reported(self, result: dict[str, Any], patience: float) -> bool:
        """Sends the result and notes in bot.json that it was sent; False where it could not be within ``patience`` seconds.

        Raises what the store raises.
        """
        self._events.send(result)
        if not await asyncio.to_thread(self._events.drain, patience):
            return False
        await self._settled()
        await self._put(self._renewed(reported=True))
        return True

    async def _settled(self) -> None:
        """Returns when no writing is under way, so that what is written next stays."""
        self._unwritten = None
        if self._writing is not None:
            await self._writing

    def _renewed(self, **changes: Any) -> BotStatus:
        if self._status is None:
            raise RuntimeError("a bot has a state before it has anything else to tell")
        self._status = msgspec.structs.replace(self._status, sequence=self.next_sequence(), **changes)
        return self._status

    def _write_soon(self, status: BotStatus) -> None:
        self._unwritten = status
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while (status := self._unwritten) is not None:
            self._unwritten = None
            try:
                await self._put(status)
            except DeliveryError as error:
                # The next state comes with the next writing; the last one is written by who needs it.
                logger.warning("bot.json could not be written: %s", error)

    async def _put(self, status: BotStatus) -> None:
        body = msgspec.json.format(msgspec.json.encode(status), indent=2) + b"\n"
        await asyncio.to_thread(self._store.put, self._keys.status, body, content_type=JSON)
