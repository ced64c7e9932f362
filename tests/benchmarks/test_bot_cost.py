"""What a whole bot costs while three people talk without a pause, beside one that does without what makes it cheap.

Cores depend on the machine, ratios hardly. Worker and driver together are to need at most 0.020 core on the machine of
docs/deploy.md ("Sizing and cost"); measured there, of two recordings at the same time: 0.0157 core, lavish 0.0429, × 0.37.
No test knows its machine, so what they need is printed, and the ratio is asserted.
"""

from __future__ import annotations

import asyncio
import json
import statistics
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.measured import measured

PAIRS = 2
"""Recordings of each kind, one after the other in turn: what else the machine does falls on both."""


def recorded(mode: str, output: Path) -> dict[str, Any]:
    result: dict[str, Any] = asyncio.run(measured("record_once", mode, output))
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
    print(
        f"worker + driver: {transport[0]:.4f} core, lavish {transport[1]:.4f}: × {transport[0] / transport[1]:.2f}"
    )
    assert transport[0] <= 0.45 * transport[1]
    assert median(frugal, "anonymous_mib") <= 0.9 * median(lavish, "anonymous_mib")
