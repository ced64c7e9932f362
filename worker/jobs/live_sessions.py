"""The live streams of a job: one session for each attempt, fed beside the tape. Whatever happens to them costs no recording."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol

from worker.contracts.job import Job
from worker.contracts.live_forms import LiveBot
from worker.contracts.status import ENDPOINT_DONE
from worker.delivery.url_guard import UrlGuard, read_allowed
from worker.jobs.context import WorkerContext
from worker.recording.steady_clock import SteadyClock
from worker.safe_text import printable, redact
from worker.streaming.endpoint_state import EndpointState, Report
from worker.streaming.live_streams import LiveStreams
from worker.tape.events import RecordingEnded, RecordingStarted, TapeEvent

logger = logging.getLogger(__name__)

CLOSE_SECONDS: Final = 5.0
"""Seconds that receivers have, from the end of a recording on, to take what waits for them. The bot leaves and files are
written and uploaded meanwhile."""

CANCEL_SECONDS: Final = 1.0
"""Seconds more, after which what still sends is cancelled."""


class EndpointReports(Protocol):
    """What is reported of endpoints; worker.jobs.reporter.Reporter does it."""

    @property
    def recording_started_at(self) -> float | None:
        """When the first attempt's recording began (Unix seconds); None: none has."""

    def endpoint(self, number: int, code: str, message: str = "", attempt: int | None = None) -> None:
        """An endpoint entered a state in ``attempt``."""


class Streams(Protocol):
    """Live streams of one recording: worker.streaming.live_streams.LiveStreams."""

    def start(self) -> None:
        """Begins to work."""

    def event(self, event: TapeEvent) -> None:
        """Takes the tape's next event."""

    async def close(self, within: float) -> None:
        """Ends within so many seconds."""


OpenStreams = Callable[[int, Report], Streams]
"""Takes the number of an attempt, and what learns of endpoints' states."""


class LiveSession:
    """The live streams of one attempt. Nothing raises but ``closed``, when it is cancelled. ``began`` is called when its
    recording begins.
    """

    def __init__(self, streams: Streams, began: Callable[[], None]) -> None:
        self._streams = streams
        self._began = began
        self._failed = False
        self._closing: asyncio.Task[None] | None = None
        self._close_was_called = False

    def begin(self) -> None:
        """Begins to work in the running event loop."""
        self._try(self._streams.start)

    def event(self, event: TapeEvent) -> None:
        """Takes the tape's next event. With the end of the recording the streams begin to close."""
        if self._closing is None:
            self._try(self._streams.event, event)
            if isinstance(event, RecordingStarted):
                self._began()
            if isinstance(event, RecordingEnded):
                self.end()

    def end(self) -> None:
        """Begins to close what is open."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(CLOSE_SECONDS), name="live-close")

    async def closed(self) -> None:
        """Waits until all is closed, for CLOSE_SECONDS and CANCEL_SECONDS from ``end`` on at most."""
        self.end()
        assert self._closing is not None
        await asyncio.shield(self._closing)

    async def abandon(self) -> None:
        """Ends what is under way at once."""
        if self._closing is not None:
            self._closing.cancel()
            with suppress(asyncio.CancelledError):
                await self._closing
        if not self._close_was_called:
            # A task that is cancelled before its first step does nothing.
            await self._close(0.0)

    async def _close(self, within: float) -> None:
        self._close_was_called = True
        try:
            async with asyncio.timeout(within + CANCEL_SECONDS):
                await self._streams.close(within)
        except Exception as error:  # noqa: BLE001 - the recording goes on
            self._log(error)

    def _try(self, do: Callable[..., None], *args: Any) -> None:
        if self._failed:
            return
        try:
            do(*args)
        except Exception as error:  # noqa: BLE001 - the recording goes on
            self._failed = True
            self._log(error)

    def _log(self, error: Exception) -> None:
        logger.error("live streams: %s: %s", type(error).__name__, printable(redact(str(error)), 200))


class LiveSessions:
    """The sessions of a job's attempts. ``reports`` learn at once of endpoints that are reached or fail, and of those that are
    done once the job is: a bot that comes back goes on sending. What counts is the last session whose recording began: an
    attempt that is not admitted changes nothing for a receiver, and what is left of an earlier session is over.
    """

    def __init__(self, job: Job, reports: EndpointReports, open_streams: OpenStreams) -> None:
        self._job = job
        self._reports = reports
        self._open_streams = open_streams
        self._sessions: list[LiveSession] = []
        self._last = 0
        """The last attempt whose recording began."""
        self._done: list[int] = []
        """Endpoints that are done in it."""
        self._is_over = False
        self._ending: asyncio.Task[None] | None = None

    def open(self, attempt: int) -> LiveSession | None:
        """The session of the next attempt; None for a job without live streams."""
        if not self._job.live:
            return None

        def began() -> None:
            self._last, self._done = attempt, []

        def report(number: int, state: EndpointState, why: str) -> None:
            if self._is_over or attempt < self._last:
                return
            if state is EndpointState.DONE:
                # Without a recording nothing was sent, so that nothing was done.
                self._done += [number] if attempt == self._last else []
            else:
                self._reports.endpoint(number, state, why, attempt)

        try:
            session = LiveSession(self._open_streams(attempt, report), began)
        except Exception as error:  # noqa: BLE001 - the recording goes on
            logger.error("live streams: %s: %s", type(error).__name__, printable(redact(str(error)), 200))
            return None
        self._sessions.append(session)
        return session

    def end(self) -> None:
        """No attempt follows: closes what is open, and reports what is done."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(), name="live-end")

    async def ended(self) -> None:
        """Waits until that is done, which is bounded as LiveSession.closed is."""
        self.end()
        assert self._ending is not None
        await asyncio.shield(self._ending)

    async def close(self, *, wait: bool) -> None:
        """Ends all tasks; ``wait``: receivers get their time. Reports nothing more."""
        try:
            if wait:
                await self._all_closed()
        finally:
            self._is_over = True
            if self._ending is not None:
                self._ending.cancel()
                with suppress(asyncio.CancelledError):
                    await self._ending
            for session in self._sessions:
                await session.abandon()

    async def _end(self) -> None:
        await self._all_closed()
        for number in self._done:
            self._reports.endpoint(number, ENDPOINT_DONE, attempt=self._last)

    async def _all_closed(self) -> None:
        for session in self._sessions:
            await session.closed()


def open_live(job: Job, context: WorkerContext, reports: EndpointReports) -> OpenStreams:
    """Opens the streams of a job's attempts as the settings say."""
    endpoints = {endpoint.number: endpoint for endpoint in job.live}

    def open_streams(attempt: int, report: Report) -> Streams:
        settings = context.worker_settings

        def count_and_report(number: int, state: EndpointState, why: str) -> None:
            if state is EndpointState.FAILED:
                context.metrics.live.failed(endpoints[number].transport, endpoints[number].form)
            report(number, state, why)

        bot = LiveBot(
            bot_id=job.bot_id, platform=job.platform, metadata=job.custom_attributes, attempt=attempt
        )
        return LiveStreams(
            job.live,
            bot,
            settings.live,
            UrlGuard(read_allowed(settings.allowed_urls)),
            context.metrics.live,
            count_and_report,
            # As the recording's clock, which is made a moment later.
            SteadyClock(),
            relative_zero=reports.recording_started_at,
        )

    return open_streams
