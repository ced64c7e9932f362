"""A real server for S3 and SQS behind a proxy that can fail, and waits short enough for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.support.fault_proxy import FaultProxy, fault_proxy
from tests.support.worker_process import Cloud, s3_of, sqs_of
from worker.delivery import keepalive, lease, patient_store
from worker.delivery.aws_clients import s3_client
from worker.delivery.embedded_aws import Embedded, embedded_aws, provision
from worker.delivery.object_store import S3Store
from worker.delivery.retries import RetryPolicy
from worker.jobs import consumer


@pytest.fixture(scope="session")
def server() -> Iterator[tuple[Embedded, FaultProxy]]:
    with embedded_aws() as embedded:
        assert embedded.aws.endpoint_url is not None
        with fault_proxy(embedded.aws.endpoint_url) as proxy:
            yield embedded, proxy


@pytest.fixture
def proxy(server: tuple[Embedded, FaultProxy]) -> Iterator[FaultProxy]:
    server[1].reset()
    yield server[1]
    server[1].reset()


@pytest.fixture
def cloud(server: tuple[Embedded, FaultProxy], proxy: FaultProxy) -> Cloud:
    """With a new bucket and new queues. Workers reach it through the proxy, the test does not."""
    aws = server[0].aws
    return Cloud(provision(aws, s3_of(aws), sqs_of(aws)), proxy.url)


@pytest.fixture
def store(server: tuple[Embedded, FaultProxy]) -> Iterator[S3Store]:
    """A new bucket, without the proxy."""
    aws = server[0].aws
    bucket = provision(aws, s3_of(aws), sqs_of(aws)).bucket
    with closing(s3_client(aws)) as s3:
        yield S3Store(s3, bucket, retry=RetryPolicy(budget=10.0))


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short waits between two tries, and a renewal of lease and message each 0.2 seconds."""
    monkeypatch.setattr(patient_store, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(patient_store, "LONGEST_WAIT", 0.05)
    monkeypatch.setattr(consumer, "MESSAGE_RETRY", 0.01)
    monkeypatch.setattr(lease, "RENEWALS_PER_TTL", 150)
    monkeypatch.setattr(keepalive, "BEATS_PER_TERM", 225)
