"""Consumers of live streams that are well at first, then bad for a while in one way each, then well again."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from math import inf
from typing import Final, NamedTuple, TypeAlias

from websockets.asyncio.server import ServerConnection

from tests.support.live_heard import Received
from tests.support.live_receivers import LiveReceiver, live_receiver, reset
from tests.support.receivers import Receiver, receiving

READ_LIMIT: Final = 4096
"""Bytes of the sockets' buffers, so that not to read is felt at once."""


class Trouble(NamedTuple):
    """A consumer is bad from ``since`` to ``until``, in seconds of the running loop's clock."""

    since: float
    until: float

    @property
    def is_on(self) -> bool:
        return self.since <= _now() < self.until

    async def begun(self) -> None:
        await asyncio.sleep(self.since - _now())

    async def over(self) -> None:
        if self.until == inf:
            await asyncio.Event().wait()
        await asyncio.sleep(self.until - _now())


def _now() -> float:
    return asyncio.get_running_loop().time()


class Consumer:
    """``texts`` are the messages that it read, each once, in order."""

    def __init__(self, url: str, read: Callable[[], list[str]]) -> None:
        self.url = url
        self._read = read

    @property
    def texts(self) -> list[str]:
        return self._read()


Consuming: TypeAlias = AbstractAsyncContextManager[Consumer]
OpenConsumer: TypeAlias = Callable[[Trouble], Consuming]

Act = Callable[[Trouble, ServerConnection], Awaitable[None]]
"""What is done in the place of reading on, while there is trouble."""


async def stop_reading(trouble: Trouble, connection: ServerConnection) -> None:
    connection.transport.pause_reading()
    await trouble.over()
    if not connection.transport.is_closing():
        connection.transport.resume_reading()


async def reset_it(_: Trouble, connection: ServerConnection) -> None:
    reset(connection)


async def hang_and_reset(trouble: Trouble, connection: ServerConnection) -> None:
    connection.transport.pause_reading()
    await asyncio.sleep(10.0)
    if not connection.transport.is_closing():
        reset(connection)
    await trouble.over()


async def close_it(_: Trouble, connection: ServerConnection) -> None:
    await connection.close(1011)


async def read_slowly(_: Trouble, connection: ServerConnection) -> None:
    connection.transport.pause_reading()
    await asyncio.sleep(1.0)
    if not connection.transport.is_closing():
        connection.transport.resume_reading()


async def send_texts(_: Trouble, connection: ServerConnection) -> None:
    await connection.send('{"type": "ack", "event": null, "data": [' + "[" * 2_000)


async def send_bytes(_: Trouble, connection: ServerConnection) -> None:
    await connection.send(os.urandom(2_000))


async def send_much(_: Trouble, connection: ServerConnection) -> None:
    await connection.send("x" * 1_000_000)


async def send_no_frames(_: Trouble, connection: ServerConnection) -> None:
    connection.transport.write(b"\xff" * 2_000)


async def ping_only(trouble: Trouble, connection: ServerConnection) -> None:
    connection.transport.pause_reading()
    while trouble.is_on:
        for _ in range(100):
            await connection.ping(os.urandom(125))
        await asyncio.sleep(0.1)
    connection.transport.resume_reading()


@asynccontextmanager
async def acting(act: Act, trouble: Trouble) -> AsyncIterator[Consumer]:
    """A consumer that acts after each message while there is trouble, and on each connection that is made meanwhile."""

    async def behave(receiver: LiveReceiver, connection: ServerConnection) -> None:
        if trouble.is_on:
            await act(trouble, connection)
        async for message in connection:
            _keep(receiver, connection, message)
            if trouble.is_on:
                await act(trouble, connection)

    async with live_receiver(read_limit=READ_LIMIT) as receiver:
        receiver.behaviour = behave
        yield Consumer(receiver.url, partial(_texts, receiver.messages))


@asynccontextmanager
async def refusing(trouble: Trouble, *, silently: bool = False) -> AsyncIterator[Consumer]:
    """A consumer that breaks its connections off and answers 500 to each upgrade; ``silently``: it answers nothing."""
    connections: set[ServerConnection] = set()

    async def behave(receiver: LiveReceiver, connection: ServerConnection) -> None:
        connections.add(connection)
        try:
            async for message in connection:
                _keep(receiver, connection, message)
        finally:
            connections.discard(connection)

    async def refuse(receiver: LiveReceiver) -> None:
        await trouble.begun()
        if silently:
            receiver.answers.clear()
        else:
            receiver.status = 500
        for connection in list(connections):
            connection.transport.abort()
        await trouble.over()
        receiver.status = 101
        receiver.answers.set()

    async with live_receiver() as receiver, _beside(refuse(receiver)):
        receiver.behaviour = behave
        yield Consumer(receiver.url, partial(_texts, receiver.messages))


@asynccontextmanager
async def away(trouble: Trouble) -> AsyncIterator[Consumer]:
    """A consumer whose process ends, and is started again."""
    messages: list[str | bytes] = []
    listens = asyncio.Event()

    async def come_and_go(port: int) -> None:
        async with live_receiver(where=_shared(port)) as receiver:
            receiver.messages, receiver.behaviour = messages, _take
            listens.set()
            await trouble.begun()
        await trouble.over()
        async with live_receiver(where=_shared(port)) as receiver:
            receiver.messages, receiver.behaviour = messages, _take
            await asyncio.Event().wait()

    # Nobody else gets the port meanwhile.
    with _shared(0) as kept:
        port = kept.getsockname()[1]
        async with _beside(come_and_go(port)):
            await listens.wait()
            yield Consumer(f"ws://127.0.0.1:{port}/live", partial(_texts, messages))


@asynccontextmanager
async def webhook(trouble: Trouble, *, status: int | None = None) -> AsyncIterator[Consumer]:
    """A webhook's receiver that answers ``status`` while there is trouble; None: it never answers."""

    async def refuse(receiver: Receiver) -> None:
        await trouble.begun()
        receiver.hang = status is None
        receiver.status = 200 if status is None else status
        await trouble.over()
        receiver.hang = False
        receiver.status = 200

    async with receiving() as receiver, _beside(refuse(receiver)):
        yield Consumer(
            receiver.url,
            lambda: [*{each.id: each.body.decode() for each in receiver.received}.values()],
        )


def good(_: Trouble) -> Consuming:
    """Reads everything at once."""
    return acting(stop_reading, Trouble(inf, inf))


class Bad(NamedTuple):
    """``open`` makes the consumer. ``loses``: it cannot have had everything. ``late``: it answers pings so late that it is
    taken for lost, and reads what was sent. ``seconds``: for which it is bad, where not for as long as others: retries of
    a webhook end sooner."""

    open: OpenConsumer
    loses: bool = True
    late: bool = False
    seconds: float = 60.0


BAD: Final = {
    "stops reading": Bad(partial(acting, stop_reading)),
    "hangs and resets": Bad(partial(acting, hang_and_reset)),
    "reads slowly": Bad(partial(acting, read_slowly), late=True),
    "resets": Bad(partial(acting, reset_it)),
    "closes": Bad(partial(acting, close_it)),
    "answers 500": Bad(refusing),
    "answers no upgrade": Bad(partial(refusing, silently=True)),
    "is away": Bad(away),
    "sends texts": Bad(partial(acting, send_texts), loses=False),
    "sends bytes": Bad(partial(acting, send_bytes), loses=False),
    "sends too much": Bad(partial(acting, send_much)),
    "sends no frames": Bad(partial(acting, send_no_frames)),
    "sends pings only": Bad(partial(acting, ping_only)),
    "a webhook that answers 500": Bad(partial(webhook, status=500), loses=False, seconds=55.0),
    "a webhook that breaks off": Bad(partial(webhook, status=0), loses=False, seconds=55.0),
    "a webhook that hangs": Bad(webhook, loses=False),
}


async def _take(receiver: LiveReceiver, connection: ServerConnection) -> None:
    async for message in connection:
        _keep(receiver, connection, message)


def _keep(receiver: LiveReceiver, connection: ServerConnection, message: str | bytes) -> None:
    kept = Received.on(connection.id, message) if isinstance(message, str) else message
    receiver.messages.append(kept)


def _texts(messages: list[str | bytes]) -> list[str]:
    return [each for each in messages if isinstance(each, str)]


@asynccontextmanager
async def _beside(work: Awaitable[None]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _shared(port: int) -> socket.socket:
    """A socket on ``port`` of 127.0.0.1, 0: on any, which others of this process may have, too."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(("127.0.0.1", port))
    return sock
