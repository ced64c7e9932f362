"""``meetstems serve``, each of whose answers says for how long its request was in calls of the store.

    python -m tests.benchmarks.timed_serve serve --local …

A call's time includes what the store waits for: locks, the disk, the network. What a request waits for before a call, such as a
free thread, is not in it.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final

from worker.cli.main import main
from worker.delivery.folder_store import FolderStore
from worker.delivery.object_store import S3Store
from worker.server import run_server
from worker.server.app import build_app
from worker.server.request_log import AsgiApp, Message, Receive, Scope, Send

STORE_SECONDS: Final = "x-store-seconds"
"""The header of answers."""

_CALLS: Final = ("put", "get", "get_unless", "delete", "list", "page")

_spent: ContextVar[list[float]] = ContextVar("spent")
"""The seconds of each call that the request has made, in any thread."""


class StoreSeconds:
    """An ASGI application around ``app``, which adds the header."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        spent: list[float] = []
        _spent.set(spent)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                seconds = f"{sum(spent):.6f}".encode()
                message["headers"] = [*message["headers"], (STORE_SECONDS.encode(), seconds)]
            await send(message)

        await self._app(scope, receive, answer)


def timed(call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def timed_call(*arguments: Any, **named: Any) -> Any:
        begun = time.perf_counter()
        try:
            return call(*arguments, **named)
        finally:
            _spent.get([]).append(time.perf_counter() - begun)

    return timed_call


if __name__ == "__main__":
    for kind in (FolderStore, S3Store):
        for name in _CALLS:
            setattr(kind, name, timed(getattr(kind, name)))
    run_server.build_app = lambda *arguments: StoreSeconds(build_app(*arguments))  # type: ignore[attr-defined]
    main()
