"""20 jobs wait while every worker has a wrong configuration. No job may be lost to the dead-letter queue.

``MEETSTEMS_WRONG_SECONDS`` is how long the mistake lasts.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from fixtures.replica.scenario import Page, Scenario
from fixtures.replica.server import Replica
from tests.support.fault_proxy import Fault, fault_proxy, key_has
from tests.support.worker_process import Cloud, Worker, cloud
from worker.delivery.aws_clients import s3_client

WRONG = float(os.environ.get("MEETSTEMS_WRONG_SECONDS", "20"))
BAD_CONFIGURATION = 2

NO_SUCH_MEETING = Scenario(
    title="a meeting that does not exist: each job is done at once", duration=1, page=Page(wall="not_found")
)


async def open_replicas(stack: AsyncExitStack, folder: Path, count: int) -> list[Replica]:
    """One for each worker: a replica has one visit at a time."""
    return [
        await stack.enter_async_context(Replica(NO_SUCH_MEETING, folder / f"truth-{number}.jsonl"))
        for number in range(count)
    ]


def dispatch_all(aws: Cloud, replica: Replica, jobs: int) -> set[str]:
    bots = {f"bot-{number}" for number in range(jobs)}
    for bot in sorted(bots):
        aws.dispatch(replica, bot_id=bot)
    return bots


async def until_all_are_done(aws: Cloud, bots: set[str], within: float) -> None:
    await aws.until(lambda: {result.bot_id for result in aws.results()} >= bots, within)
    await aws.until(lambda: aws.waiting_jobs() == 0)
    assert {result.bot_id for result in aws.results()} == bots
    assert len(aws.results()) == len(bots)
    assert {(result.outcome, result.reason) for result in aws.results()} == {
        ("not_admitted", "meeting_not_found")
    }
    assert aws.dead_letters() == []


@pytest.mark.timeout(WRONG + 240)
async def test_workers_with_a_wrong_bucket_lose_no_job(tmp_path: Path) -> None:
    with cloud() as right:
        bucket = f"{right.embedded.bucket}-of-another-name"
        aws = Cloud(right.embedded._replace(bucket=bucket))
        async with AsyncExitStack() as stack:
            replicas = await open_replicas(stack, tmp_path, 2)
            bots = dispatch_all(aws, replicas[0], 20)
            patient = await Worker.start(replicas[1], aws, tmp_path / "patient", "--forever")
            began, starts = time.monotonic(), 0
            while time.monotonic() - began < WRONG:
                worker = await Worker.start(replicas[0], aws, tmp_path / f"wrong-{starts}")
                assert await worker.finish() == BAD_CONFIGURATION
                starts += 1
            assert aws.dead_letters() == []
            assert aws.waiting_jobs() == 20
            assert aws.events() == [], "a worker that cannot work touched a message"
            await asyncio.to_thread(s3_client(aws.embedded.aws).create_bucket, Bucket=bucket)
            right_at = time.monotonic()
            worker = await Worker.start(replicas[0], aws, tmp_path / "right", "--forever")
            await until_all_are_done(aws, bots, 180)
            done = time.monotonic() - right_at
            assert [await each.drain() for each in (patient, worker)] == [0, 0]
    print(
        f"{starts} workers in {WRONG:.0f} s failed; 20 jobs were done {done:.0f} s after the bucket was there"
    )


@pytest.mark.timeout(240)
async def test_jobs_whose_objects_are_refused_are_delayed_and_done_at_last(tmp_path: Path) -> None:
    """The mistake is found only with the job: the bucket can be listed, but bots' objects must not be written."""
    with cloud() as aws, fault_proxy(str(aws.embedded.aws.endpoint_url)) as proxy:
        proxy.fail(Fault.ACCESS_DENIED, matches=key_has("bots/bot-"))
        through_proxy = Cloud(aws.embedded, proxy.url)
        async with AsyncExitStack() as stack:
            replicas = await open_replicas(stack, tmp_path, 2)
            bots = dispatch_all(aws, replicas[0], 6)
            workers = [
                await Worker.start(replica, through_proxy, tmp_path / f"work-{number}", "--forever")
                for number, replica in enumerate(replicas)
            ]
            await aws.until(lambda: aws.event_names().count("bot.delayed") >= 2, within=90)
            assert aws.dead_letters() == []
            proxy.recover()
            await until_all_are_done(aws, bots, 120)
            assert [await each.drain() for each in workers] == [0, 0]
        delayed = [event["bot_id"] for event in aws.events() if event["event"] == "bot.delayed"]
    print(f"delayed: {delayed}")
