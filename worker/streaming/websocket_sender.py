"""One WebSocket of an endpoint: dialled when it is wanted, dialled again when it breaks, closed when all is sent."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from worker.contracts.live_forms import MessageForm
from worker.settings import LiveOptions
from worker.streaming.endpoint_figures import EndpointFigures
from worker.streaming.live_queue import Gap, LiveQueue, Loss, Message, Queued, SoundBuffer
from worker.streaming.sender import SenderObserver
from worker.streaming.unconfirmed import Unconfirmed
from worker.streaming.websocket_dialer import PING_SECONDS, DialError, WebSocketDialer

logger = logging.getLogger(__name__)

SEND_SECONDS: Final = 20.0
"""For one message; a receiver that reads nothing for so long is dialled again."""

CONFIRM_SECONDS: Final = 1.0
"""After something was sent, until the receiver is asked by a ping whether it arrived: where a connection breaks, so much more
is in doubt than what was on the way."""

LIVED_SECONDS: Final = 5.0
"""After which a connection whose receiver answered a ping has lived: tries are counted anew when it breaks. Otherwise a
receiver that takes each upgrade only to break the connection would be dialled for ever. The time without an answer before it
broke, of two pings at most, is not counted: one that takes each upgrade and then reads nothing would be, too."""

_NO_LINGER: Final = struct.pack("ii", 1, 0)
"""Of SO_LINGER: on, for 0 s."""

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
        self._queue.end()

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
        receipts = _Receipts(connection, self._changed.set)
        self._begin()
        cause = "the connection broke"
        try:
            pong = await connection.ping()
            if self._broke:
                # Otherwise what is told again would pile up in connections that a receiver that hangs reads all at once.
                async with asyncio.timeout(SEND_SECONDS):
                    await pong
            await self._send_queue(connection, ended, receipts)
            async with asyncio.timeout(SEND_SECONDS):
                await receipts.ask()
                await connection.close()
            receipts.closed()
            if not receipts.unconfirmed:
                return
            cause = "it did not answer the end of the connection"
        except ConnectionClosed as closed:
            if closed.rcvd is not None:
                cause = f"it closed the connection with code {int(closed.rcvd.code)}"
            elif closed.sent is not None and closed.sent.code == CloseCode.INTERNAL_ERROR:
                cause, stalled = f"it answered no ping for {PING_SECONDS:g} s", 2 * PING_SECONDS
        except TimeoutError:
            cause, stalled = f"it read nothing for {SEND_SECONDS:g} s", 2 * PING_SECONDS
        finally:
            self._put_back(receipts.end())
            self.is_connected = False
            self._figures.connected(-1)
            _reset(connection)
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

    def _put_back(self, unconfirmed: Unconfirmed) -> None:
        """What may not have arrived is told as a gap on the next connection, or sent there again."""
        doubt = unconfirmed.doubt()
        for queued in reversed(doubt.again):
            self._figures.lost(self._queue.put_back(queued))
        self._figures.lost(Loss(events=doubt.given_up))
        self._figures.doubted(doubt.seconds)
        if doubt.seconds or doubt.events:
            said = (self._name, doubt.seconds, doubt.events)
            logger.info("%s: %.1f s of sound and %d events are not known to have arrived", *said)

    async def _send_queue(
        self, connection: ClientConnection, ended: asyncio.Task[None], receipts: _Receipts
    ) -> None:
        """Raises ConnectionClosed and TimeoutError."""
        for payload in self._form.opening():
            await _send(connection, payload)
        while True:
            if ended.done():
                raise connection.close_exc
            if receipts.are_due:
                async with asyncio.timeout(SEND_SECONDS):
                    await receipts.ask()
            queued = self._queue.take()
            if queued is not None:
                receipts.add(queued)
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
        await _send(connection, payload)
        self._figures.sent(payload, queued.sound if isinstance(queued, Message) else None, self._clock())


class _Receipts:
    """Asks the receiver of ``connection`` by pings what arrived. ``wake`` is called once ``are_due``."""

    def __init__(self, connection: ClientConnection, wake: Callable[[], None]) -> None:
        self._connection = connection
        self._wake = wake
        self._timer: asyncio.TimerHandle | None = None
        self.unconfirmed = Unconfirmed()
        self.are_due = False

    def add(self, queued: Queued) -> None:
        """``queued`` is sent next."""
        self.unconfirmed.add(queued)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(CONFIRM_SECONDS, self._become_due)

    async def ask(self) -> None:
        """Sends a ping. Raises ConnectionClosed."""
        self._stop_timer()
        mark = self.unconfirmed.mark
        pong = asyncio.ensure_future(await self._connection.ping())
        pong.add_done_callback(partial(self._answered, mark))

    def closed(self) -> None:
        """The connection was closed by both: a receiver that answered the closing frame has received all before it."""
        closed = self._connection.protocol.close_exc
        if closed.rcvd is not None and not closed.rcvd_then_sent:
            self.unconfirmed.confirm(self.unconfirmed.mark)

    def end(self) -> Unconfirmed:
        """No answer comes any more; returns what is in doubt."""
        self._stop_timer()
        return self.unconfirmed

    def _become_due(self) -> None:
        self.are_due = True
        self._wake()

    def _stop_timer(self) -> None:
        self.are_due = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _answered(self, mark: int, pong: asyncio.Future[float]) -> None:
        if not pong.cancelled() and pong.exception() is None:
            self.unconfirmed.confirm(mark)


def _reset(connection: ClientConnection) -> None:
    """Ends the connection, if it is open. What the system keeps for the receiver is thrown away: it is told as lost, and a slow
    one would get it beside the next connection, with gaps that are told there again.
    """
    sock = connection.transport.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    connection.transport.abort()


async def _send(connection: ClientConnection, payload: str | bytes) -> None:
    async with asyncio.timeout(SEND_SECONDS):
        await connection.send(payload)
