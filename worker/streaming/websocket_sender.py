"""One WebSocket of an endpoint: dialled when it is wanted, dialled again when it breaks, closed when all is sent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from worker.contracts.live_forms import MessageForm
from worker.settings import LiveOptions
from worker.streaming.endpoint_figures import EndpointFigures
from worker.streaming.live_queue import Gap, LiveQueue, Message, Queued, SoundBuffer
from worker.streaming.sender import SenderObserver
from worker.streaming.websocket_dialer import PING_SECONDS, DialError, WebSocketDialer

logger = logging.getLogger(__name__)

SEND_SECONDS: Final = 20.0
"""For one message; a receiver that reads nothing for so long is dialled again."""

LIVED_SECONDS: Final = 5.0
"""After which a connection whose receiver answered a ping has lived: tries are counted anew when it breaks. Otherwise a
receiver that takes each upgrade only to break the connection would be dialled for ever. The time without an answer before it
broke, of two pings at most, is not counted: one that takes each upgrade and then reads nothing would be, too."""

SELDOM: Final = 10
"""Times as long is the pause between two tries once all retries failed, while the receiver takes other connections."""


class _BrokenError(Exception):
    """The connection broke. The message is a cause without secrets. ``lived``: see LIVED_SECONDS."""

    def __init__(self, message: str, *, lived: bool) -> None:
        super().__init__(message)
        self.lived = lived


class WebSocketSender:
    """Sends what is put into its queue on one connection at a time; a Sender.

    ``name`` is for the log. ``clock`` returns Unix seconds, ``sleep`` waits between two tries. ``buffer``: see LiveQueue.
    """

    def __init__(
        self,
        name: str,
        dialer: WebSocketDialer,
        form: MessageForm,
        options: LiveOptions,
        figures: EndpointFigures,
        observer: SenderObserver,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        buffer: SoundBuffer | None = None,
    ) -> None:
        self._name = name
        self._dialer = dialer
        self._form = form
        self._options = options
        self._figures = figures
        self._observer = observer
        self._clock = clock
        self._sleep = sleep
        self._queue = LiveQueue(options.buffer_seconds, buffer)
        self._wanted = True
        self._changed = asyncio.Event()
        self._failures = 0
        """Tries that failed one after the other."""
        self._broke = False
        """Whether the connection before broke."""
        self.is_connected = False
        self.task = asyncio.create_task(self._run(), name=f"live {name}")

    @property
    def queued_bytes(self) -> int:
        """Of what waits."""
        return self._queue.size

    def open(self) -> None:
        """The connection is wanted again, if it was not any more."""
        self._wanted = True

    def put(self, message: Message) -> None:
        """Puts ``message`` behind what waits. Never blocks."""
        self._figures.lost(self._queue.put(message))
        self._changed.set()

    def finish(self) -> None:
        """Closes the connection once what waits was sent."""
        self._wanted = False
        self._changed.set()

    async def close(self, within: float) -> None:
        """Like ``finish``; what was not sent and closed after ``within`` seconds is broken off. Never raises."""
        self.finish()
        try:
            if self.is_connected or self._queue:
                await asyncio.wait({self.task}, timeout=within)
        finally:
            self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self._figures.lost(self._queue.clear())

    async def _run(self) -> None:
        while self._wanted or self._queue:
            try:
                await self._use(await self._dialer.dial())
            except DialError as error:
                if not await self._try_again(str(error), final=error.final):
                    return
            except _BrokenError as error:
                self._broke = True
                if error.lived:
                    logger.info("%s: %s; it is dialled again", self._name, error)
                    self._failures = 0
                elif not await self._try_again(str(error)):
                    return
            else:
                self._failures, self._broke = 0, False

    async def _try_again(self, cause: str, *, final: bool = False) -> bool:
        """Waits until the next try; False: there is none."""
        self._failures += 1
        seconds = self._options.retry_seconds
        if final or self._failures > self._options.retries:
            if not self._observer.exhausted(cause) or final:
                self._figures.lost(self._queue.clear())
                return False
            seconds *= SELDOM
        if self._failures == 1:
            logger.warning("%s: %s; it is dialled again every %g s", self._name, cause, seconds)
        await self._sleep(seconds)
        return True

    async def _use(self, connection: ClientConnection) -> None:
        """Sends until all is sent and nothing more is wanted. Raises _BrokenError."""
        began = self._clock()
        stalled = 0.0
        ended = asyncio.create_task(connection.wait_closed())
        ended.add_done_callback(lambda _: self._changed.set())
        self._begin()
        cause = "the connection broke"
        try:
            await connection.ping()
            await self._send_queue(connection, ended)
            async with asyncio.timeout(SEND_SECONDS):
                await connection.close()
        except ConnectionClosed as closed:
            if closed.rcvd is not None:
                cause = f"it closed the connection with code {int(closed.rcvd.code)}"
            elif closed.sent is not None and closed.sent.code == CloseCode.INTERNAL_ERROR:
                cause, stalled = f"it answered no ping for {PING_SECONDS:g} s", 2 * PING_SECONDS
        except TimeoutError:
            cause, stalled = f"it read nothing for {SEND_SECONDS:g} s", 2 * PING_SECONDS
        else:
            return
        finally:
            self.is_connected = False
            self._figures.connected(-1)
            connection.transport.abort()
            ended.cancel()
            await asyncio.gather(ended, return_exceptions=True)
        has_answered = connection.latency > 0
        lived = has_answered and self._clock() - began - stalled >= LIVED_SECONDS
        raise _BrokenError(cause, lived=lived)

    def _begin(self) -> None:
        self.is_connected = True
        self._figures.connected(1)
        if self._broke:
            self._figures.reconnected()
        if self._failures:
            logger.info("%s: is connected", self._name)
        self._observer.up()

    async def _send_queue(self, connection: ClientConnection, ended: asyncio.Task[None]) -> None:
        """Raises ConnectionClosed and TimeoutError."""
        for payload in self._form.opening():
            await _send(connection, payload)
        while True:
            if ended.done():
                raise connection.close_exc
            queued = self._queue.take()
            if queued is not None:
                await self._send_queued(connection, queued)
            elif self._wanted:
                self._changed.clear()
                await self._changed.wait()
            else:
                return

    async def _send_queued(self, connection: ClientConnection, queued: Queued) -> None:
        payload = self._form.gap(*queued) if isinstance(queued, Gap) else queued.payload
        if payload is None:
            return
        try:
            await _send(connection, payload)
        except BaseException:
            # It may have arrived, which is better than that it is lost.
            self._figures.lost(self._queue.put_back(queued))
            raise
        self._figures.sent(payload, queued.sound if isinstance(queued, Message) else None, self._clock())


async def _send(connection: ClientConnection, payload: str | bytes) -> None:
    async with asyncio.timeout(SEND_SECONDS):
        await connection.send(payload)
