"""The page of a call goes away in mid-call: a redirect, a reload. The bot notices, and is back in the call."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec
import pytest

from fixtures.replica.server import Replica
from tests.support.kills import check_finished_job, conversation
from tests.support.worker_process import Worker, cloud

NOTICED_WITHIN = 30.0
"""Seconds from the loss of the page until the bot leaves, at most."""
LEAVES = 0.5
"""Seconds before the page is seen to have gone in which packets may be lost: it collects them for 0.1 s."""
REJOINED_WITHIN = NOTICED_WITHIN + 15.0


def has_left(replica: Replica) -> bool:
    """Whether the first page is not there any more; a reload brings another one."""
    return not replica.is_visited or [kind for _, kind in replica.sent_to_page].count("page") > 1


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "script",
    [
        pytest.param('location.replace("about:blank")', id="about:blank"),
        pytest.param('location.replace("https://meet.google.com/landing")', id="home"),
        pytest.param("location.reload()", id="reload"),
    ],
)
async def test_a_page_that_goes_away_costs_only_the_time_to_notice(tmp_path: Path, script: str) -> None:
    with cloud() as aws:
        async with Replica(conversation(60), tmp_path / "truth.jsonl") as replica:
            aws.dispatch(replica)
            worker = await Worker.start(
                replica, aws, tmp_path / "work", script, module=("tests.support.sabotaged_worker",)
            )
            await aws.until(aws.is_recording)
            await aws.until(lambda: has_left(replica))
            gone_at = time.time()
            await aws.until(lambda: aws.is_recording(2), within=REJOINED_WITHIN)
            rejoined_at = time.time()
            assert await worker.finish() == 0
        away = [(gone_at - LEAVES, rejoined_at)]
        finished = await asyncio.to_thread(check_finished_job, aws, tmp_path, [], 0.0, away)
    assert (finished.result.outcome, finished.result.reason) == ("recorded", "meeting_ended")
    assert finished.manifest is not None
    parts = finished.manifest.recording.parts
    assert parts is not msgspec.UNSET
    print(
        f"{script}: records again {rejoined_at - gone_at:.1f} s later; parts {[part.ended_reason for part in parts]}"
    )
    assert [part.ended_reason for part in parts] == ["connection_lost", "meeting_ended"]
    finished.assert_complete_is_true()
