from __future__ import annotations

import socket
import sys
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from worker.delivery.aws_clients import s3_client, sqs_client
from worker.delivery.embedded_aws import EmbeddedUnavailableError, embedded_aws
from worker.delivery.jobs_queue import JobsQueue
from worker.delivery.object_store import S3Store


def test_embedded_aws_does_not_use_the_credentials_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-user")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-user")
    with embedded_aws() as embedded:
        with closing(s3_client(embedded.aws)) as s3, closing(sqs_client(embedded.aws)) as sqs:
            store = S3Store(s3, embedded.bucket)
            store.put("a", b"1", content_type="text/plain")
            assert "of-the-user" not in store.presign("a", 60)
            jobs = JobsQueue(sqs, embedded.jobs_url)
            jobs.send("{}")
            assert jobs.receive(1) is not None
        assert embedded.aws.endpoint_url is not None
        port = urlsplit(embedded.aws.endpoint_url).port
        assert port is not None
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_two_embedded_servers_do_not_share_jobs() -> None:
    with embedded_aws() as one, embedded_aws() as two:
        with closing(sqs_client(one.aws)) as sqs:
            JobsQueue(sqs, one.jobs_url).send("{}")
        with closing(sqs_client(two.aws)) as sqs:
            assert JobsQueue(sqs, two.jobs_url).receive(0) is None


def test_embedded_aws_says_what_to_install_without_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "moto.moto_server.werkzeug_app", None)
    with pytest.raises(EmbeddedUnavailableError, match=r"meetstems\[local\]"), embedded_aws():
        pass
