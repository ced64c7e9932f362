"""An HTTP server on localhost that receives webhooks, and answers as a test says."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import msgspec


class Received(NamedTuple):
    """A request; names of headers are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        decoded: dict[str, Any] = msgspec.json.decode(self.body)
        return decoded

    @property
    def event(self) -> str:
        event: str = self.document["event"]
        return event

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


class Receiver:
    """Keeps what it received in ``received``. ``status`` is what it answers; 0: it closes the connection without an answer.

    ``hang``: it never answers. ``location``: the header of a redirect. ``cookie``: that of Set-Cookie. ``answer`` is the
    body, ``drip`` sends one that does not end. ``busy`` is how many requests are open, ``most`` how many were at once.
    """

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.status = 200
        self.hang = False
        self.drip = False
        self.location: str | None = None
        self.cookie: str | None = None
        self.answer = b"ok"
        self.busy = 0
        self.most = 0
        self.port = 0
        self.released = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def events(self) -> list[str]:
        return [each.event for each in self.received]

    @property
    def ids(self) -> list[str]:
        return [each.id for each in self.received]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.busy += 1
        self.most = max(self.most, self.busy)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.busy -= 1
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split(" ")
        pairs = (line.split(": ", 1) for line in head[1:] if line)
        headers = {name.lower(): value for name, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.received.append(Received(method, path, headers, body))
        if self.hang:
            # The sender gives up, which ends its connection.
            gone = asyncio.ensure_future(reader.read(1))
            released = asyncio.ensure_future(self.released.wait())
            _, waiting = await asyncio.wait({gone, released}, return_when=asyncio.FIRST_COMPLETED)
            for each in waiting:
                each.cancel()
            return
        if self.status == 0:
            return
        extra = f"Location: {self.location}\r\n" if self.location else ""
        extra += f"Set-Cookie: {self.cookie}\r\n" if self.cookie else ""
        length = 1_000_000 if self.drip else len(self.answer)
        writer.write(f"HTTP/1.1 {self.status} X\r\n{extra}Content-Length: {length}\r\n\r\n".encode())
        writer.write(b"" if self.drip else self.answer)
        await writer.drain()
        while self.drip and not self.released.is_set():
            writer.write(b"." * 100)
            await writer.drain()
            await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Receiver]:
    """A receiver, which has ended with all its connections afterwards."""
    receiver = Receiver()
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await receiver.serve(reader, writer)
        finally:
            connections.discard(task)

    server = await asyncio.start_server(serve, host, 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await server.wait_closed()
