"""``meetstems watch`` in another process, against a real server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from worker.cli.main import main
from worker.delivery.aws_clients import sqs_client
from worker.delivery.embedded_aws import Embedded, embedded_aws

WITHIN = 60.0
"""Seconds."""


@pytest.fixture(scope="module")
def embedded() -> Iterator[Embedded]:
    with embedded_aws() as server:
        yield server


def test_it_serves_what_the_queues_hold_until_sigterm(embedded: Embedded) -> None:
    sqs_client(embedded.aws).send_message(QueueUrl=embedded.jobs_url, MessageBody="{}")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    assert embedded.aws.credentials is not None
    environment = {
        **os.environ,
        "MEETSTEMS_AWS_ENDPOINT_URL": str(embedded.aws.endpoint_url),
        "MEETSTEMS_JOBS_QUEUE_URL": embedded.jobs_url,
        "MEETSTEMS_EVENTS_QUEUE_URL": embedded.events_url,
        "MEETSTEMS_METRICS_PORT": str(port),
        "AWS_ACCESS_KEY_ID": embedded.aws.credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": embedded.aws.credentials.secret_access_key,
        "AWS_DEFAULT_REGION": str(embedded.aws.region),
    }
    with subprocess.Popen([sys.executable, "-m", "worker.cli", "watch"], env=environment) as process:
        try:
            for queue, visible in (("jobs", "1.0"), ("dead_letters", "0.0"), ("events", "0.0")):
                text = scrape(port, f'meetstems_queue_messages{{queue="{queue}",state="visible"}} {visible}')
            assert 'meetstems_queue_waiting_seconds{queue="jobs"}' in text
            assert get(port, "/healthz") == "ok\n"
            process.send_signal(signal.SIGTERM)
            assert process.wait(WITHIN) == 0
        finally:
            process.kill()


@pytest.mark.parametrize("missing", ["MEETSTEMS_JOBS_QUEUE_URL", "MEETSTEMS_METRICS_PORT"])
def test_it_needs_a_queue_and_a_port(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"MEETSTEMS_JOBS_QUEUE_URL": "https://sqs.example/1/jobs", "MEETSTEMS_METRICS_PORT": "0"}
    for name, value in settings.items():
        monkeypatch.setenv(name, "" if name == missing else value)
    assert main(["watch"]) == 2
    assert f"{missing}: is not set" in capsys.readouterr().err


def scrape(port: int, wanted: str) -> str:
    """The metrics, once they contain ``wanted``."""
    deadline = time.monotonic() + WITHIN
    while time.monotonic() < deadline:
        try:
            text = get(port, "/metrics")
        except (OSError, urllib.error.URLError):
            text = ""
        if wanted in text:
            return text
        time.sleep(0.1)
    raise AssertionError(f"no {wanted}")


def get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return str(answer.read().decode())
