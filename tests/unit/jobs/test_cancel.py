from __future__ import annotations

import time

import msgspec

from tests.support.memory_store import MemoryStore
from worker.contracts.parse_job import parse_job
from worker.delivery.bucket_layout import bot_keys
from worker.delivery.lease import Lease
from worker.jobs.cancel import cancel_job
from worker.jobs.disposition import Disposition
from worker.jobs.known_result import disposition_if_reported
from worker.jobs.reporter import read_status
from worker.jobs.result_file import read_result

NOW = 1_790_000_000.0
KEYS = bot_keys("", "bot-1")
JOB = parse_job(
    msgspec.json.encode({"bot_id": "bot-1", "meeting_link": "https://meet.google.com/abc-defg-hij"}),
    lambda: "x",
)


async def test_a_worker_that_receives_a_cancelled_job_has_nothing_to_do() -> None:
    store = MemoryStore()
    assert cancel_job(store, KEYS, JOB, NOW)
    result = read_result(store, KEYS)
    assert result is not None
    assert (result.outcome, result.reason, result.sub_code) == ("not_admitted", "interrupted", None)
    _, status = read_status(store, KEYS)
    assert status is not None
    assert (status.state, status.reported, status.audio_status) == ("done", True, "Success")
    assert [change.state for change in status.history] == ["leaving", "done"]
    assert await disposition_if_reported(KEYS, store) is Disposition.DONE
    assert not cancel_job(store, KEYS, JOB, NOW)


def test_a_job_that_a_worker_has_is_left_alone() -> None:
    store = MemoryStore()
    Lease.acquire(store, KEYS.lease, "worker", time.time(), 30.0, time.monotonic)
    before = dict(store.objects)
    assert not cancel_job(store, KEYS, JOB, time.time())
    assert {key: data for key, data in store.objects.items() if key in before} == before
    assert read_result(store, KEYS) is None
    assert read_status(store, KEYS) == (None, None)
