"""The changes of the list as server-sent events (HTML, section 9.2), to whoever has a session."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from litestar import asgi
from litestar.connection import ASGIConnection
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from worker.server.page.live import Live, Snapshot, TooManyReadersError, Watch
from worker.server.page.sessions import COOKIE, Session, Sessions
from worker.server.page.templates import COMMON_HEADERS, render
from worker.server.page.views import listed
from worker.server.request_log import EVENT_STREAM
from worker.server.services import Services

PING: Final = 20.0
"""Seconds without a change after which a comment keeps proxies from closing the connection."""

LASTS: Final = 900.0
"""Seconds, after which a stream ends, and the browser opens another one: perhaps at another server."""

PATIENCE: Final = 10.0
"""Seconds for which a reader may take nothing. Its stream ends then, and its place is free."""

RECONNECT: Final = 3000
"""Milliseconds after which a browser opens a new stream."""


def event_stream(live: Live, services: Services) -> ASGIRouteHandler:
    """The route ``/live``."""

    @asgi("/live", copy_scope=False)
    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        cookie = ASGIConnection(scope).cookies.get(COOKIE)
        sessions = Sessions(services.keys, services.links, services.clock)

        def session() -> Session | None:
            return sessions.find(cookie)

        found = session()
        if found is None:
            await _refuse(send, 401)
            return
        workspace = found.workspace
        wait = services.limits.take(workspace.name, "retrieve", workspace.limits.of("retrieve"))
        if wait is not None:
            await _refuse(send, 429)
            return
        try:
            async with live.watching(workspace.name) as watch:
                base = services.public_path(scope)
                await _serve(watch, base, lambda: session() is not None, receive, send)
        except TooManyReadersError:
            await _refuse(send, 503)

    return stream


async def _serve(watch: Watch, base: str, may_read: Callable[[], bool], receive: Receive, send: Send) -> None:
    headers = [
        (b"content-type", EVENT_STREAM),
        # A proxy that collects an answer before it passes it on would hold back all changes (nginx).
        (b"x-accel-buffering", b"no"),
        *((name.lower().encode(), value.encode()) for name, value in COMMON_HEADERS.items()),
    ]
    gone = asyncio.create_task(_until_gone(receive))
    with suppress(TimeoutError):
        try:
            await _within(send({"type": "http.response.start", "status": 200, "headers": headers}))
            await _send_text(send, f"retry: {RECONNECT}\n\n")
            await _send_changes(watch, base, may_read, gone, send)
            await _within(send({"type": "http.response.body", "body": b"", "more_body": False}))
        finally:
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)


async def _send_changes(
    watch: Watch, base: str, may_read: Callable[[], bool], gone: asyncio.Task[None], send: Send
) -> None:
    """Until the reader is gone, may no longer read, or has read for long enough; the server's end ends it, too."""
    sent, first = 0, watch.look_soon()
    ends = time.monotonic() + LASTS
    quiet_until = time.monotonic() + PING
    while not (gone.done() or watch.is_over or time.monotonic() >= ends) and may_read():
        looked, snapshot = watch.looked, watch.snapshot
        if watch.looks >= first and snapshot.version > sent:
            text, sent = event(snapshot, sent, base), snapshot.version
        elif time.monotonic() >= quiet_until:
            text = ":\n\n"
        else:
            await _first_of(gone, looked, PING)
            continue
        await _send_text(send, text)
        quiet_until = time.monotonic() + PING


async def _first_of(gone: asyncio.Task[None], looked: asyncio.Event, seconds: float) -> None:
    """Returns when the reader is gone, at the next look, or after ``seconds``."""
    look = asyncio.create_task(looked.wait())
    try:
        await asyncio.wait({look, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        look.cancel()
        await asyncio.gather(look, return_exceptions=True)


def event(snapshot: Snapshot, since: int, base: str) -> str:
    """The event with all bots of the list in order, and the rows of those that changed after version ``since``."""
    rows = {
        facts.bot_id: render("row.html", base=base, bot=listed(facts)) for facts in snapshot.changes(since)
    }
    data = json.dumps({"order": snapshot.order, "rows": rows}, ensure_ascii=True, separators=(",", ":"))
    return f"event: bots\ndata: {data}\n\n"


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_text(send: Send, text: str) -> None:
    await _within(send({"type": "http.response.body", "body": text.encode(), "more_body": True}))


async def _within(sending: Awaitable[None]) -> None:
    """Raises TimeoutError where the reader does not take what is sent."""
    async with asyncio.timeout(PATIENCE):
        await sending


async def _refuse(send: Send, status: int) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in COMMON_HEADERS.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
