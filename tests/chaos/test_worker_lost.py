"""A worker is lost without a sign while another one waits: how long is nobody in the meeting?

Visibility and lease are the product's own.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from pathlib import Path

import pytest

from fixtures.replica.server import Replica
from tests.support.kills import check_finished_job, conversation
from tests.support.worker_process import Worker, cloud
from worker.settings import WorkerSettings

DEFAULTS = WorkerSettings()
OWN_TIMES = {
    "MEETSTEMS_VISIBILITY_SECONDS": str(DEFAULTS.visibility_seconds),
    "MEETSTEMS_LEASE_SECONDS": str(DEFAULTS.lease_seconds),
    "MEETSTEMS_MOST_ATTEMPTS": str(DEFAULTS.most_attempts),
}
STARTING = 15.0
"""Seconds from receiving the job to recording, on a slow machine: Chromium, the page, the replica's waiting room."""

_chance = random.Random(int(os.environ.get("MEETSTEMS_CHAOS_SEED", "1")))


@pytest.mark.timeout(240)
async def test_another_worker_records_soon_after_one_was_killed(tmp_path: Path) -> None:
    with cloud() as aws:
        async with Replica(conversation(90), tmp_path / "truth.jsonl") as replica:
            aws.dispatch(replica)
            first = await Worker.start(replica, aws, tmp_path / "first", **OWN_TIMES)
            await aws.until(aws.has_recorded)
            waiting = await Worker.start(replica, aws, tmp_path / "waiting", "--forever", **OWN_TIMES)
            # Anywhere between two heartbeats.
            await asyncio.sleep(_chance.uniform(5.0, 5.0 + DEFAULTS.visibility_seconds / 3))
            killed_at = time.time()
            await first.kill()
            await aws.until(lambda: aws.tape_parts(2) > 0, within=120)
            back_at = time.time()
            await aws.until(lambda: aws.is_recording(2), within=60)
            recording_at = time.time()
            await aws.until(aws.results, within=120)
            assert await waiting.drain() == 0
        finished = await asyncio.to_thread(check_finished_job, aws, tmp_path, [killed_at])
    print(
        f"visibility {DEFAULTS.visibility_seconds} s, lease {DEFAULTS.lease_seconds:g} s: another worker's tape began "
        f"{back_at - killed_at:.1f} s after SIGKILL, it recorded after {recording_at - killed_at:.1f} s"
    )
    assert recording_at - killed_at <= DEFAULTS.visibility_seconds + STARTING
    assert finished.result.outcome == "recorded"
    finished.assert_complete_is_true()
