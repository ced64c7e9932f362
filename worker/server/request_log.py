"""Around the application: an id, a line in the log and a metric for each request; and who is behind a proxy."""

from __future__ import annotations

import ipaddress
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final, TypeAlias

from worker.server.errors import ApiError, Vendor, vendor_of
from worker.server.metrics import ServerMetrics
from worker.server.services import PUBLIC_PREFIX, AnyRequest

logger = logging.getLogger(__name__)

REQUEST_ID: Final = "x-request-id"
EVENT_STREAM: Final = b"text/event-stream"
"""The media type of server-sent events (HTML, section 9.2)."""

_OWN_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,128}")
_HOST: Final = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")
_ADDRESS: Final = re.compile(r"[0-9A-Fa-f.:]{2,45}")
_PREFIX: Final = re.compile(r"(?:/[A-Za-z0-9._~-]{1,100}){1,10}")

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
"""The types of the ASGI specification, 3.0."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class RequestLog:
    """An ASGI application around ``app``. A client's own x-request-id is kept if it is a plain word."""

    def __init__(self, app: AsgiApp, metrics: ServerMetrics, prefix: str) -> None:
        self._app = app
        self._metrics = metrics
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = _header(scope, REQUEST_ID.encode())
        request_id = given if _OWN_ID.fullmatch(given) else str(uuid.uuid4())
        began, status, ended = time.monotonic(), 500, None

        async def answer(message: Message) -> None:
            nonlocal status, ended
            if message["type"] == "http.response.start":
                status = message["status"]
                if (b"content-type", EVENT_STREAM) in message["headers"]:
                    # It lasts as long as somebody reads it, which says nothing of the server's speed.
                    ended = time.monotonic()
                message["headers"] = [*message["headers"], (REQUEST_ID.encode(), request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            seconds = (time.monotonic() if ended is None else ended) - began
            vendor = vendor_of(scope["path"].removeprefix(self._prefix))
            route = scope.get("path_template") or "unknown"
            self._metrics.answered(vendor.value, route, scope["method"], status, seconds)
            if vendor is not Vendor.OURS or status >= 500:
                logger.info("%s %s %d %.3f s %s", scope["method"], route, status, seconds, request_id)


async def refuse_bad_host(request: AnyRequest) -> None:
    """Raises ApiError where Host is no host's name (RFC 9112, section 3.2): URLs of answers are made of it."""
    hosts = [value for key, value in request.scope["headers"] if key.lower() == b"host"]
    if len(hosts) != 1 or not _HOST.fullmatch(hosts[0].decode("latin-1")):
        raise ApiError(400, "Host: expected the name of this server")


class Forwarded:
    """An ASGI application around ``app`` that believes X-Forwarded-For, -Proto, -Host and -Prefix of proxies in ``trusted``."""

    def __init__(self, app: AsgiApp, trusted: Sequence[Network]) -> None:
        self._app = app
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] == "http" and self._is_trusted(scope):
            scheme = _last(_header(scope, b"x-forwarded-proto"))
            if scheme in ("http", "https"):
                scope["scheme"] = scheme
            host = _last(_header(scope, b"x-forwarded-host"))
            if _HOST.fullmatch(host):
                others = [each for each in scope["headers"] if each[0].lower() != b"host"]
                scope["headers"] = [*others, (b"host", host.encode())]
            prefix = _last(_header(scope, b"x-forwarded-prefix")).rstrip("/")
            if _PREFIX.fullmatch(prefix):
                scope[PUBLIC_PREFIX] = prefix
            client = _last(_header(scope, b"x-forwarded-for"))
            if _ADDRESS.fullmatch(client):
                scope["client"] = (client, 0)
        await self._app(scope, receive, send)

    def _is_trusted(self, scope: Scope) -> bool:
        client = scope.get("client")
        if client is None or not self._trusted:
            return False
        try:
            address = ipaddress.ip_address(client[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._trusted)


def _header(scope: Scope, name: bytes) -> str:
    values = [value for key, value in scope["headers"] if key.lower() == name]
    return values[-1].decode("latin-1").strip() if values else ""


def _last(value: str) -> str:
    """Of a list, what the nearest proxy wrote; all before it, a client can have sent."""
    return value.rpartition(",")[2].strip()
