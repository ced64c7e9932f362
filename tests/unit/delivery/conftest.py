"""A real server for S3 and SQS behind a proxy that can fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from ssl import SSLContext
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import pytest

from tests.support.fault_proxy import FaultProxy, fault_proxy
from tests.support.tls import identity
from worker.delivery.aws_clients import s3_client, sqs_client
from worker.delivery.embedded_aws import Embedded, embedded_aws, provision
from worker.delivery.jobs_queue import JobsQueue
from worker.delivery.object_store import S3Store
from worker.delivery.retries import RetryPolicy

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

PATIENT = RetryPolicy(budget=30.0, first_wait=0.01, longest_wait=0.05)
IMPATIENT = RetryPolicy(budget=0.1, first_wait=0.01, longest_wait=0.05)


class Cloud(NamedTuple):
    """The clients go through the proxy."""

    embedded: Embedded
    proxy: FaultProxy
    s3: S3Client
    sqs: SQSClient

    def store(self, retry: RetryPolicy = PATIENT) -> S3Store:
        return S3Store(self.s3, self.embedded.bucket, retry=retry)

    def jobs(self, retry: RetryPolicy = PATIENT, visibility: int = 120) -> JobsQueue:
        return JobsQueue(self.sqs, self.embedded.jobs_url, visibility=visibility, retry=retry)


class Servers(NamedTuple):
    """One server behind two proxies. ``authority`` is the file of the certificate that the second one shows."""

    http: Cloud
    https: Cloud
    authority: Path


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    tls = identity(tmp_path_factory.mktemp("tls"))
    with (
        embedded_aws() as embedded,
        behind_a_proxy(embedded) as http,
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.setenv("AWS_CA_BUNDLE", str(tls.authority))
        with behind_a_proxy(embedded, tls.context) as https:
            environment.undo()
            yield Servers(http, https, tls.authority)


@contextmanager
def behind_a_proxy(embedded: Embedded, tls: SSLContext | None = None) -> Iterator[Cloud]:
    assert embedded.aws.endpoint_url is not None
    with fault_proxy(embedded.aws.endpoint_url, tls) as proxy:
        aws = msgspec.structs.replace(embedded.aws, endpoint_url=proxy.url)
        with closing(s3_client(aws)) as s3, closing(sqs_client(aws)) as sqs:
            yield Cloud(embedded, proxy, s3, sqs)


@pytest.fixture
def scheme(request: pytest.FixtureRequest) -> str:
    """``https`` is as in production: botocore then sends checksums after the body, which it does not sign."""
    return str(getattr(request, "param", "http"))


@pytest.fixture
def cloud(servers: Servers, scheme: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """With a new bucket and new queues, and without faults."""
    server = servers.http
    if scheme == "https":
        server = servers.https
        for variable in ("AWS_CA_BUNDLE", "SSL_CERT_FILE"):
            monkeypatch.setenv(variable, str(servers.authority))
    server.proxy.reset()
    embedded = provision(server.embedded.aws, server.s3, server.sqs)
    server.proxy.reset()
    yield server._replace(embedded=embedded)
    server.proxy.reset()


@pytest.fixture
def store(cloud: Cloud) -> S3Store:
    return cloud.store()
