from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.support.fault_proxy import Exchange, Refusal, is_sqs
from tests.unit.delivery.conftest import PATIENT, Cloud
from worker.delivery.aws_clients import Aws, s3_client, sqs_client
from worker.delivery.errors import RefusedError
from worker.delivery.jobs_queue import JobsQueue
from worker.delivery.object_store import S3Store


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


class Revocation:
    """Refuses requests that are signed with a revoked key; ``on_refusal`` is called at each."""

    def __init__(self) -> None:
        self.revoked: set[str] = set()
        self.refused = 0

    def __call__(self, exchange: Exchange) -> Exchange | Refusal:
        signed = exchange.header("Authorization") or ""
        if not any(f"Credential={key}/" in signed for key in self.revoked):
            return exchange
        self.refused += 1
        if is_sqs(exchange.request):
            return Refusal(400, "ExpiredTokenException", "The security token included is expired")
        return Refusal(400, "ExpiredToken", "The provided token has expired.")


def write_credentials(folder: Path, key: str) -> None:
    text = f"[default]\naws_access_key_id = {key}\naws_secret_access_key = s\naws_session_token = t\n"
    (folder / "credentials").write_text(text, "utf-8")


@contextmanager
def credentials_endpoint(keys: list[str]) -> Iterator[str]:
    """As the agent of EKS Pod Identity or ECS; the first of ``keys`` is the current one."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(
                {
                    "AccessKeyId": keys[0],
                    "SecretAccessKey": "s",
                    "Token": "t",
                    "Expiration": "2099-01-01T00:00:00Z",
                }
            ).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/credentials"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_new_keys_in_the_file_are_used_at_the_next_try(cloud: Cloud, tmp_path: Path) -> None:
    revocation = Revocation()
    cloud.proxy.change_requests(revocation)
    write_credentials(tmp_path, "FIRST")
    aws = Aws(endpoint_url=cloud.proxy.url, region="us-east-1")
    with closing(s3_client(aws)) as s3, closing(sqs_client(aws)) as sqs:
        store = S3Store(s3, cloud.embedded.bucket, retry=PATIENT)
        jobs = JobsQueue(sqs, cloud.embedded.jobs_url, retry=PATIENT)
        store.put("a", b"1", content_type="text/plain")
        jobs.send("{}")
        write_credentials(tmp_path, "SECOND")
        revocation.revoked.add("FIRST")
        store.put("a", b"2", content_type="text/plain")
        jobs.send("{}")
        assert revocation.refused == 2
        store.get("a")
        assert "Credential=SECOND" in store.presign("a", 60).replace("%2F", "/").replace(
            "X-Amz-Credential", "Credential"
        )
    assert revocation.refused == 2


def test_keys_that_are_valid_by_this_machines_clock_are_read_again(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    revocation = Revocation()
    cloud.proxy.change_requests(revocation)
    keys = ["FIRST"]
    with credentials_endpoint(keys) as url:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
        with closing(s3_client(Aws(endpoint_url=cloud.proxy.url, region="us-east-1"))) as s3:
            store = S3Store(s3, cloud.embedded.bucket, retry=PATIENT)
            store.put("a", b"1", content_type="text/plain")
            keys[0] = "SECOND"
            revocation.revoked.add("FIRST")
            assert store.get("a").data == b"1"
            assert revocation.refused == 1


def test_a_request_is_refused_where_no_new_keys_are_found(cloud: Cloud, tmp_path: Path) -> None:
    revocation = Revocation()
    cloud.proxy.change_requests(revocation)
    write_credentials(tmp_path, "FIRST")
    revocation.revoked.add("FIRST")
    with closing(s3_client(Aws(endpoint_url=cloud.proxy.url, region="us-east-1"))) as s3:
        store = S3Store(s3, cloud.embedded.bucket, retry=PATIENT)
        with pytest.raises(RefusedError, match="ExpiredToken"):
            store.get("a")


def test_the_old_keys_are_kept_where_none_are_found(cloud: Cloud, tmp_path: Path) -> None:
    revocation = Revocation()
    cloud.proxy.change_requests(revocation)
    write_credentials(tmp_path, "FIRST")
    with closing(s3_client(Aws(endpoint_url=cloud.proxy.url, region="us-east-1"))) as s3:
        store = S3Store(s3, cloud.embedded.bucket, retry=PATIENT)
        store.put("a", b"1", content_type="text/plain")
        (tmp_path / "credentials").unlink()
        revocation.revoked.add("FIRST")
        with pytest.raises(RefusedError, match="ExpiredToken"):
            store.get("a")
        revocation.revoked.clear()
        assert store.get("a").data == b"1"


def test_without_any_keys_the_error_says_so(cloud: Cloud) -> None:
    with closing(s3_client(Aws(endpoint_url=cloud.proxy.url, region="us-east-1"))) as s3:
        store = S3Store(s3, cloud.embedded.bucket, retry=PATIENT)
        with pytest.raises(RefusedError, match="NoCredentialsError"):
            store.get("a")
