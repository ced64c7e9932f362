from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.support.noting_proxy import noting_proxy
from worker.cli import main as cli
from worker.settings import SettingsError, WorkerSettings


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MEETSTEMS_JOBS_QUEUE_URL", "MEETSTEMS_BUCKET", "MEETSTEMS_EVENTS_QUEUE_URL"):
        monkeypatch.delenv(name, raising=False)


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.main(list(arguments)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_missing_settings_and_arguments_are_named_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert error_of(capsys, "run").endswith(
        "MEETSTEMS_JOBS_QUEUE_URL: is not set, expected the URL of an SQS queue"
    )
    assert "MEETSTEMS_BUCKET: is not set" in error_of(capsys, "streams", "bot-1")
    assert "--local: the embedded queue is empty" in error_of(capsys, "run", "--local")
    assert "--output: is for --local only" in error_of(capsys, "run", "--output", "somewhere")
    assert "cannot be read: No such file" in error_of(capsys, "run", "--job", "/nowhere/job.json")


def test_wrong_settings_of_live_streams_are_told_before_a_job_is_received(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEETSTEMS_ALLOW_PRIVATE_URLS", "10.0.0.0/99")
    assert "MEETSTEMS_ALLOW_PRIVATE_URLS: '10.0.0.0/99'" in error_of(capsys, "run")
    monkeypatch.setenv("MEETSTEMS_ALLOW_PRIVATE_URLS", "10.0.0.0/8")
    monkeypatch.setenv("MEETSTEMS_LIVE_SECRET_FILE", "/nowhere/secret")
    assert "MEETSTEMS_LIVE_SECRET_FILE='/nowhere/secret': cannot be read" in error_of(capsys, "run")


def test_run_local_asks_a_proxy_of_the_environment_for_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = tmp_path / "job.json"
    job.write_text(
        '{"meeting_link": "https://meet.google.com/abc-defg-hij", "bot_id": "b", "join_at": "2199-01-01T00:00:00Z"}'
    )
    with noting_proxy() as proxy:
        for name, value in proxy.environment.items():
            monkeypatch.setenv(name, value)
        assert cli.main(["run", "--local", "--job", str(job), "--output", str(tmp_path / "out")]) == 0
        assert proxy.asked == []
    assert "back to the queue" in capsys.readouterr().err


def test_an_invalid_job_is_not_dispatched(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEETSTEMS_JOBS_QUEUE_URL", "http://127.0.0.1:9/queue")
    monkeypatch.setenv("MEETSTEMS_AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    job = tmp_path / "job.json"
    job.write_text('{"meeting_link": "https://zoom.us/j/1", "bot_name": "Notes"}')
    assert "job: meeting_link" in error_of(capsys, "dispatch", str(job))


def test_schema_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["schema"]) == 0
    assert "meeting_link" in json.dumps(json.loads(capsys.readouterr().out))


def test_worker_settings_have_defaults_and_are_read() -> None:
    here = WorkerSettings(pod=socket.gethostname())
    assert WorkerSettings.from_environment({"MEETSTEMS_BUCKET": " "}) == here
    worker_settings = WorkerSettings.from_environment(
        {
            "MEETSTEMS_BUCKET": "recordings",
            "MEETSTEMS_PREFIX": "team",
            "MEETSTEMS_TAPE": "remove",
            "MEETSTEMS_VIDEO": "mp4",
            "MEETSTEMS_LOG": "text",
            "MEETSTEMS_MEMORY_LIMIT": "2000000000",
            "MEETSTEMS_METRICS_PORT": "9090",
            "MEETSTEMS_VISIBILITY_SECONDS": "300",
            "MEETSTEMS_WORK_DIR": "/var/tmp",
        }
    )
    assert (
        worker_settings.bucket,
        worker_settings.prefix,
        worker_settings.keep_tape,
        worker_settings.transcode_video,
        worker_settings.log_json,
    ) == ("recordings", "team", False, True, False)
    assert (
        worker_settings.memory_limit,
        worker_settings.metrics_port,
        worker_settings.visibility_seconds,
    ) == (2_000_000_000, 9090, 300)
    assert worker_settings.work_folder == Path("/var/tmp")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("MEETSTEMS_METRICS_PORT", "http", "expected a number from 0 to 65535"),
        ("MEETSTEMS_RECEIVE_SECONDS", "21", "expected a number from 0 to 20"),
        ("MEETSTEMS_TAPE", "maybe", "expected keep or remove"),
        ("MEETSTEMS_VIDEO", "webm", "expected mp4 or as_sent"),
        ("MEETSTEMS_LEASE_SECONDS", "nan", "expected a number from 1 to 3600"),
    ],
)
def test_a_wrong_setting_is_refused_by_name_value_and_expectation(
    name: str, value: str, expected: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        WorkerSettings.from_environment({name: value})
    assert str(raised.value) == f"{name}={value!r}: {expected}"
