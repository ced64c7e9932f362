from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.memory_store import Failing, MemoryStore
from worker.delivery.bucket_layout import bot_keys
from worker.delivery.errors import RefusedError, UnavailableError
from worker.jobs.local_copy import recording_folder, remove_local_copy

KEYS = bot_keys("", "bot-1")
PARTS = {(1, "part-000000.mcap"): b"one", (1, "part-000001.mcap"): b"two!", (2, "part-000000.mcap"): b"three"}


def recorded(work: Path) -> Path:
    """Two attempts with tapes and files, and what else a job leaves."""
    for (number, name), data in PARTS.items():
        tape = recording_folder(work, number) / "tape"
        tape.mkdir(parents=True, exist_ok=True)
        (tape / name).write_bytes(data)
        (tape.parent / "audio.wav").write_bytes(b"not uploaded; made from the tape")
    (work / "earlier" / "attempt-0001").mkdir(parents=True)
    return work


def uploaded(without: tuple[int, str] | None = None) -> MemoryStore:
    store = MemoryStore()
    for (number, name), data in PARTS.items():
        if (number, name) != without:
            store.overwrite(KEYS.attempt(number).tape_part(name), data)
    return store


def test_the_folder_goes_once_all_parts_are_in_the_bucket(tmp_path: Path) -> None:
    work = recorded(tmp_path / "work")
    assert remove_local_copy(work, uploaded(), KEYS)
    assert not work.exists()


@pytest.mark.parametrize("part", PARTS, ids=str)
def test_the_folder_stays_while_any_part_is_missing(
    tmp_path: Path, part: tuple[int, str], caplog: pytest.LogCaptureFixture
) -> None:
    work = recorded(tmp_path / "work")
    assert not remove_local_copy(work, uploaded(without=part), KEYS)
    assert (recording_folder(work, part[0]) / "tape" / part[1]).read_bytes() == PARTS[part]
    assert f"1 parts of the tape are not in the bucket; they are kept in {work}" in caplog.text


@pytest.mark.parametrize("data", [b"", b"thre", b"three and more"])
def test_the_folder_stays_while_a_part_differs_in_size(tmp_path: Path, data: bytes) -> None:
    work = recorded(tmp_path / "work")
    store = uploaded()
    store.overwrite(KEYS.attempt(2).tape_part("part-000000.mcap"), data)
    assert not remove_local_copy(work, store, KEYS)
    assert work.is_dir()


@pytest.mark.parametrize("error", [RefusedError("no list"), UnavailableError("no answer")])
def test_the_folder_stays_while_the_bucket_cannot_be_listed(tmp_path: Path, error: Exception) -> None:
    work = recorded(tmp_path / "work")
    store = uploaded()
    store.before = Failing(error, wanted=("list",))
    assert not remove_local_copy(work, store, KEYS)
    assert len(list(work.rglob("*.mcap"))) == 3


def test_another_bots_parts_are_not_taken_for_this_ones(tmp_path: Path) -> None:
    work = recorded(tmp_path / "work")
    store = MemoryStore()
    for (number, name), data in PARTS.items():
        store.overwrite(bot_keys("", "bot-10").attempt(number).tape_part(name), data)
    assert not remove_local_copy(work, store, KEYS)


def test_a_job_without_a_recording_leaves_nothing_and_asks_nothing(tmp_path: Path) -> None:
    work = tmp_path / "work"
    (recording_folder(work, 1) / "tape").mkdir(parents=True)
    store = MemoryStore()
    assert remove_local_copy(work, store, KEYS)
    assert (work.exists(), store.asked) == (False, [])
