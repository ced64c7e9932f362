"""What a job that asks for no video pays for the video of a meeting: nothing on its tape, and no processor time of the worker.

Compared are a meeting of nine people with cameras and the same meeting without any, in turn, so that the machine's load is in
both. That shows that video which reaches Chromium goes no further where nobody asked for it. It does not show that the code
costs what it did before it could record video: no run has both. Chromium's own cost is printed: it receives what is sent.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Final

import pytest

from tests.benchmarks.test_video_cost import recorded

RUNS: Final = 3

MOST: Final = 1.15
"""Cores of worker and driver in the meeting with cameras, to those in the one without."""

OF_VIDEO: Final = frozenset({"VideoBatch", "VideoTrackSeen", "VideoRequested"})


@pytest.mark.timeout(900)
def test_video_that_nobody_asked_for_costs_the_worker_nothing(tmp_path: Path) -> None:
    print()
    cores: dict[str, list[float]] = {"dark": [], "plain": []}
    for number in range(RUNS):
        for mode, costs in cores.items():
            run = recorded(mode, tmp_path / f"{mode}-{number}")
            assert run["events"]["FrameBatch"] > 0
            assert not OF_VIDEO & set(run["events"])
            assert run["lost"] == run["frames"] == 0
            costs.append(run["cores"]["worker"] + run["cores"]["driver"])
    ratio = median(cores["plain"]) / median(cores["dark"])
    print(f"worker + driver, cores: {cores}; with cameras to without: {ratio:.2f}")
    assert ratio <= MOST
