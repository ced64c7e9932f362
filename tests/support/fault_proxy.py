"""An HTTP proxy in front of S3 and SQS that fails on command, for tests.

It forwards requests to the server at ``upstream`` unless a rule applies; each fault is what a client sees of a real one. It can
also behave as another store or queue than the server behind it: change requests and answers, and refuse what AWS refuses.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}
"""Headers that are not forwarded to the client. Date is: it is the store's clock."""


class Fault(Enum):
    """What happens to a request."""

    INTERNAL_ERROR = "500 InternalError"
    SLOW_DOWN = "503 SlowDown"
    HANG = "no answer until the fault is over, then the connection ends"
    RESET = "the connection is reset; the server never sees the request"
    LOST_ANSWER = "the server handles the request, but the connection is reset instead of an answer"
    ACCESS_DENIED = "403 AccessDenied; SQS: 400 AccessDeniedException"
    EXPIRED_TOKEN = "400 ExpiredToken; SQS: 400 ExpiredTokenException"
    THROTTLED = "503 SlowDown; SQS: 403 RequestThrottled"
    CLOCK_SKEW = "403 RequestTimeTooSkewed; SQS: 403 SignatureDoesNotMatch"
    NO_SUCH_BUCKET = "404 NoSuchBucket; SQS: 400 NonExistentQueue"
    LATENCY = "the real answer, after a delay"


OUTAGES = (Fault.INTERNAL_ERROR, Fault.SLOW_DOWN, Fault.HANG, Fault.RESET, Fault.LOST_ANSWER)
"""The service is away or overloaded. Nothing is wrong with the request."""

REFUSALS = (Fault.ACCESS_DENIED, Fault.EXPIRED_TOKEN, Fault.CLOCK_SKEW, Fault.NO_SUCH_BUCKET)
"""The service answers and refuses, as after a mistake in a policy, an expired token or a wrong clock."""


class Request(NamedTuple):
    """A request that has arrived; ``target`` is X-Amz-Target, which names SQS's action, or empty."""

    method: str
    path: str
    target: str

    @property
    def action(self) -> str:
        """SQS's action, such as ``SendMessage``; empty for S3."""
        return self.target.rpartition(".")[2]

    @property
    def key(self) -> str:
        """The object's key where S3 is addressed by path; empty for SQS and for requests of the bucket."""
        return "" if self.target else unquote(urlsplit(self.path).path.lstrip("/").partition("/")[2])


Predicate = Callable[[Request], bool]


def every(request: Request) -> bool:
    """Every request."""
    return True


def is_sqs(request: Request) -> bool:
    """A request to SQS."""
    return request.target != ""


def is_s3(request: Request) -> bool:
    """A request to S3."""
    return request.target == ""


def is_s3_write(request: Request) -> bool:
    """A request that changes S3's content."""
    return is_s3(request) and request.method in {"PUT", "POST", "DELETE"}


def key_ends(*suffixes: str) -> Predicate:
    """Requests to S3 for a key that ends so, such as ``lease.json``."""
    return lambda request: request.key.endswith(suffixes)


def key_has(*parts: str) -> Predicate:
    """Requests to S3 for a key with one of ``parts`` in it, such as ``/tape/`` or ``/files/``."""
    return lambda request: any(part in request.key for part in parts)


def sqs_action(*actions: str) -> Predicate:
    """Requests to SQS for one of ``actions``, such as ``ChangeMessageVisibility``."""
    return lambda request: request.action in actions


class Refusal(NamedTuple):
    """An error as a service answers it; ``code`` is S3's, or SQS's in its JSON protocol."""

    status: int
    code: str
    message: str
    query_code: str = ""
    """SQS: the code in x-amzn-query-error, which botocore prefers."""


class Answer(NamedTuple):
    """A server's answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of the header ``name``, in any case; None without it."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def without(self, *names: str) -> Answer:
        """The same without these headers."""
        drop = {name.lower() for name in names}
        return self._replace(headers=[pair for pair in self.headers if pair[0].lower() not in drop])


class Exchange(NamedTuple):
    """A request with its headers and its body."""

    request: Request
    headers: dict[str, str]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of the header ``name``, in any case; None without it."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), None)

    def without(self, *names: str) -> Exchange:
        """The same without these headers."""
        drop = {name.lower() for name in names}
        return self._replace(
            headers={key: value for key, value in self.headers.items() if key.lower() not in drop}
        )


RequestChange = Callable[[Exchange], Exchange | Refusal]
AnswerChange = Callable[[Request, Answer], Answer]

S3_REFUSALS = {
    Fault.INTERNAL_ERROR: Refusal(
        500, "InternalError", "We encountered an internal error. Please try again."
    ),
    Fault.SLOW_DOWN: Refusal(503, "SlowDown", "Please reduce your request rate."),
    Fault.THROTTLED: Refusal(503, "SlowDown", "Please reduce your request rate."),
    Fault.ACCESS_DENIED: Refusal(403, "AccessDenied", "Access Denied"),
    Fault.EXPIRED_TOKEN: Refusal(400, "ExpiredToken", "The provided token has expired."),
    Fault.CLOCK_SKEW: Refusal(
        403,
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
    ),
    Fault.NO_SUCH_BUCKET: Refusal(404, "NoSuchBucket", "The specified bucket does not exist"),
}
"""https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"""

SQS_REFUSALS = {
    Fault.INTERNAL_ERROR: Refusal(
        500, "InternalFailure", "We encountered an internal error. Please try again."
    ),
    Fault.SLOW_DOWN: Refusal(503, "ServiceUnavailable", "Service Unavailable"),
    Fault.THROTTLED: Refusal(403, "RequestThrottled", "Request is throttled.", "RequestThrottled;Sender"),
    Fault.ACCESS_DENIED: Refusal(
        400, "AccessDeniedException", "Access to the resource is denied.", "AccessDenied;Sender"
    ),
    Fault.EXPIRED_TOKEN: Refusal(
        400,
        "ExpiredTokenException",
        "The security token included in the request is expired",
        "ExpiredToken;Sender",
    ),
    Fault.CLOCK_SKEW: Refusal(
        403,
        "InvalidSignatureException",
        "Signature expired: 20260101T000000Z is now earlier than 20260101T000500Z",
        "SignatureDoesNotMatch;Sender",
    ),
    Fault.NO_SUCH_BUCKET: Refusal(
        400,
        "QueueDoesNotExist",
        "The specified queue does not exist.",
        "AWS.SimpleQueueService.NonExistentQueue;Sender",
    ),
}
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html"""


def refusal_answer(request: Request, refusal: Refusal) -> Answer:
    """``refusal`` in the protocol of the service that ``request`` is for."""
    if is_s3(request):
        body = f"<Error><Code>{refusal.code}</Code><Message>{refusal.message}</Message></Error>".encode()
        return Answer(refusal.status, [("Content-Type", "application/xml")], body)
    headers = [("Content-Type", "application/x-amz-json-1.0")]
    if refusal.query_code:
        headers.append(("x-amzn-query-error", refusal.query_code))
    body = msgspec.json.encode({"__type": refusal.code, "message": refusal.message})
    return Answer(refusal.status, headers, body)


class _Rule:
    """One fault, for the first ``left`` requests that match; None: for all."""

    def __init__(self, fault: Fault, left: int | None, matches: Predicate, seconds: float) -> None:
        self.fault = fault
        self.left = left
        self.matches = matches
        self.seconds = seconds

    def take(self, request: Request) -> bool:
        """Whether the rule applies to ``request``; counts it."""
        if self.left == 0 or not self.matches(request):
            return False
        if self.left is not None:
            self.left -= 1
        return True


class FaultProxy:
    """Made by ``fault_proxy``. Thread-safe."""

    def __init__(self, upstream: str) -> None:
        address = urlsplit(upstream)
        assert address.hostname is not None
        assert address.port is not None
        self._upstream = (address.hostname, address.port)
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._rules: list[_Rule] = []
        self._request_changes: list[RequestChange] = []
        self._answer_changes: list[AnswerChange] = []
        self._seen: list[Request] = []
        self._failed = 0
        self.url = ""

    def fail(
        self,
        fault: Fault,
        *,
        times: int | None = None,
        matches: Predicate | None = None,
        seconds: float = 0.0,
    ) -> None:
        """From now on, requests that match fail, in this way only: the first ``times`` of them; None: until ``recover``.

        ``seconds`` is the delay of LATENCY.
        """
        with self._changed:
            self._rules = [_Rule(fault, times, matches or every, seconds)]
            self._changed.notify_all()

    def also_fail(
        self,
        fault: Fault,
        *,
        times: int | None = None,
        matches: Predicate | None = None,
        seconds: float = 0.0,
    ) -> None:
        """Adds a fault to those that are on. The first that matches a request applies; a delay comes before it."""
        with self._changed:
            self._rules.append(_Rule(fault, times, matches or every, seconds))

    def change_requests(self, change: RequestChange) -> None:
        """From now on until ``reset``, requests are forwarded as ``change`` returns them, or refused."""
        with self._changed:
            self._request_changes.append(change)

    def change_answers(self, change: AnswerChange) -> None:
        """From now on until ``reset``, the server's answers are given as ``change`` returns them."""
        with self._changed:
            self._answer_changes.append(change)

    def recover(self) -> None:
        """Ends all faults."""
        with self._changed:
            self._rules = []
            self._changed.notify_all()

    def reset(self) -> None:
        """Ends all faults and changes, and resets the counters."""
        with self._changed:
            self._rules, self._request_changes, self._answer_changes = [], [], []
            self._failed = 0
            self._seen.clear()
            self._changed.notify_all()

    @property
    def seen(self) -> list[Request]:
        """The requests that have arrived, including those that failed."""
        with self._lock:
            return list(self._seen)

    @property
    def failed(self) -> int:
        """How many requests were made to fail, or were delayed."""
        with self._lock:
            return self._failed

    def wait_for_failures(self, count: int, timeout: float = 20.0) -> None:
        """Waits until ``count`` requests in total were made to fail. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._failed >= count, timeout):
                raise TimeoutError(f"{self._failed} of {count} requests failed within {timeout:g} s")

    def fault_for(self, request: Request) -> Fault | None:
        """The fault that applies to ``request``, if any, after its delay and, for HANG, its end; counts the request."""
        with self._changed:
            self._seen.append(request)
            applied = [rule for rule in self._rules if rule.fault is Fault.LATENCY and rule.take(request)]
            fatal = next(
                (rule for rule in self._rules if rule.fault is not Fault.LATENCY and rule.take(request)), None
            )
            if not applied and fatal is None:
                return None
            self._failed += 1
            self._changed.notify_all()
            for rule in applied:
                self._changed.wait_for(lambda rule=rule: rule not in self._rules, rule.seconds)  # type: ignore[misc]
            if fatal is None:
                return None
            if fatal.fault is Fault.HANG:
                self._changed.wait_for(lambda: fatal not in self._rules)
            return fatal.fault

    def answer(self, exchange: Exchange) -> Answer:
        """What the server answers, with the changes of ``change_requests`` and ``change_answers``."""
        request = exchange.request
        with self._lock:
            request_changes, answer_changes = list(self._request_changes), list(self._answer_changes)
        for change in request_changes:
            changed = change(exchange)
            if isinstance(changed, Refusal):
                return refusal_answer(request, changed)
            exchange = changed
        answer = self._forward(exchange)
        for change_answer in answer_changes:
            answer = change_answer(request, answer)
        return answer

    def _forward(self, exchange: Exchange) -> Answer:
        connection = http.client.HTTPConnection(*self._upstream, timeout=60)
        request = exchange.request
        headers = exchange.without("Content-Length").headers
        if exchange.body or request.method in {"PUT", "POST"}:
            headers["Content-Length"] = str(len(exchange.body))
        try:
            connection.request(request.method, request.path, body=exchange.body, headers=headers)
            response = connection.getresponse()
            return Answer(response.status, response.getheaders(), response.read())
        finally:
            connection.close()


@contextmanager
def fault_proxy(upstream: str, tls: ssl.SSLContext | None = None) -> Iterator[FaultProxy]:
    """Runs a proxy to ``upstream``, an ``http://host:port``, on a free port; its address is ``.url``.

    With ``tls`` it is ``https``, and the server behind it still HTTP.
    """
    proxy = FaultProxy(upstream)

    class Handler(_Handler):
        owner = proxy

    server = _Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        # The handshake is done by the handler's thread, so that a slow client does not block others.
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    proxy.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_port}"
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
        exchange = self._exchange()
        fault = self.owner.fault_for(exchange.request)
        match fault:
            case Fault.HANG:
                self.close_connection = True
            case Fault.RESET:
                self._reset()
            case Fault.LOST_ANSWER:
                self.owner.answer(exchange)
                self._reset()
            case None:
                self._send(self.owner.answer(exchange))
            case _:
                refusals = SQS_REFUSALS if is_sqs(exchange.request) else S3_REFUSALS
                self._send(refusal_answer(exchange.request, refusals[fault]))

    def _exchange(self) -> Exchange:
        request = Request(self.command, self.path, self.headers.get("X-Amz-Target", ""))
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in {"expect", "connection", "content-length", "transfer-encoding"}
        }
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = self._chunks()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return Exchange(request, headers, body)

    def _chunks(self) -> bytes:
        """A chunked body (RFC 9112, section 7.1)."""
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def _send(self, answer: Answer) -> None:
        length = answer.header("Content-Length") or "0" if self.command == "HEAD" else str(len(answer.body))
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _reset(self) -> None:
        """Closes with RST instead of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass
