"""WebSocket servers on 127.0.0.1 that behave as a test says: well, badly, or not like a WebSocket at all."""

from __future__ import annotations

import asyncio
import contextlib
import http
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

Behaviour = Callable[["LiveReceiver", ServerConnection], Awaitable[None]]


async def take(receiver: LiveReceiver, connection: ServerConnection) -> None:
    """Keeps what comes, until the connection ends."""
    async for message in connection:
        receiver.messages.append(message)


class LiveReceiver:
    """``messages`` are of all connections; ``status`` other than 101 is the answer to an upgrade; ``behaviour`` is what it does
    with a connection. ``codes`` are those with which connections were closed."""

    def __init__(self) -> None:
        self.messages: list[str | bytes] = []
        self.upgrades: list[Request] = []
        self.codes: list[int | None] = []
        self.status = 101
        self.location: str | None = None
        self.behaviour: Behaviour = take
        self.is_open = 0
        self.most_open = 0
        self.port = 0
        self.scheme = "ws"
        self.released = asyncio.Event()
        """Set at the end of the test."""
        self.answers = asyncio.Event()
        """While it is not set, no upgrade is answered."""
        self.answers.set()
        self.tasks: set[asyncio.Task[None]] = set()
        """Of connections."""

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/live"

    def named(self, name: str, path: str = "/live") -> str:
        return f"{self.scheme}://{name}:{self.port}{path}"

    async def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        self.upgrades.append(request)
        await self.answers.wait()
        if self.status == 101:
            return None
        headers = Headers({"Content-Length": "0", "Connection": "close"})
        if self.location is not None:
            headers["Location"] = self.location
        return Response(self.status, http.HTTPStatus(self.status).phrase, headers, b"")

    async def serve(self, connection: ServerConnection) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        self.is_open += 1
        self.most_open = max(self.most_open, self.is_open)
        try:
            await self.behaviour(self, connection)
        except (ConnectionClosed, ConnectionError):
            pass
        finally:
            self.tasks.discard(task)
            self.is_open -= 1
            self.codes.append(connection.close_code)


@contextlib.asynccontextmanager
async def live_receiver(
    tls: ssl.SSLContext | None = None, where: socket.socket | None = None, read_limit: int | None = None
) -> AsyncIterator[LiveReceiver]:
    """A receiver, which has ended with all its connections afterwards. ``read_limit``: bytes of its socket's buffer.

    ``where`` is a socket from ``nobody``, on which it listens from then on.
    """
    receiver = LiveReceiver()
    listening = where or _bound()
    if read_limit is not None:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, read_limit)
    receiver.port = listening.getsockname()[1]
    receiver.scheme = "ws" if tls is None else "wss"
    server = await serve(
        receiver.serve,
        sock=listening,
        ssl=tls,
        process_request=receiver.answer,
        close_timeout=1,
        ping_interval=None,
    )
    try:
        yield receiver
    finally:
        receiver.released.set()
        for connection in list(server.connections):
            connection.transport.abort()
        for task in list(receiver.tasks):
            task.cancel()
        server.close()
        await server.wait_closed()


def reset(connection: ServerConnection) -> None:
    """Ends the connection with a TCP reset."""
    sock = connection.transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.transport.abort()


@contextlib.contextmanager
def nobody() -> Iterator[tuple[socket.socket, int]]:
    """A port that is taken, and on which nobody listens."""
    with _bound() as sock:
        yield sock, sock.getsockname()[1]


def _bound() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.bind(("127.0.0.1", 0))
    return sock
