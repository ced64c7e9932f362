"""S3 and SQS inside this process, run by moto's server: for demonstrations and tests. Their content ends with the process."""

from __future__ import annotations

import io
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from worker.delivery.aws_clients import DEFAULT_REGION, Aws, Credentials, s3_client, sqs_client
from worker.errors import MeetstemsError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

HOST: Final = "127.0.0.1"

POLL_INTERVAL: Final = 0.05
"""Seconds between two checks of the server whether to stop."""

MAX_RECEIVE_COUNT: Final = 3
"""Receives after which a job goes to the dead-letter queue."""

_DUMMY: Final = Credentials(access_key_id="embedded", secret_access_key="embedded")

_CONDITIONS: Final = {"HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"}

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class EmbeddedUnavailableError(MeetstemsError):
    """The embedded server's packages are not installed."""


class Embedded(NamedTuple):
    """The running server. ``aws`` is for ``s3_client`` and ``sqs_client``; the rest names its bucket and its queues."""

    aws: Aws
    bucket: str
    jobs_url: str
    dead_letters_url: str
    events_url: str


@contextmanager
def embedded_aws(bucket: str | None = None, max_receive_count: int = MAX_RECEIVE_COUNT) -> Iterator[Embedded]:
    """Runs the server on a free port of this host, with what ``provision`` creates. Raises EmbeddedUnavailableError."""
    with _server() as port:
        aws = Aws(endpoint_url=f"http://{HOST}:{port}", region=DEFAULT_REGION, credentials=_DUMMY)
        with closing(s3_client(aws)) as s3, closing(sqs_client(aws)) as sqs:
            embedded = provision(aws, s3, sqs, bucket, max_receive_count)
        yield embedded


def provision(
    aws: Aws,
    s3: S3Client,
    sqs: SQSClient,
    bucket: str | None = None,
    max_receive_count: int = MAX_RECEIVE_COUNT,
) -> Embedded:
    """Creates a bucket, a jobs queue with its dead-letter queue, and an events queue.

    All names except a given ``bucket`` are new each time, since the embedded servers of one process share their content.
    """
    suffix = secrets.token_hex(4)
    bucket = bucket or f"meetstems-{suffix}"
    s3.create_bucket(Bucket=bucket)
    dead_letters_url = sqs.create_queue(QueueName=f"dead-letters-{suffix}")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=dead_letters_url, AttributeNames=["QueueArn"])[
        "Attributes"
    ]
    redrive = {"deadLetterTargetArn": attributes["QueueArn"], "maxReceiveCount": max_receive_count}
    jobs_url = sqs.create_queue(
        QueueName=f"jobs-{suffix}", Attributes={"RedrivePolicy": msgspec.json.encode(redrive).decode()}
    )["QueueUrl"]
    events_url = sqs.create_queue(QueueName=f"events-{suffix}")["QueueUrl"]
    return Embedded(aws, bucket, jobs_url, dead_letters_url, events_url)


@contextmanager
def _server() -> Iterator[int]:
    """Serves moto on a free port and yields the port. moto's own ThreadedMotoServer is not used: it leaves its socket open."""
    try:
        from moto.moto_server.werkzeug_app import (
            DomainDispatcherApplication,
            MotoRequestHandler,
            create_backend_app,
        )
        from werkzeug.serving import make_server
    except ImportError as error:
        raise EmbeddedUnavailableError(
            f"the embedded S3 and SQS need more packages ({error.name}): pip install 'meetstems[local]'"
        ) from error

    class QuietHandler(MotoRequestHandler):
        """Logs no request: their URLs may be signed."""

        def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
            pass

    application = _one_write_at_a_time(DomainDispatcherApplication(create_backend_app))
    server = make_server(HOST, 0, application, threaded=True, request_handler=QuietHandler)
    thread = threading.Thread(
        target=server.serve_forever, args=(POLL_INTERVAL,), name="embedded-aws", daemon=True
    )
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _one_write_at_a_time(application: Application) -> Application:
    """Makes conditional writes atomic, as in S3: moto checks the condition and writes afterwards, while other threads may also
    write. If-Match is checked here, as moto does not for uploads in parts.
    """
    lock = threading.Lock()

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not _CONDITIONS & environ.keys() or environ["REQUEST_METHOD"] not in {"PUT", "POST"}:
            return application(environ, start_response)
        # Read the body outside the lock, so that a slow client does not block the others.
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        with lock:
            refusal = _refusal_by_if_match(application, environ)
            if refusal is None:
                return list(application(environ, start_response))
            status, code = refusal
            start_response(status, [("Content-Type", "application/xml")])
            return [f"<Error><Code>{code}</Code><Message>If-Match</Message></Error>".encode()]

    return serve


def _refusal_by_if_match(application: Application, environ: dict[str, Any]) -> tuple[str, str] | None:
    """The status and code that S3 answers if the object is not the one of If-Match
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html).
    """
    expected = environ.get("HTTP_IF_MATCH")
    if expected is None:
        return None
    head = {name: value for name, value in environ.items() if name not in _CONDITIONS}
    head |= {"REQUEST_METHOD": "HEAD", "QUERY_STRING": "", "CONTENT_LENGTH": "0", "wsgi.input": io.BytesIO()}
    status, etag = "", ""

    def start_response(answered: str, headers: list[tuple[str, str]], *_: object) -> None:
        nonlocal status, etag
        status, etag = answered, dict(headers).get("ETag", "")

    list(application(head, start_response))
    if status.startswith("404"):
        return "404 NOT FOUND", "NoSuchKey"
    return (
        None if etag.strip('"') == expected.strip('"') else ("412 PRECONDITION FAILED", "PreconditionFailed")
    )
