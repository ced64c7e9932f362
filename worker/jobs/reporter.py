"""Reports a bot's status: ``bot.json`` in the store, and events to their sink, while this worker has the bot's lease."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import msgspec

from worker.contracts.job import Job
from worker.contracts.status import (
    AUDIO_SUCCESS,
    ENDPOINT_FAILED,
    ENDPOINT_RUNNING,
    MOST_ENDPOINT_CHANGES,
    SEQUENCES_PER_ATTEMPT,
    VIDEO_FAILED,
    VIDEO_IN_PROGRESS,
    VIDEO_SUCCESS,
    BotStatus,
    EndpointChange,
    audio_event,
    bot_status,
    endpoint_event,
    pause_event,
    state_event,
    upload_delayed_event,
    video_event,
    with_change,
)
from worker.contracts.vendor_words import words
from worker.delivery.bucket_layout import BotKeys
from worker.delivery.errors import DeliveryError
from worker.delivery.event_sinks import EventSink
from worker.delivery.guarded_document import GuardedDocument
from worker.delivery.lease import Lease, LeaseLostError
from worker.delivery.object_store import NotFoundError, ObjectStore
from worker.iso_time import iso_utc
from worker.reasons import Reason
from worker.safe_text import printable, redact
from worker.states import State

logger = logging.getLogger(__name__)

JSON: Final = "application/json"

LONGEST_WHY: Final = 200
"""Characters of why an endpoint of live streams failed."""

DRAIN_ROUND: Final = 2.0
"""Seconds of one wait for events; between two of them it is noticed that the worker is out of time."""


def read_status(store: ObjectStore, keys: BotKeys) -> tuple[str | None, BotStatus | None]:
    """``bot.json`` as another worker left it, with its ETag; no status where there is none, or none that can be read.

    Blocks; raises what the store raises.
    """
    try:
        stored = store.get(keys.status)
    except NotFoundError:
        return None, None
    try:
        return stored.etag, msgspec.json.decode(stored.data, type=BotStatus)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        logger.warning("%s: cannot be read: %s", keys.status, error)
        return stored.etag, None


class Reporter:
    """Reports one bot. To be used in one event loop; ``clock`` returns seconds since the Unix epoch.

    Reporting a state never blocks. ``attempt`` is the attempt that the next events belong to and are numbered by; it only
    grows. ``pod`` and ``node`` are where this worker runs. ``before`` is bot.json as earlier attempts left it. Nothing is
    reported once another worker has taken over ``lease``.
    """

    def __init__(
        self,
        store: ObjectStore,
        keys: BotKeys,
        events: EventSink,
        lease: Lease,
        job: Job,
        attempt: int,
        clock: Callable[[], float],
        pod: str = "",
        node: str = "",
        before: BotStatus | None = None,
    ) -> None:
        self._document = GuardedDocument(store, keys.status, lambda: lease.may_speak(clock()))
        self._events = events
        self._lease = lease
        self._job = job
        self._clock = clock
        self._pod = pod
        self._node = node
        self.announced_at = before.announced_at if before is not None else None
        """When the call was told of the recording, by any attempt (ISO 8601); None: it was not."""
        self._paused = before.paused if before is not None else False
        self.attempt = attempt
        self.endpoint_changes = before.realtime_endpoints if before is not None else []
        """The states that endpoints of live streams entered, in all attempts."""
        self._recording_started_at = before.recording_started_at if before is not None else None
        self._history = before.history if before is not None else []
        self._count = 0
        self._upload_delayed = 0
        self._result_is_sent = False
        self._status: BotStatus | None = None
        self._unwritten: BotStatus | None = None
        self._writing: asyncio.Task[None] | None = None
        self._unsent: list[dict[str, Any]] = []
        self._sending: asyncio.Task[None] | None = None

    def next_sequence(self) -> int:
        """The number of the next event."""
        self._count += 1
        return self.attempt * SEQUENCES_PER_ATTEMPT + self._count

    def enter(self, state: State, reason: Reason | None = None) -> BotStatus:
        """Reports a new state: sends an event, and writes bot.json soon. Reports the current state only once."""
        if self._status is not None and (self._status.state, self._status.reason) == (state, reason or ""):
            return self._status
        names = words(state, reason, self._job.platform)
        status = bot_status(
            self._job, state, reason, names, self.attempt, self.next_sequence(), self._clock()
        )
        status = msgspec.structs.replace(
            status,
            pod=self._pod,
            node=self._node,
            announced_at=self.announced_at,
            paused=self._paused,
            recording_started_at=self._recording_started_at,
            realtime_endpoints=self.endpoint_changes,
            video_status=VIDEO_IN_PROGRESS if self._job.separate_video else None,
        )
        status = with_change(status, self._history)
        self._history = status.history
        if self._status is not None:
            status = msgspec.structs.replace(
                status, audio_status=self._status.audio_status, video_status=self._status.video_status
            )
        self._status = status
        self._send(state_event(status, names.event, self._job.custom_attributes))
        self._write_soon(status)
        return status

    def upload_delayed(self) -> None:
        """Reports, once for each attempt, that the recording cannot be uploaded yet."""
        if self._upload_delayed != self.attempt:
            self._upload_delayed = self.attempt
            at = self._clock()
            self._send(upload_delayed_event(self._job, self.attempt, self.next_sequence(), at))

    def announced(self, at: float) -> None:
        """Writes into bot.json, soon, that the call was told of the recording at ``at`` (Unix seconds)."""
        self.announced_at = iso_utc(at)
        if self._status is not None:
            self._status = msgspec.structs.replace(self._status, announced_at=self.announced_at)
            self._write_soon(self._status)

    def paused(self, paused: bool) -> None:
        """Reports that the recording is paused, or goes on: sends an event, and writes bot.json soon.

        Only changes are reported, and nothing before the first state.
        """
        if self._status is None or paused == self._paused:
            return
        self._paused = paused
        status = msgspec.structs.replace(
            self._status, paused=paused, sequence=self.next_sequence(), updated_at=iso_utc(self._clock())
        )
        self._status = status
        self._send(pause_event(status, self._job.custom_attributes))
        self._write_soon(status)

    @property
    def recording_started_at(self) -> float | None:
        """When the recording of the first attempt that recorded began (Unix seconds); None: none has."""
        recording = (each.at for each in self._history if each.state == State.IN_CALL_RECORDING)
        began = self._recording_started_at or next(recording, None)
        return None if began is None else datetime.fromisoformat(began).timestamp()

    def recording_began(self, at: float) -> None:
        """Writes into bot.json, soon, that a recording began at ``at`` (Unix seconds), unless an earlier one did."""
        if self._recording_started_at is None:
            self._recording_started_at = iso_utc(at, "microseconds")
            if self._status is not None:
                self._status = msgspec.structs.replace(
                    self._status, recording_started_at=self._recording_started_at
                )
                self._write_soon(self._status)

    def endpoint(self, number: int, code: str, message: str = "", attempt: int | None = None) -> None:
        """Reports that an endpoint of live streams entered the state ``code`` in ``attempt`` (None: this one): sends an event,
        and writes bot.json soon.

        Nothing is reported before the first state, and with the result nothing more.
        """
        if self._status is None or self._result_is_sent:
            return
        at = iso_utc(self._clock())
        shown = printable(self._job.redactor().text(redact(message)), LONGEST_WHY)
        change = EndpointChange(
            number=number, code=code, sub_code=None, message=shown, attempt=attempt or self.attempt, at=at
        )
        self.endpoint_changes = [*self.endpoint_changes, change][-MOST_ENDPOINT_CHANGES:]
        self._status = msgspec.structs.replace(
            self._status,
            sequence=self.next_sequence(),
            updated_at=at,
            realtime_endpoints=self.endpoint_changes,
        )
        self._send(endpoint_event(self._status, change, self._job.custom_attributes))
        self._write_soon(self._status)

    def end_endpoints(self) -> None:
        """Reports that endpoints failed whose end nobody reported: what sent to them was lost."""
        if self._recording_started_at is None:
            return
        last = {change.number: change.code for change in self.endpoint_changes}
        for endpoint in self._job.live:
            if last.get(endpoint.number, ENDPOINT_RUNNING) == ENDPOINT_RUNNING:
                self.endpoint(
                    endpoint.number, ENDPOINT_FAILED, "its end is not known: what sent to it was lost"
                )

    async def audio_ready(self) -> None:
        """Reports that audio_streams.json is there: first in bot.json, then by an event.

        Raises LeaseLostError and what the store raises.
        """
        status = self._updated(audio_status=AUDIO_SUCCESS)
        await self._finish_writing()
        await self._put(status)
        self._send(audio_event(status, self._job.custom_attributes))

    async def audio_missing(self) -> None:
        """Writes to bot.json that nothing was recorded: no audio streams, and no videos.

        Raises LeaseLostError and what the store raises.
        """
        video = VIDEO_SUCCESS if self._job.separate_video else None
        status = self._updated(audio_status=AUDIO_SUCCESS, video_status=video)
        await self._finish_writing()
        await self._put(status)

    async def end_waiting(self) -> None:
        """Reports that nothing more will be recovered: the audio is final as it is, and videos that were asked for and are not
        there have failed: first in bot.json, then, of the latter, by an event.

        Raises LeaseLostError and what the store raises.
        """
        was = self._status.video_status if self._status is not None else None
        failed = was == VIDEO_IN_PROGRESS
        status = self._updated(audio_status=AUDIO_SUCCESS, video_status=VIDEO_FAILED if failed else was)
        await self._finish_writing()
        await self._put(status)
        if failed:
            self._send(video_event(status, self._job.custom_attributes))

    async def video_ready(self, *, failed: bool = False) -> None:
        """Reports that all videos that there will be are there, or, with ``failed``, that none could be kept: first in
        bot.json, then by an event.

        Raises LeaseLostError and what the store raises.
        """
        status = self._updated(video_status=VIDEO_FAILED if failed else VIDEO_SUCCESS)
        await self._finish_writing()
        await self._put(status)
        self._send(video_event(status, self._job.custom_attributes))

    async def send_result(self, result: dict[str, Any], seconds: float, out_of_time: threading.Event) -> bool:
        """Sends the result and writes to bot.json that it was sent; False if it could not be sent within ``seconds``, or until
        ``out_of_time`` was set.

        Raises LeaseLostError and what the store raises.
        """
        if self._sending is not None:
            await self._sending
        if not await self._may_speak():
            raise LeaseLostError("the result is not sent: another worker has the bot")
        self._result_is_sent = True
        self._events.send(result)
        if not await self._drain_events(seconds, out_of_time):
            return False
        await self._finish_writing()
        await self._put(self._updated(reported=True))
        return True

    async def _drain_events(self, seconds: float, out_of_time: threading.Event) -> bool:
        deadline = time.monotonic() + seconds
        while not await asyncio.to_thread(self._events.drain, min(DRAIN_ROUND, seconds)):
            # Without a waiting event, one was given up.
            if self._events.waiting == 0 or out_of_time.is_set() or time.monotonic() >= deadline:
                return False
        return True

    async def _finish_writing(self) -> None:
        """Waits for the write under way, which would otherwise overwrite the next one."""
        self._unwritten = None
        if self._writing is not None:
            await self._writing

    def _updated(self, **changes: Any) -> BotStatus:
        if self._status is None:
            raise RuntimeError("no state was reported yet, expected enter() to be called first")
        self._status = msgspec.structs.replace(self._status, sequence=self.next_sequence(), **changes)
        return self._status

    def _send(self, event: dict[str, Any]) -> None:
        """Sends ``event`` at once while the lease is proven; otherwise in the background, once its owner is clear."""
        if self._lease.is_proven and not self._unsent:
            self._events.send(event)
            return
        self._unsent.append(event)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_unsent())

    async def _send_unsent(self) -> None:
        while self._unsent:
            if not await self._may_speak():
                logger.warning("%d events are not sent: another worker has the bot", len(self._unsent))
                self._unsent.clear()
                return
            self._events.send(self._unsent.pop(0))

    async def _may_speak(self) -> bool:
        return await asyncio.to_thread(self._lease.may_speak, self._clock())

    def _write_soon(self, status: BotStatus) -> None:
        self._unwritten = status
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while (status := self._unwritten) is not None:
            self._unwritten = None
            try:
                await self._put(status)
            except LeaseLostError as error:
                logger.warning("%s", error)
                return
            except DeliveryError as error:
                # The next write replaces it; those that must succeed do not go through here.
                logger.warning("bot.json could not be written: %s", error)

    async def _put(self, status: BotStatus) -> None:
        body = msgspec.json.format(msgspec.json.encode(status), indent=2) + b"\n"
        await asyncio.to_thread(self._document.write, body)
