"""One application for all APIs of a process. Litestar takes 0.2 s to make one, as long as many tests of the API last."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import fields
from functools import cache
from typing import Any, cast

from worker.server.app import build_app
from worker.server.dispatcher import Dispatcher
from worker.server.request_log import AsgiApp, Network, Receive, Scope, Send
from worker.server.services import Services

_asked: ContextVar[Services] = ContextVar("_asked")
"""The services of the API that a request is made of. The threads in which routes block inherit it."""


class _OfAsked:
    """Stands for one of the services: at each use for that of the API which is asked."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(getattr(_asked.get(), self._name), name)

    def __call__(self) -> Any:
        return getattr(_asked.get(), self._name)()


@cache
def _application(prefix: str, trusted: tuple[Network, ...]) -> AsgiApp:
    stand_ins: dict[str, Any] = {field.name: _OfAsked(field.name) for field in fields(Services)}
    services = Services(**{**stand_ins, "prefix": prefix, "demo": None})
    return build_app(services, cast(Dispatcher, None), trusted)


def shared_app(services: Services, trusted: Sequence[Network]) -> AsgiApp:
    """Answers requests as an application of ``services``' own does. It has no lifespan and no demo meeting, and is not for
    streams of events, which know their readers by workspace alone.
    """
    assert services.demo is None
    app = _application(services.prefix, tuple(trusted))

    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        token = _asked.set(services)
        try:
            await app(scope, receive, send)
        finally:
            _asked.reset(token)

    return asked
