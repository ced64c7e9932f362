"""S3 and SQS within this process, by moto's server: for a first look, and for tests. Nothing in it outlives the process."""

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
"""Seconds until the server notices that it is to stop."""

MAX_RECEIVE_COUNT: Final = 3
"""Receptions after which a job goes to the dead-letter queue."""

_DUMMY: Final = Credentials(access_key_id="embedded", secret_access_key="embedded")

_CONDITIONS: Final = {"HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"}

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class EmbeddedUnavailableError(MeetstemsError):
    """The embedded server's packages are not installed."""


class Embedded(NamedTuple):
    """What runs: ``aws`` is for ``s3_client`` and ``sqs_client``; the rest are names and URLs of what was made in it."""

    aws: Aws
    bucket: str
    jobs_url: str
    dead_letters_url: str
    events_url: str


@contextmanager
def embedded_aws(bucket: str | None = None, max_receive_count: int = MAX_RECEIVE_COUNT) -> Iterator[Embedded]:
    """Runs the server on a free port of this host, provisioned; see ``provision``. Raises EmbeddedUnavailableError."""
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
    """Makes a bucket, a queue of jobs with its dead-letter queue, and one of events.

    All names, but a ``bucket`` that is given, are new each time, since the embedded servers of a process share what they hold.
    """
    mark = secrets.token_hex(4)
    bucket = bucket or f"meetstems-{mark}"
    s3.create_bucket(Bucket=bucket)
    dead_letters_url = sqs.create_queue(QueueName=f"dead-letters-{mark}")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=dead_letters_url, AttributeNames=["QueueArn"])[
        "Attributes"
    ]
    redrive = {"deadLetterTargetArn": attributes["QueueArn"], "maxReceiveCount": max_receive_count}
    jobs_url = sqs.create_queue(
        QueueName=f"jobs-{mark}", Attributes={"RedrivePolicy": msgspec.json.encode(redrive).decode()}
    )["QueueUrl"]
    events_url = sqs.create_queue(QueueName=f"events-{mark}")["QueueUrl"]
    return Embedded(aws, bucket, jobs_url, dead_letters_url, events_url)


@contextmanager
def _server() -> Iterator[int]:
    """Serves moto on a free port, which it gives. Not by moto's own ThreadedMotoServer, which leaves its socket open."""
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
    """Makes conditional writes atomic, as S3's are: moto looks first and writes then, with other threads in between."""
    writing = threading.Lock()

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not _CONDITIONS & environ.keys() or environ["REQUEST_METHOD"] not in {"PUT", "POST"}:
            return application(environ, start_response)
        # A client that is slow to send holds up nobody but itself.
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        with writing:
            return list(application(environ, start_response))

    return serve
