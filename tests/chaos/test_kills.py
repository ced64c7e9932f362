"""Kills the whole process tree at random moments of a job; the redelivered job is then finished and checked.

``MEETSTEMS_CHAOS`` is the number of moments, ``MEETSTEMS_CHAOS_SEED`` the seed that chooses them.
"""

from __future__ import annotations

import os
import random
from itertools import cycle
from pathlib import Path

import msgspec
import pytest

from fixtures.replica.video.scenario import Codec
from tests.support.kills import DURATION, after, kill_and_finish, recording_for

SEED = int(os.environ.get("MEETSTEMS_CHAOS_SEED", "1"))
KILLS = int(os.environ.get("MEETSTEMS_CHAOS", "20"))
LONGEST = 22.0
"""Seconds after the start of the worker; by then it is about to finish, or has finished."""

_chance = random.Random(SEED)
MOMENTS = [round(_chance.uniform(0.5, LONGEST), 2) for _ in range((KILLS + 1) // 2)]
RECORDED_MOMENTS = [round(_chance.uniform(0.2, DURATION), 2) for _ in range(KILLS // 2)]
"""Seconds after the worker has reported that it records."""
CODECS: tuple[Codec, ...] = ("vp9", "vp8", "av1")
"""Of Meet; Teams sends H264."""
VIDEO_TIMES = [round(_chance.uniform(0.2, DURATION), 2) for _ in range((KILLS + 1) // 2)]
"""Seconds after the worker has reported that it records."""
VIDEO_MOMENTS: list[tuple[float, Codec]] = [
    *zip(VIDEO_TIMES, cycle(CODECS), strict=False),
    *((at, "h264") for at in VIDEO_TIMES),
]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_kill_at_any_moment_costs_at_most_five_seconds(tmp_path: Path, moment: float) -> None:
    await kill_and_finish(tmp_path, [after(moment)])


@pytest.mark.timeout(180)
@pytest.mark.parametrize("moment", RECORDED_MOMENTS)
async def test_a_kill_while_it_records_costs_at_most_five_seconds(tmp_path: Path, moment: float) -> None:
    assert await kill_and_finish(tmp_path, [recording_for(moment)]) is not None


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("moment", "codec"), VIDEO_MOMENTS)
async def test_a_kill_while_it_records_costs_at_most_five_seconds_of_video(
    tmp_path: Path, moment: float, codec: Codec
) -> None:
    manifest = await kill_and_finish(tmp_path, [recording_for(moment)], video=codec)
    assert manifest is not None
    assert manifest.video_streams is not msgspec.UNSET
