"""Memory, disk and the event loop in an hour with nine cameras of 360p at 15 frames a second, without a browser."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.benchmarks.measured import measured
from tests.benchmarks.nine_cameras import CAMERAS

HOURS: Final = 1.0

MOST_GROWTH: Final = 100.0
"""MiB that are added after the first tenth: an open file has its index in memory, 150 bytes for each of 54,000 frames."""

LONGEST_CALL: Final = 0.1
"""Seconds of processor time for which one event may hold up the event loop (tests.benchmarks.test_event_loop). Of the hour's
ten longest the least counts: what else the machine does stretches single ones.
"""

LONGEST_FINISH: Final = 5.0
"""Seconds from the last event until all files are closed."""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("codec", ["vp9", "h264"])
def test_an_hour_of_nine_cameras_is_bounded(codec: str, tmp_path: Path) -> None:
    hour: dict[str, Any] = asyncio.run(measured("video_hour", codec, HOURS, tmp_path / "out"))
    print(f"\n{codec}, {HOURS:g} h: {json.dumps(hour)}")
    assert hour["frames"] == CAMERAS * 15 * 3600 * HOURS
    assert (hour["files"], hour["lost"], hour["warnings"]) == (CAMERAS, 0, [])
    assert max(hour["memory_mib"]) - hour["memory_mib"][0] <= MOST_GROWTH
    assert hour["longest_calls"][0] <= LONGEST_CALL
    assert hour["finish"] <= LONGEST_FINISH
