"""What a whole bot costs in a meeting with nine cameras of 360p at 15 frames a second, with and without their video.

Cores depend on the machine; worker and driver together are to need at most MOST on the machine of docs/deploy.md ("Sizing and
cost"). The clips and bytes are those of tests.benchmarks.nine_cameras.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.benchmarks.measured import measured

MODES: Final = ("plain", "video", "decoded")

MOST: Final = 0.15
"""Core of worker and driver."""


def recorded(mode: str, output: Path) -> dict[str, Any]:
    result: dict[str, Any] = asyncio.run(measured("video_once", mode, output))
    print(mode, json.dumps(result))
    return result


@pytest.mark.timeout(600)
def test_nine_cameras_cost_less_than_a_sixth_of_a_core(tmp_path: Path) -> None:
    print()
    runs = {mode: recorded(mode, tmp_path / mode) for mode in MODES}
    ours = {mode: run["cores"]["worker"] + run["cores"]["driver"] for mode, run in runs.items()}
    for mode, run in runs.items():
        print(f"{mode}: worker + driver {ours[mode]:.3f} core, Chromium {run['cores']['chromium']:.3f}")
    assert {run["lost"] for run in runs.values()} == {0}
    assert [runs[mode]["cameras"] for mode in MODES] == [0, 9, 9]
    assert runs["video"]["frames"] >= 0.95 * 15 * runs["video"]["seconds"]
    assert ours["video"] <= MOST
    assert runs["video"]["cores"]["chromium"] < runs["decoded"]["cores"]["chromium"]
