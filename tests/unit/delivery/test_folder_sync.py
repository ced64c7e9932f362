from __future__ import annotations

import errno
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.waits import until
from worker.delivery import folder_sync as module
from worker.delivery.folder_sync import FolderSync

LONG = 30.0
"""Seconds that nothing here takes."""


class Disk:
    """Notes the folders that are synced; a sync lasts until it is ``let``, and raises ``error``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.let = threading.Event()
        self.error: OSError | None = None
        monkeypatch.setattr(module, "_fsync", self.sync)

    def sync(self, folder: Path) -> None:
        self.begun.append(folder.name)
        assert self.let.wait(LONG)
        if self.error is not None:
            raise self.error
        self.ended.append(folder.name)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


async def together(
    syncs: FolderSync, disk: Disk, pool: ThreadPoolExecutor
) -> tuple[Future[None], list[Future[None]]]:
    """One thread that syncs, and ten others that came meanwhile."""
    first = pool.submit(syncs.sync, [Path("first"), Path("top")])
    await until(lambda: disk.begun)
    others = [pool.submit(syncs.sync, [Path(f"{number}"), Path("top")]) for number in range(10)]
    await until(lambda: len(syncs._next.folders) == 11)
    return first, others


async def test_those_who_come_during_a_sync_share_the_next_one(disk: Disk) -> None:
    syncs = FolderSync()
    with ThreadPoolExecutor(11) as pool:
        try:
            first, others = await together(syncs, disk, pool)
            assert not any(each.done() for each in others), "their names may be newer than the sync that runs"
        finally:
            disk.let.set()
        for each in (first, *others):
            each.result(LONG)
    assert disk.ended[:2] == ["first", "top"]
    assert sorted(disk.ended[2:]) == sorted([*map(str, range(10)), "top"])


async def test_what_fails_fails_for_all_of_its_round_and_for_no_other(disk: Disk) -> None:
    syncs = FolderSync()
    disk.error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with ThreadPoolExecutor(11) as pool:
        try:
            first, others = await together(syncs, disk, pool)
        finally:
            disk.let.set()
        for each in (first, *others):
            with pytest.raises(OSError, match="No space left"):
                each.result(LONG)
    disk.error = None
    syncs.sync([Path("next")])
    assert disk.ended == ["next"]


def test_a_thread_that_is_interrupted_leaves_the_next_one_a_round(disk: Disk) -> None:
    syncs = FolderSync()
    disk.let.set()

    class Interrupted:
        def __enter__(self) -> None:
            raise KeyboardInterrupt

        def __exit__(self, *_: object) -> None: ...

    syncs._syncing, free = Interrupted(), syncs._syncing  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        syncs.sync([Path("first")])
    syncs._syncing = free
    syncs.sync([Path("next")])
    assert disk.ended == ["next"]


def test_a_folder_that_is_gone_has_nothing_to_sync(tmp_path: Path) -> None:
    FolderSync().sync([tmp_path / "gone", tmp_path])
