"""Live streams of one recording: the door for jobs."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, NamedTuple, Protocol

import httpx

from worker.contracts.live_endpoints import (
    AUDIO_MIXED,
    AUDIO_OPUS,
    AUDIO_SEPARATE,
    LiveEndpoint,
    LiveForm,
    Transport,
)
from worker.contracts.live_forms import LiveBot, MessageForm, open_form
from worker.contracts.live_items import LiveItem
from worker.delivery.guarded_http import guarded_client
from worker.delivery.lookups import Lookups
from worker.delivery.url_guard import UrlGuard
from worker.settings import LiveOptions
from worker.streaming.connections import MOST_CONNECTIONS
from worker.streaming.endpoint_figures import EndpointFigures
from worker.streaming.endpoint_state import LiveMetrics, Report
from worker.streaming.endpoint_stream import INTERNAL_ERROR, EndpointStream, Share
from worker.streaming.live_call import LiveCall
from worker.streaming.live_queue import MOST_SOUND_BYTES, SoundBuffer
from worker.streaming.live_sound import Delivery, LostSound
from worker.streaming.sender import Sender, SenderObserver
from worker.streaming.throttled_connection import MOST_FRAMES as MOST_FRAMES_READ
from worker.streaming.throttled_connection import ReadBudget
from worker.streaming.webhook_sender import WebhookSender
from worker.streaming.websocket_dialer import WebSocketDialer
from worker.streaming.websocket_sender import WebSocketSender
from worker.tape.events import MOST_FRAMES, FrameBatch, TapeEvent, VideoBatch

logger = logging.getLogger(__name__)

GATHER: Final = 0.5
"""Share of a batch's length from one run to the next, at least: what a processor works at by itself finds neither its code nor
its data in the caches, which costs more than the work."""

TICK: Final = 0.12
"""Seconds from a run to the next, at most, as something may be due though nothing arrived."""

MOST_RUN_FRAMES: Final = 200
"""Frames that are worked at without a pause, about 20 ms of processor time."""

MOST_WAITING: Final = 10_000
"""Events that wait to be taken, beside MOST_FRAMES of sound: a loop that is that late drops the oldest."""

MOST_SOCKETS: Final = 200
"""Connections of a recording, an equal share of each endpoint: a process has 1,024 open files by default, and the recording
needs some."""

MOST_BUFFERED: Final = 64 << 20
"""Bytes of sound that wait in a recording, an equal share of each endpoint."""

_CLOSING: Final = 0.5
"""Seconds of those for closing that are left for connections that have to be broken off."""


class Core(Protocol):
    """See LiveCall."""

    @property
    def lost(self) -> LostSound:
        """What arrived and is not live."""

    def event(self, event: TapeEvent, logged: float) -> list[LiveItem]:
        """Takes the next event that is no FrameBatch."""

    def frames(self, *deliveries: Delivery) -> list[LiveItem]:
        """Takes the next batches."""

    def advance(self, now: float) -> list[LiveItem]:
        """What is due."""

    def end(self, at: float) -> list[LiveItem]:
        """The rest."""


class _Group(NamedTuple):
    """The endpoints that one core serves."""

    core: Core
    streams: tuple[EndpointStream, ...]


class _Waiting(NamedTuple):
    event: TapeEvent
    logged: float


class LiveStreams:
    """Sends what happens in a recording to ``endpoints`` while it happens.

    Used in one event loop. ``event`` takes the tape's events in order; it never raises, and only puts the event aside. A fault
    costs the endpoint where it happens, or the live streams; never the recording. ``report`` learns of states. ``clock``
    returns Unix seconds, as the frames have them. ``relative_zero``: see worker.streaming.live_call.LiveCall. ``tls`` None:
    receivers are checked against the authorities of certifi. ``sleep`` waits between two tries.
    """

    def __init__(
        self,
        endpoints: Sequence[LiveEndpoint],
        bot: LiveBot,
        options: LiveOptions,
        guard: UrlGuard,
        metrics: LiveMetrics,
        report: Report,
        clock: Callable[[], float],
        *,
        relative_zero: float | None = None,
        tls: ssl.SSLContext | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        open_core: Callable[..., Core] = LiveCall,
        new_form: Callable[[LiveEndpoint, LiveBot], MessageForm] = open_form,
    ) -> None:
        self._endpoints = endpoints
        self._bot = bot
        self._options = options
        self._guard = guard
        self._metrics = metrics
        self._report = report
        self._clock = clock
        self._relative_zero = relative_zero
        self._tls = tls
        self._sleep = sleep
        self._open_core = open_core
        self._new_form = new_form
        self._groups: list[_Group] = []
        self._lookups: Lookups | None = None
        self._client: httpx.AsyncClient | None = None
        self._inbox: deque[_Waiting] = deque()
        self._frames = 0
        """In the inbox."""
        self._has_dropped = False
        self._arrived = asyncio.Event()
        self._ran = 0.0
        """When the last run began, by the loop's clock."""
        self._pump: asyncio.Task[None] | None = None
        self._closed = False

    def start(self) -> None:
        """Begins to work in the running event loop."""
        self._tls = self._tls or httpx.create_ssl_context(trust_env=False)
        self._lookups = Lookups(self._guard)
        if any(each.transport is Transport.WEBHOOK for each in self._endpoints):
            self._client = guarded_client(self._guard, self._tls)
        rates = {each.rate for each in self._endpoints if each.wants_audio}
        first = min(rates, default=16_000)
        for rate in sorted(rates | {first}):
            members = [each for each in self._endpoints if (each.rate if each.wants_audio else first) == rate]
            self._groups.append(self._new_group(rate, members))
        self._pump = asyncio.create_task(self._run(), name="live streams")

    def event(self, event: TapeEvent) -> None:
        """Takes the tape's next event."""
        if self._closed or isinstance(event, VideoBatch):
            return
        if isinstance(event, FrameBatch):
            self._frames += len(event.frames)
        self._inbox.append(_Waiting(event, self._clock()))
        while len(self._inbox) > MOST_WAITING or self._frames > MOST_FRAMES:
            self._drop_oldest()
        self._arrived.set()

    async def close(self, within: float) -> None:
        """Sends what waits, closes all connections and reports the last states; returns within ``within`` seconds."""
        if self._closed:
            return
        self._closed = True
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
        while self._inbox:
            self._take_next()
        self._each_core(lambda core: core.end(self._clock()))
        self._tell_lost()
        streams = [stream for group in self._groups for stream in group.streams]
        sending = max(0.0, within - _CLOSING)
        try:
            await asyncio.gather(*(stream.close(sending) for stream in streams), return_exceptions=True)
        finally:
            if self._client is not None:
                await self._client.aclose()
            if self._lookups is not None:
                self._lookups.close()

    def _new_group(self, rate: int, endpoints: Sequence[LiveEndpoint]) -> _Group:
        has_pcm = any(each.form is LiveForm.MEETSTREAM_AUDIO for each in endpoints)
        has_pcm |= any(not {AUDIO_SEPARATE, AUDIO_MIXED}.isdisjoint(each.events) for each in endpoints)
        core = self._open_core(
            self._bot.platform,
            rate=rate if has_pcm else None,
            opus=any(AUDIO_OPUS in each.events for each in endpoints),
            mixed=any(AUDIO_MIXED in each.events for each in endpoints),
            deadline=self._options.reorder_seconds,
            continuous=self._options.continuous,
            attempt=self._bot.attempt,
            relative_zero=self._relative_zero,
        )
        return _Group(core, tuple(self._new_stream(each) for each in endpoints))

    def _new_stream(self, endpoint: LiveEndpoint) -> EndpointStream:
        form = self._new_form(endpoint, self._bot)
        budget = ReadBudget(MOST_FRAMES_READ / len(self._endpoints))
        new_sender = partial(self._new_sender, endpoint, form, budget)
        count = len(self._endpoints)
        share = Share(
            min(MOST_CONNECTIONS, MOST_SOCKETS // count), min(MOST_SOUND_BYTES, MOST_BUFFERED // count)
        )
        return EndpointStream(endpoint, form, self._options, new_sender, self._metrics, self._report, share)

    def _new_sender(
        self,
        endpoint: LiveEndpoint,
        form: MessageForm,
        budget: ReadBudget,
        name: str,
        figures: EndpointFigures,
        observer: SenderObserver,
        buffer: SoundBuffer,
    ) -> Sender:
        told = (self._options, figures, observer, self._clock, self._sleep)
        if self._client is not None and endpoint.transport is Transport.WEBHOOK:
            return WebhookSender(name, endpoint, self._client, *told)
        assert self._lookups is not None
        assert self._tls is not None
        dialer = WebSocketDialer(endpoint, self._lookups, self._options, self._tls, self._clock, budget)
        return WebSocketSender(name, dialer, form, *told, buffer)

    async def _run(self) -> None:
        while True:
            await self._gather()
            while self._inbox:
                self._take_next()
                # The recording's work comes between.
                await asyncio.sleep(0)
            self._advance()

    async def _gather(self) -> None:
        """Waits until it is time for the next run."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(self._ran + TICK):
                await self._arrived.wait()
        except TimeoutError:
            pass
        else:
            await asyncio.sleep(self._ran + GATHER * self._options.batch_seconds - loop.time())
        self._arrived.clear()
        self._ran = loop.time()

    def _advance(self) -> None:
        now = self._clock()
        self._each_core(lambda core: core.advance(now))
        self._tell_lost()
        for group in self._groups:
            for stream in group.streams:
                stream.advance(now)

    def _take_next(self) -> None:
        """Takes the next event, or the batches that come next."""
        event, logged = self._pop()
        if not isinstance(event, FrameBatch):
            self._each_core(lambda core: core.event(event, logged))
            return
        run, frames = [Delivery(event, logged)], len(event.frames)
        while self._inbox and frames < MOST_RUN_FRAMES:
            event, logged = self._inbox[0]
            if not isinstance(event, FrameBatch):
                break
            self._pop()
            run.append(Delivery(event, logged))
            frames += len(event.frames)
        self._each_core(lambda core: core.frames(*run))

    def _each_core(self, step: Callable[[Core], list[LiveItem]]) -> None:
        """Sends what ``step`` gives for each core. A core that fails costs its endpoints."""
        now = self._clock()
        for index, (core, streams) in enumerate(self._groups):
            try:
                items = step(core)
            except Exception:
                logger.exception("live streams end here; the recording goes on")
                for stream in streams:
                    stream.fail(INTERNAL_ERROR)
                self._groups[index] = _Group(_Ended(), streams)
                continue
            for item in items:
                for stream in streams:
                    stream.take(item, now)

    def _tell_lost(self) -> None:
        """Tells the endpoints what their core has lost in all."""
        for core, streams in self._groups:
            lost = core.lost
            for stream in streams:
                stream.miss(lost)

    def _pop(self) -> _Waiting:
        waiting = self._inbox.popleft()
        if isinstance(waiting.event, FrameBatch):
            self._frames -= len(waiting.event.frames)
        return waiting

    def _drop_oldest(self) -> None:
        self._pop()
        if not self._has_dropped:
            self._has_dropped = True
            logger.error("live streams are too slow: events are left out")


class _Ended:
    """The core of live streams that failed; a Core."""

    lost = LostSound(0.0, 0.0)

    def event(self, event: TapeEvent, logged: float) -> list[LiveItem]:
        return []

    def frames(self, *deliveries: Delivery) -> list[LiveItem]:
        return []

    def advance(self, now: float) -> list[LiveItem]:
        return []

    def end(self, at: float) -> list[LiveItem]:
        return []
