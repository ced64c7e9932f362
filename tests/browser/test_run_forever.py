"""``meetstems run --forever``: one job after the other, until it is stopped."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from fixtures.replica.server import Replica
from tests.support.record_process import meeting
from tests.support.worker_process import Worker, cloud


@pytest.mark.timeout(120)
async def test_a_worker_continues_after_each_job_and_removes_tapes_if_configured(tmp_path: Path) -> None:
    with cloud() as aws:
        async with Replica(meeting(5), tmp_path / "truth.jsonl") as replica:
            aws.jobs.send('{"bot_id": "bot-0", "meeting_link": "https://example.com"}')
            aws.dispatch(replica)
            worker = await Worker.start(replica, aws, tmp_path / "work", "--forever", MEETSTEMS_TAPE="remove")
            await aws.until(aws.results)
            await aws.until(lambda: aws.waiting_jobs() == 0)
            await aws.until(lambda: aws.tape_parts() == 0)
            worker.process.send_signal(signal.SIGTERM)
            assert await worker.finish() == 0
        assert [result.outcome for result in aws.results()] == ["recorded"]
        assert len(aws.dead_letters()) == 1
        assert {person.participant_name for person in aws.manifest().participants} == {"Ada Ray", "Ben Oak"}
