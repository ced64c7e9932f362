"""Opens a WebSocket to a URL that a user gave: to an address that was judged, and without its secrets in any text.

The library's exceptions and log lines contain the URL with its query, and headers: none of them is passed on.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Final, cast
from uuid import uuid4

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, InvalidURI, WebSocketException
from websockets.uri import parse_uri

from worker.contracts.live_endpoints import LiveEndpoint
from worker.delivery.lookups import Lookups
from worker.delivery.url_guard import UnresolvedError, UrlBlockedError, UrlError, read_url
from worker.errors import MeetstemsError
from worker.settings import LiveOptions
from worker.streaming.request_headers import AGENT, request_headers
from worker.streaming.throttled_connection import MOST_INCOMING, ReadBudget, ThrottledConnection

CONNECT_SECONDS: Final = 10.0
"""For the look-up, the connection and the upgrade together."""

CLOSE_SECONDS: Final = 2.0
"""For the receiver's answer to the closing frame."""

PING_SECONDS: Final = 20.0
"""Between two pings, and until the answer to one."""

WRITE_LIMIT: Final = 32 << 10
"""Bytes that wait for the system at most."""

_SEND_BUFFER: Final = 128 << 10
"""Bytes that the system keeps for a slow receiver. By itself it takes megabytes: minutes of speech that nobody drops."""
_RECEIVE_BUFFER: Final = 16 << 10

_QUIET: Final = logging.Logger("websockets", logging.CRITICAL + 1)
"""The library logs the headers and the query of each request at the level DEBUG, and faults with their exceptions."""


class DialError(MeetstemsError):
    """There is no connection. The message is a cause without secrets. ``final``: no other try can be better."""

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


class WebSocketDialer:
    """Dials the URL of ``endpoint``. ``tls`` is the client's context. ``clock`` returns Unix seconds. ``budget`` is that of all
    connections of the endpoint.
    """

    def __init__(
        self,
        endpoint: LiveEndpoint,
        lookups: Lookups,
        options: LiveOptions,
        tls: ssl.SSLContext,
        clock: Callable[[], float],
        budget: ReadBudget,
    ) -> None:
        self._endpoint = endpoint
        self._lookups = lookups
        self._options = options
        self._tls = tls
        self._clock = clock
        # The library asks for a class only to call it.
        self._new_connection = cast("type[ClientConnection]", partial(ThrottledConnection, budget))

    async def dial(self) -> ClientConnection:
        """A new connection, after the upgrade. Raises DialError within CONNECT_SECONDS."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await self._dial()
        except Exception as error:  # noqa: BLE001 - of the system, TLS, the library, or what a receiver makes it do
            raise _dial_error(error) from None

    async def _dial(self) -> ClientConnection:
        url = self._endpoint.url
        schemes = {"ws", "wss"} if self._options.allow_plain else {"wss"}
        parts = read_url(url, frozenset(schemes))
        _check_as_library(url)
        addresses = await self._lookups.addresses(str(self._endpoint.number), parts)
        sock = await _connect_to(addresses, parts.port)
        is_secure = parts.scheme == "wss"
        return await connect(
            url,
            sock=sock,
            proxy=None,
            compression=None,
            user_agent_header=AGENT,
            additional_headers=self._headers(),
            open_timeout=None,
            ping_interval=PING_SECONDS,
            ping_timeout=PING_SECONDS,
            close_timeout=CLOSE_SECONDS,
            max_size=MOST_INCOMING,
            write_limit=WRITE_LIMIT,
            logger=_QUIET,
            create_connection=self._new_connection,
            ssl=self._tls if is_secure else None,
            server_hostname=parts.host if is_secure else None,
        )

    def _headers(self) -> dict[str, str]:
        secret = self._options.signing_secret
        headers = request_headers(self._endpoint, f"msg_{uuid4().hex}", self._clock(), "", secret)
        del headers["user-agent"]
        return headers


def _check_as_library(url: str) -> None:
    """Raises a final DialError for what the library does not take, which is more than UrlGuard."""
    try:
        parse_uri(url)
    except InvalidURI:
        raise DialError("the URL is none of a WebSocket", final=True) from None


async def _connect_to(addresses: list[str], port: int) -> socket.socket:
    """A socket connected to the first address that answers. Each has its share of the time that is left of CONNECT_SECONDS: one
    may swallow all packets. Raises OSError and TimeoutError.
    """
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + CONNECT_SECONDS
    for left in range(len(addresses), 0, -1):
        now = loop.time()
        try:
            async with asyncio.timeout_at(now + (ends_at - now) / left):
                return await _connect(addresses[-left], port)
        except OSError:
            if left == 1:
                raise
    raise AssertionError("UrlGuard gives at least one address")


async def _connect(address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except BaseException:
        sock.close()
        raise
    return sock


def _dial_error(error: Exception) -> DialError:
    """What may be said of ``error``: nothing that its text has from the URL, the headers or the receiver."""
    if isinstance(error, DialError):
        return DialError(str(error), final=error.final)
    status = _status(error)
    if status is not None:
        return DialError(f"it answered HTTP {status} to the upgrade")
    if isinstance(error, UnresolvedError | UrlBlockedError):
        return DialError(f"the URL: {error}")
    if isinstance(error, UrlError):
        return DialError(f"the URL {error}", final=True)
    return DialError(_cause(error))


def _status(error: BaseException | None) -> int | None:
    """The answer to the upgrade that led to ``error``. The library reads where a redirect leads, and raises errors of that."""
    while error is not None:
        if isinstance(error, InvalidStatus):
            return error.response.status_code
        error = error.__cause__ or error.__context__
    return None


def _cause(error: Exception) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            text = "its certificate is not trusted"
        case ssl.SSLError():
            text = "TLS failed"
        case TimeoutError():
            text = f"no answer within {CONNECT_SECONDS:g} s"
        case OSError(errno=int(number)):
            text = os.strerror(number)
        case WebSocketException() | EOFError():
            text = "its answer to the upgrade is none of a WebSocket"
        case MeetstemsError():
            text = str(error)
        case _:
            text = type(error).__name__
    return text
