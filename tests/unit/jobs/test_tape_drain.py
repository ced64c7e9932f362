from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.memory_store import Failing, MemoryStore
from tests.support.uploaded_tapes import ATTEMPT_KEYS, some_parts
from worker.delivery.errors import RefusedError
from worker.delivery.tape_upload import TapeUpload
from worker.jobs import tape_drain
from worker.jobs.tape_drain import drain_tapes

REFUSED = RefusedError("S3: put: AccessDenied")


class Uploads:
    """Uploads of the test's tapes, closed at its end."""

    def __init__(self) -> None:
        self.made: list[TapeUpload] = []

    def of(self, store: MemoryStore, parts: list[Path]) -> TapeUpload:
        upload = TapeUpload(store, ATTEMPT_KEYS, pause=0.01)
        self.made.append(upload)
        for part in parts:
            upload.part_closed(part)
        return upload


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Uploads]:
    monkeypatch.setattr(tape_drain, "ROUND_SECONDS", 0.05)
    made = Uploads()
    yield made
    for upload in made.made:
        upload.close()


def never_stuck(missing: int) -> None:
    raise AssertionError(f"{missing} parts are stuck")


async def test_it_waits_until_all_parts_of_all_tapes_are_there(uploads: Uploads, tmp_path: Path) -> None:
    stores = [MemoryStore(Failing(*[REFUSED] * 5)) for _ in range(2)]
    both = [uploads.of(store, some_parts(tmp_path / str(n), 3)) for n, store in enumerate(stores)]
    assert await drain_tapes(both, threading.Event(), never_stuck)
    assert [len(store.objects) for store in stores] == [3, 3]


async def test_nothing_to_wait_for_ends_at_once(uploads: Uploads) -> None:
    out_of_time = threading.Event()
    out_of_time.set()
    assert await drain_tapes([], out_of_time, never_stuck)
    assert await drain_tapes([uploads.of(MemoryStore(), [])], out_of_time, never_stuck)


async def test_stuck_parts_are_counted_and_waited_for(
    uploads: Uploads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tape_drain, "STUCK_SECONDS", 0.1)
    failing = Failing(*[REFUSED] * 100_000)
    store = MemoryStore(failing)
    upload = uploads.of(store, some_parts(tmp_path / "tape", 3))
    stuck: list[int] = []

    def on_stuck(missing: int) -> None:
        stuck.append(missing)
        if len(stuck) == 3:
            failing.errors.clear()

    assert await drain_tapes([upload], threading.Event(), on_stuck)
    assert stuck[:3] == [3, 3, 3]
    assert len(store.objects) == 3


async def test_out_of_time_the_wait_ends_and_says_that_parts_are_missing(
    uploads: Uploads, tmp_path: Path
) -> None:
    upload = uploads.of(MemoryStore(Failing(*[REFUSED] * 100_000)), some_parts(tmp_path / "tape", 2))
    out_of_time = threading.Event()
    draining = asyncio.create_task(drain_tapes([upload], out_of_time, never_stuck))
    await asyncio.sleep(0.2)
    assert not draining.done()
    began = time.monotonic()
    out_of_time.set()
    assert not await draining
    assert time.monotonic() - began < 10
    assert len(upload.pending()) == 2


async def test_a_part_that_was_given_up_is_no_success(uploads: Uploads, tmp_path: Path) -> None:
    parts = some_parts(tmp_path / "tape", 2)
    parts[0].unlink()
    store = MemoryStore()
    assert not await drain_tapes([uploads.of(store, parts)], threading.Event(), never_stuck)
    assert len(store.objects) == 1


async def test_the_loop_goes_on_while_it_waits(uploads: Uploads, tmp_path: Path) -> None:
    """Heartbeats of health and signals must not wait for S3."""
    upload = uploads.of(MemoryStore(Failing(*[REFUSED] * 100_000)), some_parts(tmp_path / "tape", 1))
    out_of_time = threading.Event()
    draining = asyncio.create_task(drain_tapes([upload], out_of_time, never_stuck))
    slowest = 0.0
    for _ in range(30):
        began = time.monotonic()
        await asyncio.sleep(0.01)
        slowest = max(slowest, time.monotonic() - began)
    out_of_time.set()
    await draining
    assert slowest < 2.0
