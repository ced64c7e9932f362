"""S3 or SQS refuses or fails from the middle of a meeting until after its end; then everything must still come there.

``MEETSTEMS_REFUSED_FROM`` is the second of the recording from which on, ``MEETSTEMS_REFUSED_SECONDS`` how long it goes on after
the meeting's end.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.replica.server import Replica
from tests.support.fault_proxy import (
    Exchange,
    Fault,
    FaultProxy,
    Predicate,
    Refusal,
    fault_proxy,
    is_s3,
    is_s3_write,
    is_sqs,
)
from tests.support.kills import check_finished_job, conversation
from tests.support.worker_process import Cloud, Worker, cloud

BEYOND = float(os.environ.get("MEETSTEMS_REFUSED_SECONDS", "15"))
BEFORE = float(os.environ.get("MEETSTEMS_REFUSED_FROM", "10"))
"""Seconds of the recording before the trouble."""
DURATION = BEFORE + 15.0
"""Seconds of the meeting."""

Trouble = Callable[[FaultProxy], None]


def fault(kind: Fault, matches: Predicate) -> Trouble:
    return lambda proxy: proxy.fail(kind, matches=matches)


def key_disabled(proxy: FaultProxy) -> None:
    """The bucket's key is disabled: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html."""
    disabled = Refusal(400, "KMS.DisabledException", "The request was rejected because the key is disabled.")

    def change(exchange: Exchange) -> Exchange | Refusal:
        writes = is_s3_write(exchange.request) and exchange.request.method != "DELETE"
        return disabled if writes else exchange

    proxy.change_requests(change)


TROUBLES = [
    pytest.param(fault(Fault.ACCESS_DENIED, is_s3_write), id="writes to S3 are denied"),
    pytest.param(fault(Fault.ACCESS_DENIED, is_s3), id="S3 denies everything"),
    pytest.param(key_disabled, id="the bucket's key is disabled"),
    pytest.param(fault(Fault.EXPIRED_TOKEN, is_s3), id="S3 says that the token has expired"),
    pytest.param(fault(Fault.RESET, is_s3), id="S3 is away"),
    pytest.param(fault(Fault.RESET, is_sqs), id="SQS is away"),
    pytest.param(fault(Fault.ACCESS_DENIED, is_sqs), id="SQS denies everything"),
]


@pytest.mark.timeout(DURATION + BEYOND + 120)
@pytest.mark.parametrize("trouble", TROUBLES)
async def test_trouble_until_after_the_meeting_loses_nothing(tmp_path: Path, trouble: Trouble) -> None:
    with cloud() as aws, fault_proxy(str(aws.embedded.aws.endpoint_url)) as proxy:
        async with Replica(conversation(DURATION), tmp_path / "truth.jsonl") as replica:
            aws.dispatch(replica)
            worker = await Worker.start(replica, Cloud(aws.embedded, proxy.url), tmp_path / "work")
            await aws.until(aws.is_recording)
            await asyncio.sleep(BEFORE)
            began, parts = time.monotonic(), aws.tape_parts()
            trouble(proxy)
            assert await replica.wait_ended() == "host_ended", "the bot left"
            await asyncio.sleep(BEYOND)
            assert worker.process.returncode is None, "the worker gave up"
            during, lasted = aws.tape_parts(), time.monotonic() - began
            proxy.reset()
            recovered = time.monotonic()
            assert await worker.finish() == 0
        finished = await asyncio.to_thread(check_finished_job, aws, tmp_path, [], 0.0)
        assert list((tmp_path / "work").iterdir()) == []
        parts_at_last = aws.tape_parts()
    print(
        f"{lasted:.0f} s of trouble, {BEYOND:.0f} s of them after the meeting; parts in the bucket: {parts} before, {during} "
        f"at its end, {parts_at_last} at last; done {time.monotonic() - recovered:.1f} s after it"
    )
    assert (finished.result.outcome, finished.result.reason) == ("recorded", "meeting_ended")
    assert finished.manifest is not None
    assert finished.manifest.recording.complete
    assert finished.missed() == []
