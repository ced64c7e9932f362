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
from typing import Final
from uuid import uuid4

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, InvalidURI, WebSocketException
from websockets.protocol import Event
from websockets.uri import parse_uri

from worker.contracts.live_endpoints import LiveEndpoint
from worker.delivery.lookups import Lookups
from worker.delivery.url_guard import UnresolvedError, UrlBlockedError, UrlError, read_url
from worker.errors import MeetstemsError
from worker.settings import LiveOptions
from worker.streaming.request_headers import AGENT, request_headers

CONNECT_SECONDS: Final = 10.0
"""For the look-up, the connection and the upgrade together."""

CLOSE_SECONDS: Final = 2.0
"""For the receiver's answer to the closing frame."""

PING_SECONDS: Final = 20.0
"""Between two pings, and until the answer to one."""

MOST_INCOMING: Final = 64 << 10
"""Bytes of a message that a receiver sends; more breaks the connection."""

MOST_FRAMES: Final = 1_000
FRAMES_SECONDS: Final = 1.0
"""MOST_FRAMES are read in FRAMES_SECONDS: a receiver that floods the worker takes a few percent of a core."""

WRITE_LIMIT: Final = 32 << 10
"""Bytes that wait for the system at most."""

MOST_ANSWERS: Final = 1 << 20
"""Bytes that wait for the system, with a message of ours and the library's answers to pings."""

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
    """Dials the URL of ``endpoint``. ``tls`` is the client's context. ``clock`` returns Unix seconds."""

    def __init__(
        self,
        endpoint: LiveEndpoint,
        lookups: Lookups,
        options: LiveOptions,
        tls: ssl.SSLContext,
        clock: Callable[[], float],
    ) -> None:
        self._endpoint = endpoint
        self._lookups = lookups
        self._options = options
        self._tls = tls
        self._clock = clock

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
        # It is read by the library, too, which takes less.
        parse_uri(url)
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
            create_connection=_ThrottledConnection,
            ssl=self._tls if is_secure else None,
            server_hostname=parts.host if is_secure else None,
        )

    def _headers(self) -> dict[str, str]:
        secret = self._options.signing_secret
        headers = request_headers(self._endpoint, f"msg_{uuid4().hex}", self._clock(), "", secret)
        del headers["user-agent"]
        return headers


class _ThrottledConnection(ClientConnection):
    """Reads at most MOST_FRAMES in FRAMES_SECONDS, and what came with the last of them. Breaks once more than MOST_ANSWERS
    wait: pongs that the receiver does not read.
    """

    _frames = 0
    """Since ``_began``."""
    _began = 0.0
    _waits = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        super().connection_made(transport)
        # The buffer of messages holds up reading, too.
        self.recv_messages.resume = self._resume

    def process_event(self, event: Event) -> None:
        """See Connection."""
        self._frames += 1
        super().process_event(event)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        now = self.loop.time()
        if now >= self._began + FRAMES_SECONDS:
            self._began, self._frames = now, 0
        super().data_received(data)
        if self.transport.get_write_buffer_size() > MOST_ANSWERS:
            self.transport.abort()
        elif self._frames > MOST_FRAMES and not self._waits:
            self._waits = True
            self.transport.pause_reading()
            self.loop.call_at(self._began + FRAMES_SECONDS, self._go_on)

    def _go_on(self) -> None:
        self._waits = False
        if not self.recv_messages.paused:
            self._resume()

    def _resume(self) -> None:
        if not self._waits:
            self.transport.resume_reading()


async def _connect_to(addresses: list[str], port: int) -> socket.socket:
    """A socket connected to the first address that answers. Raises OSError."""
    loop = asyncio.get_running_loop()
    for index, address in enumerate(addresses):
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            await loop.sock_connect(sock, (address, port))
        except OSError:
            sock.close()
            if index == len(addresses) - 1:
                raise
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise AssertionError("UrlGuard gives at least one address")


def _dial_error(error: Exception) -> DialError:
    """What may be said of ``error``: nothing that its text has from the URL, the headers or the receiver."""
    cause = error if isinstance(error, InvalidStatus) else error.__cause__
    if isinstance(cause, InvalidStatus):
        # A redirect that the library would follow is the cause of a ValueError, as the socket was given.
        return DialError(f"it answered HTTP {cause.response.status_code} to the upgrade")
    if isinstance(error, UnresolvedError | UrlBlockedError):
        return DialError(f"the URL: {error}")
    if isinstance(error, UrlError | InvalidURI):
        text = str(error) if isinstance(error, UrlError) else "is none of a WebSocket"
        return DialError(f"the URL {text}", final=True)
    return DialError(_cause(error))


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
