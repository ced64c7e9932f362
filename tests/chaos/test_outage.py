"""S3 and SQS are away for five minutes in the middle of a recording, and change what they answer all the while."""

from __future__ import annotations

import asyncio
import os
import time
from itertools import cycle
from pathlib import Path

import psutil
import pytest

from fixtures.replica.server import Replica
from fixtures.replica.truth import read_truth
from tests.support.fault_proxy import Fault, fault_proxy
from tests.support.kills import conversation
from tests.support.truth_check import assert_true_to_the_meeting
from tests.support.worker_process import Cloud, Worker, cloud

OUTAGE = float(os.environ.get("MEETSTEMS_OUTAGE_SECONDS", "300"))
FAULTS = (Fault.INTERNAL_ERROR, Fault.SLOW_DOWN, Fault.HANG, Fault.RESET)
EACH = 15.0
"""Seconds before the next kind of fault."""


@pytest.mark.timeout(OUTAGE + 180)
async def test_nothing_is_lost_while_s3_and_sqs_are_away(tmp_path: Path) -> None:
    with cloud() as there, fault_proxy(str(there.embedded.aws.endpoint_url)) as proxy:
        broken = Cloud(there.embedded, proxy.url)
        async with Replica(conversation(OUTAGE + 30), tmp_path / "truth.jsonl") as replica:
            there.dispatch(replica)
            worker = await Worker.start(
                replica,
                broken,
                tmp_path / "work",
                MEETSTEMS_VISIBILITY_SECONDS="120",
                MEETSTEMS_LEASE_SECONDS="60",
            )
            await there.until(lambda: there.tape_parts() >= 1)
            process = psutil.Process(worker.process.pid)
            memory = [process.memory_info().rss]
            over = time.monotonic() + OUTAGE
            for fault in cycle(FAULTS):
                if time.monotonic() >= over:
                    break
                proxy.fail(fault)
                await asyncio.sleep(min(EACH, max(0.0, over - time.monotonic())))
                memory.append(process.memory_info().rss)
            proxy.recover()
            assert await worker.finish(120) == 0
        (result,) = there.results()
        assert result.outcome == "recorded"
        bot = there.save(tmp_path / "bot")
        assert_true_to_the_meeting(bot, there.manifest(), read_truth(tmp_path / "truth.jsonl"), [])
    print(
        f"away for {OUTAGE:.0f} s; worker's memory {memory[0] / 1e6:.0f} MB before, at most {max(memory) / 1e6:.0f} MB"
    )
    assert max(memory) - memory[0] < 50e6
