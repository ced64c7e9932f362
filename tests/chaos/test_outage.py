"""S3 and SQS fail for five minutes during a recording, each 15 s in another way."""

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
from tests.support.truth_check import assert_matches_truth
from tests.support.worker_process import Cloud, Worker, cloud

OUTAGE = float(os.environ.get("MEETSTEMS_OUTAGE_SECONDS", "300"))
FAULTS = (Fault.INTERNAL_ERROR, Fault.SLOW_DOWN, Fault.HANG, Fault.RESET)
FAULT_SECONDS = 15.0
"""Seconds of each kind of fault."""


@pytest.mark.timeout(OUTAGE + 180)
async def test_an_outage_of_s3_and_sqs_loses_nothing(tmp_path: Path) -> None:
    with cloud() as aws, fault_proxy(str(aws.embedded.aws.endpoint_url)) as proxy:
        through_proxy = Cloud(aws.embedded, proxy.url)
        async with Replica(conversation(OUTAGE + 30), tmp_path / "truth.jsonl") as replica:
            aws.dispatch(replica)
            worker = await Worker.start(
                replica,
                through_proxy,
                tmp_path / "work",
                MEETSTEMS_VISIBILITY_SECONDS="120",
                MEETSTEMS_LEASE_SECONDS="60",
            )
            await aws.until(aws.is_recording)
            process = psutil.Process(worker.process.pid)
            memory = [process.memory_info().rss]
            over = time.monotonic() + OUTAGE
            for fault in cycle(FAULTS):
                if time.monotonic() >= over:
                    break
                proxy.fail(fault)
                await asyncio.sleep(min(FAULT_SECONDS, max(0.0, over - time.monotonic())))
                memory.append(process.memory_info().rss)
            proxy.recover()
            assert await worker.finish(120) == 0
        (result,) = aws.results()
        assert result.outcome == "recorded"
        bot = aws.save(tmp_path / "bot")
        assert_matches_truth(bot, aws.manifest(), read_truth(tmp_path / "truth.jsonl"), [])
    print(
        f"outage of {OUTAGE:.0f} s; worker's memory {memory[0] / 1e6:.0f} MB before, at most {max(memory) / 1e6:.0f} MB"
    )
    assert max(memory) - memory[0] < 50e6
