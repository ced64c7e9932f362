"""SIGTERM at random moments of a meeting, as when nodes are drained; then another worker goes on with the job.

``MEETSTEMS_CHAOS`` / 2 is the number of meetings, ``MEETSTEMS_CHAOS_SEED`` chooses the moments.
"""

from __future__ import annotations

import asyncio
import os
import random
from functools import partial
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from fixtures.replica.server import Replica
from tests.support.fault_proxy import Fault, fault_proxy, key_has
from tests.support.kills import (
    FinishedJob,
    Interruption,
    Moment,
    after,
    check_finished_job,
    conversation,
    interrupt_and_finish,
    recording_for,
)
from tests.support.truth_check import parts_of
from tests.support.worker_process import Cloud, Worker, cloud
from worker.states import State

SEED = int(os.environ.get("MEETSTEMS_CHAOS_SEED", "1"))
MEETINGS = max(1, int(os.environ.get("MEETSTEMS_CHAOS", "20")) // 2)
DURATION = 60.0
"""Seconds of the meeting, which begins some seconds after the first worker's start and goes on without a bot."""
DRAIN_LOSS = 0.5
"""Seconds before a SIGTERM that may be missing: it takes a moment until the worker acts on it."""
REJOIN_SECONDS = 60.0
"""A bot that was drained is back within this time, on a slow machine as well: the worker leaves and uploads, and then the next
one starts Python and Chromium, and joins."""

_chance = random.Random(SEED)


def _moments() -> list[float]:
    """When to drain, in seconds after each worker's start; every third meeting is drained twice."""
    first = round(_chance.uniform(0.5, DURATION + 8.0), 2)
    return [first] if len(RANDOM) % 3 != 2 else [round(first / 2, 2), round(_chance.uniform(0.5, 25.0), 2)]


RANDOM: list[list[float]] = []
for _ in range(MEETINGS):
    RANDOM.append(_moments())


async def drain_and_finish(folder: Path, moments: list[Moment], duration: float) -> FinishedJob:
    drains = [Interruption(moment, Worker.drain) for moment in moments]
    finished = await interrupt_and_finish(folder, drains, duration, DRAIN_LOSS)
    finished.assert_complete_is_true()
    _assert_gaps_are_short(finished)
    return finished


def _assert_gaps_are_short(finished: FinishedJob) -> None:
    assert finished.manifest is not None
    parts = parts_of(finished.manifest)
    gaps = [after.start - before.end for before, after in pairwise(parts)]
    print(
        f"signals at {finished.stopped_at}; parts {[(round(p.start, 2), round(p.end, 2)) for p in parts]}; "
        f"gaps {[round(gap, 2) for gap in gaps]} s; complete {finished.manifest.recording.complete}; "
        f"missed {sum(packet.seconds for packet in finished.missed()):.2f} s of speech; "
        f"result {finished.result.outcome} {finished.result.reason}, attempt {finished.result.attempt}"
    )
    assert all(gap <= REJOIN_SECONDS for gap in gaps)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("moments", RANDOM, ids=lambda moments: "+".join(map(str, moments)))
async def test_drains_at_any_moment_cost_only_the_gap(tmp_path: Path, moments: list[float]) -> None:
    finished = await drain_and_finish(tmp_path, [after(moment) for moment in moments], DURATION)
    assert finished.result.outcome == "recorded"


def in_state(state: State) -> Moment:
    """As soon as bot.json says that the attempt is in ``state``."""

    async def wait(aws: Cloud, attempt: int) -> None:
        await aws.until(partial(aws.is_in, state, attempt))

    return wait


def once_there(key: str) -> Moment:
    """As soon as the attempt has an object of this name."""

    async def wait(aws: Cloud, attempt: int) -> None:
        await aws.until(lambda: f"attempts/{attempt:04d}/{key}" in aws.objects())

    return wait


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("moments", "parts"),
    [
        pytest.param([once_there("attempt.json")], 1, id="before joining"),
        pytest.param([in_state(State.JOINING)], 1, id="joining"),
        pytest.param([in_state(State.WAITING_ROOM)], 1, id="waiting room"),
        pytest.param([in_state(State.IN_CALL_RECORDING)], 2, id="recording begins"),
        pytest.param([in_state(State.JOINING), recording_for(3.0)], 2, id="joining, then recording"),
        pytest.param([recording_for(3.0), in_state(State.JOINING)], 2, id="recording, then joining"),
        pytest.param([recording_for(3.0), in_state(State.IN_CALL_RECORDING)], 3, id="twice in the call"),
    ],
)
async def test_a_drain_in_each_state(tmp_path: Path, moments: list[Moment], parts: int) -> None:
    finished = await drain_and_finish(tmp_path, moments, 30.0)
    assert (finished.result.outcome, finished.result.reason) == ("recorded", "meeting_ended")
    assert finished.manifest is not None
    recorded = finished.manifest.recording
    assert (len(recorded.parts) if recorded.parts is not msgspec.UNSET else 1) == parts
    assert recorded.complete is (parts == 1)


@pytest.mark.timeout(120)
async def test_a_drain_while_files_are_uploaded_lets_the_worker_finish(tmp_path: Path) -> None:
    with cloud() as aws, fault_proxy(str(aws.embedded.aws.endpoint_url)) as proxy:
        async with Replica(conversation(8), tmp_path / "truth.jsonl") as replica:
            aws.dispatch(replica)
            worker = await Worker.start(replica, Cloud(aws.embedded, proxy.url), tmp_path / "work")
            await aws.until(aws.is_recording)
            proxy.fail(Fault.LATENCY, seconds=1.0, matches=key_has("/files/"))
            await asyncio.to_thread(proxy.wait_for_failures, 1, 60.0)
            assert await worker.drain() == 0
        finished = await asyncio.to_thread(check_finished_job, aws, tmp_path, [], 0.0)
    assert finished.manifest is not None
    assert finished.manifest.recording.complete
    assert finished.missed() == []


@pytest.mark.timeout(180)
async def test_a_drain_while_no_file_can_be_written_hands_the_end_on(tmp_path: Path) -> None:
    """The meeting is over and the tape is in the bucket; the files are refused until after the grace period."""
    with cloud() as aws, fault_proxy(str(aws.embedded.aws.endpoint_url)) as proxy:
        async with Replica(conversation(8), tmp_path / "truth.jsonl") as replica:
            aws.dispatch(replica)
            through_proxy = Cloud(aws.embedded, proxy.url)
            worker = await Worker.start(
                replica, through_proxy, tmp_path / "work", MEETSTEMS_GRACE_SECONDS="5"
            )
            await aws.until(aws.is_recording)
            proxy.fail(Fault.ACCESS_DENIED, matches=key_has("/files/"))
            await asyncio.to_thread(proxy.wait_for_failures, 1, 60.0)
            assert await worker.drain() == 75
            assert aws.results() == []
            proxy.recover()
            last = await Worker.start(replica, through_proxy, tmp_path / "last")
            assert await last.finish() == 0
        finished = await asyncio.to_thread(check_finished_job, aws, tmp_path, [], 0.0)
    assert (finished.result.outcome, finished.result.reason) == ("recorded", "meeting_ended")
    assert finished.manifest is not None
    assert finished.manifest.recording.complete
    assert finished.missed() == []
