"""Serves /metrics, /healthz and /readyz over HTTP, IPv4 and IPv6, to Prometheus and Kubernetes, from a separate thread.

/healthz reports whether the event loop runs: if not, the process must be restarted. /readyz reports whether the frames of
a call are *delivered*, not only whether tracks exist.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from worker.errors import InputError
from worker.monitoring.capture_health import CaptureHealth

logger = logging.getLogger(__name__)

BEAT_SECONDS: Final = 1.0
"""Seconds between two heartbeats of the event loop."""

STUCK_SECONDS: Final = 20.0
"""Seconds without a heartbeat after which the event loop is stuck. Rendering or a slow disk may block it for a moment."""

TEXT: Final = "text/plain; charset=utf-8"


class PortError(InputError):
    """The metrics' port cannot be listened on; the message names the setting, its value and why."""


class Health:
    """Liveness and readiness of the worker. ``clock`` returns seconds and is monotonic."""

    def __init__(self, capture: CaptureHealth, clock: Callable[[], float] = time.monotonic) -> None:
        self._capture = capture
        self._clock = clock
        self._beaten = clock()

    def beat(self) -> None:
        """Records that the event loop runs."""
        self._beaten = self._clock()

    async def keep_beating(self) -> None:
        """Beats until cancelled; to be run as a task of the event loop that is watched."""
        while True:
            self.beat()
            await asyncio.sleep(BEAT_SECONDS)

    def sickness(self) -> str | None:
        """Why the worker must be restarted; None while it is alive."""
        age = self._clock() - self._beaten
        return f"the event loop has been blocked for {age:.0f} s" if age > STUCK_SECONDS else None

    def unreadiness(self) -> str | None:
        """Why the worker does not record, None while it does. Before the call nothing can be deaf or lost, so it is ready."""
        if sickness := self.sickness():
            return sickness
        if lost := self._capture.page_lost:
            return f"page lost: {lost}"
        deaf = self._capture.deaf
        if not deaf:
            return None
        slots = ", ".join(str(receiver_id.receiver) for receiver_id in sorted(deaf)[:8])
        return f"deaf: packets arrive at receiver {slots} and none of them is tapped"


class HealthServer:
    """Serves ``registry`` and ``health`` on ``port`` (0: any free one) of all interfaces while it is open.

    It listens on IPv4 and IPv6, as far as the host has them: a kubelet asks a pod at the address that its cluster gave it.

    Raises PortError.
    """

    def __init__(self, registry: CollectorRegistry, health: Health, port: int) -> None:
        self.scrapes = 0
        """How often /metrics was answered in full."""
        try:
            self._server = _Server(port, registry, health, self._scraped)
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else "expected 0 to 65535"
            raise PortError(f"MEETSTEMS_METRICS_PORT={port}: cannot be listened on: {reason}") from error
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._serve, name="health", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops answering."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> HealthServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)

    def _scraped(self) -> None:
        self.scrapes += 1


async def linger(
    server: HealthServer, seconds: float, stopped: asyncio.Future[str] | None = None, scrapes: int = 2
) -> None:
    """Waits so that Prometheus gets the final values: for ``scrapes`` more scrapes, at most ``seconds``, or until ``stopped``
    is done.

    Two scrapes, because the first may have begun before the last value was set. Two Prometheus servers may scrape once each.
    """
    wanted = server.scrapes + scrapes
    deadline = time.monotonic() + seconds
    while server.scrapes < wanted and (left := deadline - time.monotonic()) > 0:
        if stopped is None:
            await asyncio.sleep(min(0.1, left))
        elif stopped.done() or (await asyncio.wait({stopped}, timeout=min(0.1, left)))[0]:
            return


def has_ipv6() -> bool:
    """Whether this host can listen on IPv6: its kernel may lack it, or have it switched off."""
    if not socket.has_ipv6:
        return False
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(
        self, port: int, registry: CollectorRegistry, health: Health, scraped: Callable[[], None]
    ) -> None:
        self.registry = registry
        self.health = health
        self.scraped = scraped
        dual_stack = has_ipv6()
        self.address_family = socket.AF_INET6 if dual_stack else socket.AF_INET
        super().__init__(("::" if dual_stack else "", port), _Handler)

    def server_bind(self) -> None:
        """Binds to all addresses; a socket of IPv6 takes connections by IPv4 as well (RFC 3493 §5.3)."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        # HTTPServer.server_bind() asks DNS for the host's name as well, which may take long and is not used here.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "", self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        logger.debug("a request for the metrics was not answered", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "meetstems"
    sys_version = ""
    timeout = 10

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        match self.path.split("?", 1)[0]:
            case "/metrics":
                encode, content_type = choose_encoder(self.headers.get("Accept", ""))
                self._answer(HTTPStatus.OK, encode(self.server.registry), content_type)
                if self.command == "GET":
                    self.server.scraped()
            case "/healthz":
                self._state(self.server.health.sickness())
            case "/readyz":
                self._state(self.server.health.unreadiness())
            case _:
                self._answer(HTTPStatus.NOT_FOUND, b"expected /metrics, /healthz or /readyz\n", TEXT)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in http.server
        logger.debug(format, *args)

    def _state(self, trouble: str | None) -> None:
        status = HTTPStatus.SERVICE_UNAVAILABLE if trouble else HTTPStatus.OK
        self._answer(status, f"{trouble or 'ok'}\n".encode(), TEXT)

    def _answer(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        # An answer to HEAD has the headers of GET, and no content (RFC 9110 §9.3.2).
        if self.command == "GET":
            self.wfile.write(body)
