"""Memory, disk and the event loop in two hours with nine cameras of 360p at 15 frames a second, without a browser."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.benchmarks.measured import measured
from tests.benchmarks.nine_cameras import CAMERAS

HOURS: Final = 2
"""In each of them a camera sends the 54,000 frames of a long file (worker.stems.video_track.LONG_FILE)."""

MOST_GROWTH: Final = 60.0
"""MiB that are added after the first tenth: the indices of nine open files have 33 MiB."""

MOST_LATER_GROWTH: Final = 15.0
"""MiB by which the most of the second hour is above that of the first: what is bounded does not grow, but RSS is rough."""

LONGEST_CALL: Final = 0.1
"""Seconds of processor time for which one event may hold up the event loop (tests.benchmarks.test_event_loop). Of the ten
longest the least counts: what else the machine does stretches single ones, and once an hour all nine cameras begin a file.
"""

LONGEST_FINISH: Final = 5.0
"""Seconds from the last event until all files are closed."""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("codec", ["vp9", "h264"])
def test_hours_of_nine_cameras_are_bounded(codec: str, tmp_path: Path) -> None:
    call: dict[str, Any] = asyncio.run(measured("video_hour", codec, HOURS, tmp_path / "out"))
    print(f"\n{codec}, {HOURS} h: {json.dumps(call)}")
    assert call["frames"] == CAMERAS * 15 * 3600 * HOURS
    assert (call["files"], call["lost"], call["warnings"]) == (CAMERAS * HOURS, 0, [])
    memory = call["memory_mib"]
    assert max(memory) - memory[0] <= MOST_GROWTH
    assert max(memory[len(memory) // HOURS :]) - max(memory[: len(memory) // HOURS]) <= MOST_LATER_GROWTH
    assert call["longest_calls"][0] <= LONGEST_CALL
    assert call["finish"] <= LONGEST_FINISH
