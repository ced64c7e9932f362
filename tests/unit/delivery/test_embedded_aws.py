from __future__ import annotations

import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from worker.delivery.aws_clients import s3_client, sqs_client
from worker.delivery.conformance import check_store
from worker.delivery.embedded_aws import EmbeddedUnavailableError, embedded_aws
from worker.delivery.jobs_queue import JobsQueue
from worker.delivery.object_store import PreconditionFailedError, S3Store


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


def test_embedded_aws_does_what_the_worker_needs() -> None:
    with embedded_aws() as embedded, closing(s3_client(embedded.aws)) as s3:
        check_store(S3Store(s3, embedded.bucket), "")


@pytest.mark.parametrize("parts", [False, True], ids=["whole", "in parts"])
def test_embedded_aws_writes_over_the_expected_object_only(tmp_path: Path, parts: bool) -> None:
    path = tmp_path / "data"
    with embedded_aws() as embedded, closing(s3_client(embedded.aws)) as s3:
        store = S3Store(s3, embedded.bucket)

        def put(data: bytes, if_match: str | None) -> str:
            path.write_bytes(data)
            write = store.put_in_parts if parts else store.put
            return write("a", path, content_type="text/plain", if_match=if_match)

        with pytest.raises(PreconditionFailedError, match="NoSuchKey"):
            put(b"0", '"none"')
        old = put(b"1", None)
        new = put(b"2", old)
        with pytest.raises(PreconditionFailedError, match="PreconditionFailed"):
            put(b"3", old)
        assert store.get("a")[:2] == (b"2", new)


@pytest.mark.parametrize("parts", [False, True], ids=["whole", "in parts"])
def test_only_one_of_several_writers_over_one_object_succeeds(tmp_path: Path, parts: bool) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"1")
    together = threading.Barrier(8)
    with embedded_aws() as embedded, closing(s3_client(embedded.aws)) as s3:
        store = S3Store(s3, embedded.bucket)
        etag = store.put("a", b"0", content_type="text/plain")

        def put(_: int) -> bool:
            together.wait(10)
            write = store.put_in_parts if parts else store.put
            try:
                write("a", path, content_type="text/plain", if_match=etag)
            except PreconditionFailedError:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(put, range(8))) == 1
