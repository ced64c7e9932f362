from __future__ import annotations

import asyncio
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from tests.support.event_sinks import ListSink
from tests.support.memory_store import Failing, MemoryStore
from tests.support.uploaded_tapes import ATTEMPT_KEYS, some_parts
from tests.support.waits import until
from worker.delivery.errors import RefusedError
from worker.delivery.lease import Lease, LeaseLostError
from worker.delivery.tape_upload import TapeUpload
from worker.jobs import supervisor
from worker.jobs.supervisor import Supervisor
from worker.lifecycle.ending import Ending
from worker.monitoring.metrics import Metrics
from worker.reasons import Reason

DRAIN = Ending(Reason.DRAINED, "SIGTERM", 5.0)


class Setup:
    """A supervisor with its surroundings; ``steady`` is the lease's clock."""

    def __init__(self, *, grace: float = 60.0, memory_limit: int | None = None) -> None:
        self.steady = 0.0
        self.registry = CollectorRegistry()
        self.stopped: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        store = MemoryStore()
        lease = Lease.acquire(store, "lease", "worker-1", time.time(), 30.0, lambda: self.steady)
        self.supervisor = Supervisor(
            self.stopped, lease, Metrics(self.registry), memory_limit, grace, ListSink()
        )

    def sample(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"meetstems_{name}", labels)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "UPLOADS_PERIOD", 0.01)
    monkeypatch.setattr(supervisor, "MEMORY_PERIOD", 0.01)


@pytest.fixture
def upload(tmp_path: Path) -> TapeUpload:
    return TapeUpload(MemoryStore(), ATTEMPT_KEYS)


async def test_a_stop_of_the_worker_stops_the_attempt_and_later_the_waiting(upload: TapeUpload) -> None:
    setup = Setup(grace=0.2)
    with closing(upload):
        async with setup.supervisor as watched:
            attempt = watched.begin_attempt(upload)
            setup.stopped.set_result(DRAIN)
            async with asyncio.timeout(10):
                assert await attempt == DRAIN
            assert watched.stopped.result() == DRAIN
            assert not watched.out_of_time.is_set()
            began = time.monotonic()
            await until(watched.out_of_time.is_set)
            assert time.monotonic() - began < 15
            assert not watched.lost


async def test_a_stop_that_came_before_the_job_counts(upload: TapeUpload) -> None:
    setup = Setup(grace=0.05)
    setup.stopped.set_result(DRAIN)
    with closing(upload):
        async with setup.supervisor as watched:
            assert await watched.begin_attempt(upload) == DRAIN
            await until(watched.out_of_time.is_set)


async def test_an_attempt_that_begins_after_the_stop_stops_at_once(upload: TapeUpload) -> None:
    setup = Setup()
    with closing(upload):
        async with setup.supervisor as watched:
            watched.begin_attempt(upload)
            setup.stopped.set_result(DRAIN)
            await until(watched.stopped.done)
            assert watched.begin_attempt(upload).result() == DRAIN


async def test_a_lost_lease_stops_for_good_but_ends_no_wait(upload: TapeUpload) -> None:
    """The tape's parts are this worker's own; they are uploaded even if another worker has the bot."""
    setup = Setup(grace=0.01)
    with closing(upload):
        async with setup.supervisor as watched:
            attempt = watched.begin_attempt(upload)
            thread = threading.Thread(target=watched.lease_lost, args=(LeaseLostError("worker-2 took it"),))
            thread.start()
            thread.join()
            async with asyncio.timeout(10):
                ending = await attempt
            assert (ending.reason, ending.detail) == (Reason.LEASE_LOST, "worker-2 took it")
            assert watched.lost
            await asyncio.sleep(0.1)
            assert not watched.out_of_time.is_set()
    assert setup.sample("lease_operations_total", operation="renew", result="refused") == 1


async def test_the_first_stop_counts(upload: TapeUpload) -> None:
    setup = Setup()
    with closing(upload):
        async with setup.supervisor as watched:
            attempt = watched.begin_attempt(upload)
            setup.stopped.set_result(DRAIN)
            await until(attempt.done)
            watched.lease_lost(LeaseLostError("worker-2 took it"))
            await asyncio.sleep(0.05)
            assert attempt.result() == watched.stopped.result() == DRAIN
            assert watched.lost


async def test_too_much_memory_stops_the_attempt_only(
    upload: TapeUpload, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = 50
    monkeypatch.setattr(supervisor, "memory_in_use", lambda: used)
    setup = Setup(memory_limit=100)
    with closing(upload):
        async with setup.supervisor as watched:
            attempt = watched.begin_attempt(upload)
            await asyncio.sleep(0.1)
            assert not attempt.done()
            used = 101
            assert (await attempt).reason is Reason.OOM_SOFT_LIMIT
            assert not watched.stopped.done()
            used = 50
            assert not watched.begin_attempt(upload).done()


async def test_everything_that_waits_ends_with_the_block(upload: TapeUpload) -> None:
    setup = Setup(grace=0.0)
    with closing(upload):
        async with setup.supervisor as watched:
            watched.begin_attempt(upload)
        assert watched.out_of_time.is_set()
        # A later stop is the next job's.
        setup.stopped.set_result(DRAIN)
        await asyncio.sleep(0.05)
        assert not watched.stopped.done()


async def test_metrics_of_lease_and_upload_are_set_and_end_with_the_block(tmp_path: Path) -> None:
    setup = Setup()
    failing = Failing(*[RefusedError("no")] * 100_000)
    with closing(TapeUpload(MemoryStore(failing), ATTEMPT_KEYS, pause=0.01)) as upload:
        async with setup.supervisor as watched:
            watched.begin_attempt(upload)
            for part in some_parts(tmp_path, 3):
                upload.part_closed(part)
            await until(lambda: setup.sample("upload_backlog_parts") == 3)
            assert setup.sample("lease_unproven") == 0
            setup.steady += 31.0
            await until(lambda: setup.sample("lease_unproven") == 1)
            failing.errors.clear()
            await until(lambda: setup.sample("upload_bytes_total") == 300)
            assert setup.sample("upload_backlog_parts") == 0
        assert setup.sample("lease_unproven") == 0
        assert setup.sample("upload_stuck") == 0


async def test_the_bytes_of_each_attempt_are_counted_once(tmp_path: Path) -> None:
    setup = Setup()
    async with setup.supervisor as watched:
        for number in (1, 2):
            with closing(TapeUpload(MemoryStore(), ATTEMPT_KEYS)) as upload:
                watched.begin_attempt(upload)
                for part in some_parts(tmp_path / str(number), 2):
                    upload.part_closed(part)
                assert await asyncio.to_thread(upload.drain, 20.0)
    assert setup.sample("upload_bytes_total") == 400


async def test_renewals_are_counted() -> None:
    setup = Setup()
    setup.supervisor.lease_renewed(True)
    setup.supervisor.lease_renewed(False)
    for result in ("ok", "error"):
        assert setup.sample("lease_operations_total", operation="renew", result=result) == 1


async def test_a_bot_that_is_told_to_leave_begins_no_other_attempt(upload: TapeUpload) -> None:
    setup = Setup()
    told = Ending(Reason.INTERRUPTED, "told to leave", 5.0)
    with closing(upload):
        async with setup.supervisor as watched:
            attempt = watched.begin_attempt(upload)
            watched.leave(told)
            watched.leave(told._replace(detail="again"))
            assert (attempt.result(), watched.left.result()) == (told, told)
            assert watched.begin_attempt(upload).result() == told
            assert not watched.stopped.done()
