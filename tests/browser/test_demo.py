"""The command ``meetstems demo`` as a user runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.replica.truth import read_truth
from tests.support.noting_proxy import noting_proxy
from worker.cli import main as cli

SCENARIO = """
title = "Two words"
duration = 3.0

[[participants]]
name = "Ada Ray"
voice = "elif"
csrc = 7001
says = [[0.2, 2.5]]

[page]
lobby = 0.2
"""


def test_the_demo_writes_the_recording_and_the_truth(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    scenario = tmp_path / "short.toml"
    scenario.write_text(SCENARIO)
    output = tmp_path / "out"
    assert cli.main(["demo", "--scenario", str(scenario), "--output", str(output)]) == 0
    assert "“Two words” (1 participant, 3 s); Chromium joins it as Meetstems" in capfd.readouterr().out
    assert (output / "audio_streams.json").is_file()
    assert {packet.csrc for packet in read_truth(output / "truth.jsonl").packets} == {7001}


def test_the_demo_asks_a_proxy_of_the_environment_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = tmp_path / "short.toml"
    scenario.write_text(SCENARIO)
    output = tmp_path / "out"
    with noting_proxy() as proxy:
        for name, value in proxy.environment.items():
            monkeypatch.setenv(name, value)
        assert cli.main(["demo", "--scenario", str(scenario), "--output", str(output)]) == 0
        assert proxy.asked == []
    assert (output / "audio_streams.json").is_file()
