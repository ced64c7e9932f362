"""Receivers of live streams that keep what came, and when, by connection."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, NamedTuple

from websockets.asyncio.server import ServerConnection

from tests.support.live_receivers import LiveReceiver, live_receiver, reset
from worker.contracts.live_received import ACK

Manner = Literal["reads", "stalls", "resets"]
"""reads: takes all; stalls: reads nothing; resets: breaks each connection off after its first message."""


class Arrived(NamedTuple):
    """A message, and when it came (Unix seconds)."""

    at: float
    message: str | bytes


class TimedConnection:
    """What came on one connection. ``closed_at`` is None while it is open, ``code`` its close code."""

    def __init__(self) -> None:
        self.opened_at = time.time()
        self.closed_at: float | None = None
        self.code: int | None = None
        self.messages: list[Arrived] = []

    @property
    def texts(self) -> list[str]:
        return [each.message for each in self.messages if isinstance(each.message, str)]

    @property
    def frames(self) -> list[bytes]:
        return [each.message for each in self.messages if isinstance(each.message, bytes)]


class TimedConnections:
    """The connections to ``url`` in the order in which they were opened."""

    def __init__(self, manner: Manner) -> None:
        self.connections: list[TimedConnection] = []
        self.url = ""
        self._manner = manner

    async def serve(self, _: LiveReceiver, connection: ServerConnection) -> None:
        """A behaviour of LiveReceiver."""
        kept = TimedConnection()
        self.connections.append(kept)
        try:
            if self._manner == "stalls":
                await connection.wait_closed()
            else:
                await self._read(kept, connection)
        finally:
            kept.closed_at = time.time()
            kept.code = connection.close_code

    async def _read(self, kept: TimedConnection, connection: ServerConnection) -> None:
        async for message in connection:
            kept.messages.append(Arrived(time.time(), message))
            if self._manner == "resets":
                reset(connection)
                return
            if isinstance(message, str) and '"ready"' in message:
                await connection.send(ACK)


@asynccontextmanager
async def timed_connections(manner: Manner = "reads") -> AsyncIterator[TimedConnections]:
    """A receiver, which has ended with all its connections afterwards."""
    timed = TimedConnections(manner)
    async with live_receiver(read_limit=4096 if manner == "stalls" else None) as receiver:
        receiver.behaviour = timed.serve
        timed.url = receiver.url
        yield timed
