"""Begins and ends an ASGI application as its server does, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from worker.server.request_log import AsgiApp, Message


@asynccontextmanager
async def serving(app: AsgiApp) -> AsyncIterator[None]:
    """Runs what the application does beside its requests (the ASGI lifespan protocol)."""
    received: asyncio.Queue[Message] = asyncio.Queue()
    sent: asyncio.Queue[Message] = asyncio.Queue()
    task = asyncio.ensure_future(
        app({"type": "lifespan", "asgi": {"version": "3.0"}}, received.get, sent.put)
    )
    try:
        received.put_nowait({"type": "lifespan.startup"})
        async with asyncio.timeout(30):
            assert (await sent.get())["type"] == "lifespan.startup.complete"
        yield
        received.put_nowait({"type": "lifespan.shutdown"})
        async with asyncio.timeout(30):
            assert (await sent.get())["type"] == "lifespan.shutdown.complete"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
