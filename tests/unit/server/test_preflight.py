"""``meetstems serve`` over S3 and SQS, in processes of their own, with and without TLS."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import msgspec
import pytest

from tests.support.api import KEY, MEETING, OTHER_KEY, Api
from tests.support.first_line import first_line
from tests.support.record_process import ROOT
from tests.support.tls import Identity, identity
from tests.support.worker_process import Cloud
from worker.cli import main as cli
from worker.contracts.parse_job import parse_job
from worker.delivery.embedded_aws import Embedded, embedded_aws
from worker.server.keys import key_sha256

ENDED = 60.0
"""Seconds that a server has to end."""
HEADERS = {"Authorization": f"Token {KEY}"}


class Server:
    """A server of ``cloud``. It ends with the test."""

    def __init__(self, variables: dict[str, str], *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "worker.cli", "serve", "--port", "0", "--host", "127.0.0.1", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **variables},
        )
        self.url = first_line(self.process).removeprefix("serving on ").strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(ENDED)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(ENDED)
        finally:
            self.kill()


@pytest.fixture(scope="module")
def embedded() -> Iterator[Embedded]:
    with embedded_aws() as embedded:
        yield embedded


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return identity(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def variables(embedded: Embedded, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    keys = tmp_path_factory.mktemp("keys") / "keys.json"
    named = [("anna", KEY), ("bob", OTHER_KEY)]
    keys.write_bytes(msgspec.json.encode([{"name": name, "sha256": key_sha256(key)} for name, key in named]))
    assert embedded.aws.credentials is not None
    return {
        "MEETSTEMS_API_KEYS_FILE": str(keys),
        "MEETSTEMS_AWS_ENDPOINT_URL": str(embedded.aws.endpoint_url),
        "MEETSTEMS_BUCKET": embedded.bucket,
        "MEETSTEMS_PREFIX": "production/",
        "MEETSTEMS_JOBS_QUEUE_URL": embedded.jobs_url,
        "AWS_ACCESS_KEY_ID": embedded.aws.credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": embedded.aws.credentials.secret_access_key,
        "AWS_DEFAULT_REGION": str(embedded.aws.region),
    }


def test_two_servers_share_a_bucket_and_a_queue_also_after_a_restart(
    embedded: Embedded, variables: dict[str, str], tls: Identity, tmp_path: Path
) -> None:
    cloud = Cloud(embedded)
    files = ("--tls-cert", str(tls.authority), "--tls-key", str(tls.authority.with_name("key.pem")))
    with ExitStack() as stack:
        plain = Server(variables)
        stack.callback(plain.kill)
        secure = Server(variables, *files)
        stack.callback(secure.kill)
        assert secure.url.startswith("https://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=str(tls.authority))
        one = stack.enter_context(httpx.Client(base_url=plain.url, headers=HEADERS, timeout=60))
        two = stack.enter_context(
            httpx.Client(base_url=secure.url, headers=HEADERS, timeout=60, verify=trusting)
        )
        for client in (one, two):
            assert client.get("/healthz").text == "ok\n"

        once = {"Idempotency-Key": "once"}
        body = {"meeting_link": MEETING, "bot_name": "Notes", "audio_separate_streams": True}
        created = one.post("/api/v1/bots/create_bot", json=body, headers=once)
        assert created.status_code == 201
        bot_id = created.json()["bot_id"]
        again = two.post("/api/v1/bots/create_bot", json=body, headers=once)
        assert (again.status_code, again.json()["bot_id"]) == (507, bot_id)
        later = {"meeting_url": MEETING, "join_at": "2099-01-01T10:00:00Z"}
        scheduled = two.post("/api/v1/bot", json=later).json()["id"]

        # As `meetstems run` reads it: one job alone, since one is far and one is a replay.
        delivery = cloud.jobs.receive(0)
        assert delivery is not None
        job = parse_job(delivery.body.encode(), lambda: "no id")
        assert (job.bot_id, job.meeting_url, job.bot_name) == (bot_id, MEETING, "Notes")
        cloud.jobs.delete(delivery.receipt)
        assert cloud.waiting_jobs() == 0

        (worker := Api(tmp_path, store=cloud.store, bucket_prefix="production/")).record(bot_id)
        streams = two.get(f"/api/v1/bots/{bot_id}/get_audio_streams").json()
        url = streams["participants"][0]["streams"][0]["segments"][0]["url"]
        assert url.startswith(f"{embedded.aws.endpoint_url}/{embedded.bucket}/production/bots/{bot_id}/")
        assert "X-Amz-Signature=" in url
        (_, segment), *_ = worker.manifest(bot_id).segments()
        assert httpx.get(url).content == worker.file(bot_id, segment.url)
        parts = one.get(f"/api/v1/audio_separate?recording_id={recording_of(two, bot_id)}").json()
        link = parts["results"][0]["data"]["download_url"]
        assert [each["participant"]["name"] for each in httpx.get(link).json()]
        assert one.get(f"/api/v1/bot/{bot_id}", headers={"Authorization": OTHER_KEY}).status_code == 404

        assert plain.stop() == 0
        secure.kill()
        third = Server(variables, "--prefix", "/bots")
        stack.callback(third.kill)
        restarted = stack.enter_context(httpx.Client(base_url=third.url, headers=HEADERS, timeout=60))
        listed = restarted.get(f"{third.url}/api/v1/bots").json()["bots"]
        assert {bot["bot_id"] for bot in listed} == {bot_id, scheduled}
        signed = link.removeprefix(plain.url)
        assert httpx.get(f"{third.url}{signed}").status_code == 200, "a link of the server that has ended"
        assert restarted.delete(f"{third.url}/api/v1/bot/{scheduled}").status_code == 204
        assert third.stop() == 0


def recording_of(client: httpx.Client, bot_id: str) -> str:
    (recording,) = client.get(f"/api/v1/bot/{bot_id}").json()["recordings"]
    return str(recording["id"])


def test_what_is_wrong_with_bucket_and_queues_is_said_in_one_line(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MEETSTEMS_BUCKET", "not-there")
    monkeypatch.setenv("MEETSTEMS_JOBS_QUEUE_URL", f"{variables['MEETSTEMS_JOBS_QUEUE_URL']}-not-there")
    monkeypatch.setenv("MEETSTEMS_EVENTS_QUEUE_URL", f"{variables['MEETSTEMS_JOBS_QUEUE_URL']}-events")
    assert cli.main(["serve", "--port", "0"]) == 2
    (line,) = (each for each in capsys.readouterr().err.splitlines() if "cannot take jobs" in each)
    assert "NoSuchBucket" in line
    assert line.count("NonExistentQueue") == 2
    assert "MEETSTEMS_EVENTS_QUEUE_URL: " in line


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("MEETSTEMS_BUCKET", "", "MEETSTEMS_BUCKET: is not set"),
        ("MEETSTEMS_JOBS_QUEUE_URL", "", "MEETSTEMS_JOBS_QUEUE_URL: is not set"),
        ("AWS_PROFILE", "nobody", "nobody"),
    ],
)
def test_a_missing_setting_is_said_in_one_line(
    name: str,
    value: str,
    message: str,
    variables: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for each, given in {**variables, name: value}.items():
        monkeypatch.setenv(each, given)
    assert cli.main(["serve", "--port", "0"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_a_certificate_that_cannot_be_used_is_named(
    tls: Identity, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tls.authority.with_name("key.pem")
    (text := tmp_path / "text.pem").write_text("no certificate")
    for certificate, private_key, message in (
        (text, key, "expected a chain of certificates"),
        (tls.authority, text, "expected a chain of certificates"),
        (tls.authority, identity_key(tmp_path), "expected a chain of certificates"),
        (tmp_path / "none", key, "--tls-cert"),
        (tls.authority, tmp_path / "none", "--tls-key"),
    ):
        arguments = ["--local", "--data", str(tmp_path), "--tls-cert", str(certificate)]
        assert cli.main(["serve", *arguments, "--tls-key", str(private_key)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line


def identity_key(folder: Path) -> Path:
    """A key that belongs to another certificate."""
    (other := folder / "other").mkdir()
    return identity(other).authority.with_name("key.pem")
