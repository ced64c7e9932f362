"""A receiver of live streams that is away for a minute, in real time, while a call is recorded: what waits for it, what the
worker's memory needs, and what the receiver is told once it is back.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from math import inf
from pathlib import Path
from typing import Final

import pytest

from tests.benchmarks.measured import measured
from tests.support.bad_consumers import Trouble, away, good, webhook
from tests.support.live_heard import Heard, assert_is_told_what_it_lost

SECONDS: Final = 105.0
"""Of the call."""

SINCE: Final = 30.0
"""Seconds from the start of the worker on, which has to join meanwhile."""

AWAY: Final = 60.0

SETTLED: Final = 5.0
"""Seconds after the receiver is back, until nothing waits any more."""

MOST_MORE: Final = 16.0
"""MiB that the worker may need more, the growth of the recording itself included."""

MOST_QUEUED: Final = 4 << 20
"""Bytes that may wait for sockets: 5 s of three people's sound and the mix are 1 MB."""

MOST_ON_THE_WAY: Final = 100_000
"""Bytes that wait for sockets where all are well: half a second, in the worst moment."""


@pytest.mark.timeout(400)
async def test_a_receiver_that_is_away_for_a_minute_costs_a_bounded_memory(tmp_path: Path) -> None:
    now = asyncio.get_running_loop().time()
    trouble = Trouble(now + SINCE, now + SINCE + AWAY)
    since = time.time() + SINCE
    async with away(trouble) as gone, good(Trouble(inf, inf)) as there, webhook(trouble, status=0) as hook:
        result = await measured("live_away", SECONDS, tmp_path / "out", gone.url, there.url, hook.url)
        theirs, others, told = Heard(gone.texts), Heard(there.texts), Heard(hook.texts)
    samples = result["samples"]
    before = [each for each in samples if since - 5.0 <= each[0] < since]
    during = [each for each in samples if since <= each[0] < since + AWAY]
    after = [each for each in samples if each[0] >= since + AWAY + SETTLED]
    assert before
    assert after
    rss = [statistics.median(each[1] for each in part) for part in (before, during, after)]
    most = max(each[1] for each in samples if each[0] >= since)
    print()
    print(
        f"worker's memory: {rss[0]:.1f} MiB before, {rss[1]:.1f} while away, {rss[2]:.1f} after; at most {most:.1f}"
    )
    print(
        f"bytes that waited for sockets: {max(each[2] for each in during)} at most, {after[-1][2]} at the end"
    )
    print(
        f"events that waited for the webhook: {max(each[3] for each in during)} at most, {after[-1][3]} at the end"
    )
    gaps = sum(gap.seconds for gap in theirs.gaps)
    lost = sum(others.sound.values()) - sum(theirs.sound.values())
    print(f"sound: {lost:.1f} s lost, {gaps:.1f} s told; {result['dropped']:.1f} s by the metrics")
    print(
        f"events: {len(theirs.events)} of {len(others.events)} by the socket, {len(told.events)} by the webhook"
    )
    assert result["lost"] == 0
    assert not others.gaps
    assert_is_told_what_it_lost(theirs, others, late=False)
    assert lost >= AWAY / 2
    assert gaps == pytest.approx(result["dropped"], abs=0.1)
    assert told.events == others.events
    assert most - rss[0] <= MOST_MORE
    assert max(each[2] for each in samples) <= MOST_QUEUED
    assert max(each[2] for each in after) <= MOST_ON_THE_WAY
    assert max(each[3] for each in after) == 0
