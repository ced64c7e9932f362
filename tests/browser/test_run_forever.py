"""``meetstems run --forever``: one job after the other, until it is told to stop."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from fixtures.replica.server import Replica
from tests.support.record_process import meeting
from tests.support.worker_process import Worker, cloud


@pytest.mark.timeout(120)
async def test_it_goes_on_after_each_job_and_removes_tapes_if_asked_to(tmp_path: Path) -> None:
    with cloud() as there:
        async with Replica(meeting(5), tmp_path / "truth.jsonl") as replica:
            there.jobs.send('{"bot_id": "bot-0", "meeting_link": "https://example.com"}')
            there.dispatch(replica)
            worker = await Worker.start(
                replica, there, tmp_path / "work", "--forever", MEETSTEMS_TAPE="remove"
            )
            await there.until(there.results)
            await there.until(lambda: there.waiting_jobs() == 0)
            await there.until(lambda: there.tape_parts() == 0)
            worker.process.send_signal(signal.SIGTERM)
            assert await worker.finish() == 0
        assert [result.outcome for result in there.results()] == ["recorded"]
        assert len(there.dead_letters()) == 1
        assert {person.participant_name for person in there.manifest().participants} == {"Ada Ray", "Ben Oak"}
