"""What a whole bot costs while three people talk without a pause, beside one that does without what makes it cheap."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PAIRS = 2
"""Recordings of each kind, one after the other in turn: what else the machine does falls on both."""


def recorded(mode: str, output: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.record_once", mode, str(output)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    print(mode, json.dumps(result))
    return result


def median(runs: list[dict[str, Any]], what: str, *parts: str) -> float:
    return float(statistics.median(sum(run[what][part] for part in parts or run[what]) for run in runs))


@pytest.mark.timeout(600)
def test_a_bot_costs_two_thirds_of_a_lavish_one_and_hears_the_same(tmp_path: Path) -> None:
    print()
    runs: dict[str, list[dict[str, Any]]] = {"lavish": [], "frugal": []}
    for pair in range(PAIRS):
        for mode, done in runs.items():
            done.append(recorded(mode, tmp_path / f"{mode}-{pair}"))
    lavish, frugal = runs["lavish"], runs["frugal"]
    assert {run["lost"] for run in lavish + frugal} == {0}
    assert len({run["received"] for run in lavish + frugal}) == 1
    assert median(frugal, "cores") <= 0.65 * median(lavish, "cores")
    transport = median(frugal, "cores", "worker", "driver"), median(lavish, "cores", "worker", "driver")
    assert transport[0] <= 0.6 * transport[1]
    assert median(frugal, "anonymous_mib") <= 0.9 * median(lavish, "anonymous_mib")
