"""The CPU time of a recording of three talkers, and the time to start and finish it, with a real Chromium."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCENARIO = Path(__file__).parent / "three_talkers.toml"
SHOWN = ("lobby to first packet", "end to files closed", "CPU, worker and driver", "CPU, Chromium")


@pytest.mark.timeout(180)
def test_recording_three_talkers_keeps_the_cpu_budget(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "worker.cli", "demo", "--scenario", str(SCENARIO)]
    done = subprocess.run(
        [*command, "--output", str(tmp_path / "out")], check=True, capture_output=True, text=True
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith(SHOWN)]
    print("\nthree people talk for 60 s", *lines, sep="\n  ")
    worker = next(float(line.split()[-2]) for line in lines if line.startswith("CPU, worker"))
    assert worker <= 0.04, "the worker and Playwright's driver, in cores"
