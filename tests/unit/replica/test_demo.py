from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from fixtures.replica import demo
from fixtures.replica.scenario import scenario_names
from worker.cli import main as cli
from worker.errors import MeetstemsError


def test_an_unknown_scenario_is_reported_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["demo", "--scenario", "nope", "--output", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "'nope'" in line
    assert all(name in line for name in scenario_names())
    assert not (tmp_path / "out").exists()


def test_a_replica_that_does_not_start_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(MeetstemsError, match="did not start, exit code 1"):
        cli_demo(tmp_path)
    assert demo.CHROMIUM_ARGS not in os.environ


def test_the_recording_gets_the_replicas_url_and_chromium_arguments(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[tuple[list[str], str]] = []

    def record(arguments: list[str]) -> int:
        seen.append((arguments, os.environ[demo.CHROMIUM_ARGS]))
        return 2

    monkeypatch.setattr(demo, "main", record)
    monkeypatch.setenv(demo.CHROMIUM_ARGS, "--mine")
    assert cli_demo(tmp_path) == 2
    ((arguments, chromium_args),) = seen
    assert arguments[:3] == ["record", "https://meet.google.com/abc-defg-hij", "--output"]
    assert chromium_args.startswith(
        "--mine --no-proxy-server '--host-resolver-rules=MAP meet.google.com:443 127.0.0.1:"
    )
    assert os.environ[demo.CHROMIUM_ARGS] == "--mine"


def test_video_is_recorded_when_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[list[str]] = []

    def record(arguments: list[str]) -> int:
        seen.append(arguments)
        return 2

    monkeypatch.setattr(demo, "main", record)
    assert cli_demo(tmp_path, "--video") == 2
    assert [arguments[-1] for arguments in seen] == ["--video"]


def cli_demo(tmp_path: Path, *more: str) -> int:
    """Runs ``meetstems demo`` without the handling of errors in the command line."""
    options = cli._parser().parse_args(
        ["demo", "--scenario", "silent", "--output", str(tmp_path / "out"), *more]
    )
    exit_code: int = options.run(options)
    return exit_code
