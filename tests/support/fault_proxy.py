"""An HTTP proxy in front of S3 and SQS that fails on command, for tests.

It forwards requests to the server at ``upstream`` unless a fault is on; each fault is what a client sees of a real outage.
"""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


class Fault(Enum):
    """What happens to a request."""

    INTERNAL_ERROR = "500 InternalError"
    SLOW_DOWN = "503 SlowDown"
    HANG = "no answer until the fault is over, then the connection ends"
    RESET = "the connection is reset; the server never sees the request"
    LOST_ANSWER = "the server handles the request, but the connection is reset instead of an answer"


class Request(NamedTuple):
    """A request that has arrived; ``target`` is X-Amz-Target, which names SQS's action, or empty."""

    method: str
    path: str
    target: str


class FaultProxy:
    """Made by ``fault_proxy``. Thread-safe."""

    def __init__(self, upstream: str) -> None:
        address = urlsplit(upstream)
        assert address.hostname is not None
        assert address.port is not None
        self._upstream = (address.hostname, address.port)
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._fault: Fault | None = None
        self._matches: Callable[[Request], bool] = _every
        self._left: int | None = None
        self._seen: list[Request] = []
        self._failed = 0
        self.url = ""

    def fail(
        self,
        fault: Fault,
        *,
        times: int | None = None,
        matches: Callable[[Request], bool] | None = None,
    ) -> None:
        """From now on, requests that match fail: the first ``times`` of them; None: until ``recover``."""
        with self._changed:
            self._fault, self._left, self._matches = fault, times, matches or _every
            self._changed.notify_all()

    def recover(self) -> None:
        """Ends the fault."""
        with self._changed:
            self._fault = None
            self._changed.notify_all()

    def reset(self) -> None:
        """Ends the fault and resets the counters."""
        with self._changed:
            self._fault, self._failed = None, 0
            self._seen.clear()
            self._changed.notify_all()

    @property
    def seen(self) -> list[Request]:
        """The requests that have arrived, including those that failed."""
        with self._lock:
            return list(self._seen)

    @property
    def failed(self) -> int:
        """How many requests were made to fail."""
        with self._lock:
            return self._failed

    def wait_for_failures(self, count: int, timeout: float = 20.0) -> None:
        """Waits until ``count`` requests in total were made to fail. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._failed >= count, timeout):
                raise TimeoutError(f"{self._failed} of {count} requests failed within {timeout:g} s")

    def fault_for(self, request: Request) -> Fault | None:
        """The fault that applies to ``request``, if any; counts the request."""
        with self._changed:
            self._seen.append(request)
            if self._fault is None or self._left == 0 or not self._matches(request):
                return None
            if self._left is not None:
                self._left -= 1
            self._failed += 1
            self._changed.notify_all()
            return self._fault

    def wait_until_hang_is_over(self) -> None:
        """Returns when the fault HANG is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._fault is not Fault.HANG)

    def forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """What the server answers: status, headers, body."""
        connection = http.client.HTTPConnection(*self._upstream, timeout=60)
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()


@contextmanager
def fault_proxy(upstream: str) -> Iterator[FaultProxy]:
    """Runs a proxy to ``upstream``, an ``http://host:port``, on a free port; its address is ``.url``."""
    proxy = FaultProxy(upstream)

    class Handler(_Handler):
        owner = proxy

    server = _Server(("127.0.0.1", 0), Handler)
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.recover()
        server.shutdown()
        thread.join()
        server.end_connections()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        """Ends the connections that clients keep open, so that no handler waits for another request."""
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores clients that disconnect during a request."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    owner: FaultProxy

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        match self.owner.fault_for(Request(self.command, self.path, self.headers.get("X-Amz-Target", ""))):
            case Fault.INTERNAL_ERROR:
                self._answer_error(
                    500, "InternalError", "We encountered an internal error. Please try again."
                )
            case Fault.SLOW_DOWN:
                self._answer_error(503, "SlowDown", "Please reduce your request rate.")
            case Fault.HANG:
                self.owner.wait_until_hang_is_over()
                self.close_connection = True
            case Fault.RESET:
                self._reset()
            case Fault.LOST_ANSWER:
                self._forward(body)
                self._reset()
            case None:
                self._answer(*self._forward(body))

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in {"expect", "connection"}
        }
        return self.owner.forward(self.command, self.path, headers, body)

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        length = dict(headers).get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _answer_error(self, status: int, code: str, message: str) -> None:
        if self.headers.get("X-Amz-Target"):
            body = f'{{"__type":"{code}","message":"{message}"}}'
        else:
            body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
        self._answer(status, [], body.encode())

    def _reset(self) -> None:
        """Closes with RST instead of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


def _every(request: Request) -> bool:
    return True
