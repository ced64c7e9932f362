from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.memory_store import Failing, MemoryStore
from worker.delivery.bucket_layout import bot_keys
from worker.delivery.errors import RefusedError, UnavailableError
from worker.jobs.attempt_numbers import claim_attempt
from worker.jobs.local_copy import (
    Origin,
    job_folder,
    recording_folder,
    remove_local_copy,
    upload_abandoned,
)

KEYS = bot_keys("", "bot-1")
PARTS = {(1, "part-000000.mcap"): b"one", (1, "part-000001.mcap"): b"two!", (2, "part-000000.mcap"): b"three"}

KILLED = Origin(owner="killed", bucket="bucket", prefix="p")
NEXT = Origin(owner="next", bucket="bucket", prefix="p")


def recorded(work: Path) -> Path:
    """Two attempts with tapes and files, and what else a job leaves."""
    for (number, name), data in PARTS.items():
        tape = recording_folder(work, number) / "tape"
        tape.mkdir(parents=True, exist_ok=True)
        (tape / name).write_bytes(data)
        (tape.parent / "audio.wav").write_bytes(b"not uploaded; made from the tape")
    (work / "earlier" / "attempt-0001").mkdir(parents=True)
    return work


def claimed(*owners: str) -> MemoryStore:
    """A store with an attempt of each of these workers."""
    store = MemoryStore()
    for owner in owners:
        claim_attempt(store, KEYS, owner, 0.0)
    return store


def uploaded(without: tuple[int, str] | None = None) -> MemoryStore:
    store = claimed("killed", "killed")
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


def abandoned(parent: Path, bot_id: str = "bot-1", origin: Origin = KILLED) -> Path:
    """What a killed worker leaves."""
    with job_folder(parent, bot_id, origin) as work:
        return recorded(work)


@pytest.mark.parametrize("missing", [*PARTS, None], ids=str)
def test_what_a_killed_worker_left_is_uploaded_by_the_next_one(
    tmp_path: Path, missing: tuple[int, str] | None
) -> None:
    left, store = abandoned(tmp_path), uploaded(without=missing)
    with job_folder(tmp_path, "bot-1", NEXT) as own:
        assert upload_abandoned(own, "bot-1", store, KEYS) == (0 if missing is None else 1)
        assert own.exists()
    assert not left.exists()
    assert store.objects == uploaded().objects


def test_what_another_worker_still_writes_is_left_alone(tmp_path: Path) -> None:
    store = claimed("killed", "killed")
    before = dict(store.objects)
    with job_folder(tmp_path, "bot-1", KILLED) as paused:
        recorded(paused)
        with job_folder(tmp_path, "bot-1", NEXT) as own:
            assert upload_abandoned(own, "bot-1", store, KEYS) == 0
        assert (recording_folder(paused, 1) / "tape" / "part-000000.mcap").exists()
    assert store.objects == before


@pytest.mark.parametrize("other", ["bot-2", "bot", "bot-1-abcdefgh", "bot-11"])
def test_what_belongs_to_another_bot_is_left_alone(tmp_path: Path, other: str) -> None:
    left, store = abandoned(tmp_path, other), claimed("killed", "killed")
    before = dict(store.objects)
    (tmp_path / "meetstems-bot-1").mkdir()
    with job_folder(tmp_path, "bot-1", NEXT) as own:
        assert upload_abandoned(own, "bot-1", store, KEYS) == 0
    assert left.exists()
    assert store.objects == before


@pytest.mark.parametrize(
    ("origin", "owners"),
    [
        (Origin(owner="killed", bucket="other", prefix="p"), ("killed", "killed")),
        (Origin(owner="killed", bucket="bucket", prefix=""), ("killed", "killed")),
        (KILLED, ()),
        (KILLED, ("another", "another")),
        (KILLED, ("killed",)),
        (KILLED, ("killed", "another")),
    ],
    ids=["other bucket", "other prefix", "deleted", "deleted, used again", "one gone", "one of another"],
)
@pytest.mark.parametrize("are_there", [False, True])
def test_what_no_attempt_of_the_bucket_recorded_is_neither_uploaded_nor_removed(
    tmp_path: Path, origin: Origin, owners: tuple[str, ...], are_there: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even where the bot's own parts have the same names and sizes."""
    left, store = abandoned(tmp_path, origin=origin), claimed(*owners)
    if are_there:
        for (number, name), data in PARTS.items():
            store.overwrite(KEYS.attempt(number).tape_part(name), data[::-1])
    before = dict(store.objects)
    with job_folder(tmp_path, "bot-1", NEXT) as own:
        assert upload_abandoned(own, "bot-1", store, KEYS) == 0
    assert store.objects == before
    assert len(list(left.rglob("*.mcap"))) == len(PARTS)
    assert [record.message for record in caplog.records] == [
        f"{left} is of no attempt in this bucket; it is kept"
    ]


@pytest.mark.parametrize("content", [None, b"", b"{}"])
def test_a_folder_that_does_not_say_whose_it_is_stays(tmp_path: Path, content: bytes | None) -> None:
    left, store = abandoned(tmp_path), claimed("killed", "killed")
    (left / "origin.json").unlink()
    if content is not None:
        (left / "origin.json").write_bytes(content)
    with job_folder(tmp_path, "bot-1", NEXT) as own:
        assert upload_abandoned(own, "bot-1", store, KEYS) == 0
    assert len(list(left.rglob("*.mcap"))) == len(PARTS)


def test_an_attempt_that_cannot_be_read_proves_nothing(tmp_path: Path) -> None:
    left, store = abandoned(tmp_path), claimed("killed", "killed")
    store.overwrite(f"{KEYS.attempt(2).folder}attempt.json", b"{}")
    with job_folder(tmp_path, "bot-1", NEXT) as own:
        assert upload_abandoned(own, "bot-1", store, KEYS) == 0
    assert left.exists()


def test_a_folder_without_a_recording_is_removed(tmp_path: Path) -> None:
    with job_folder(tmp_path, "bot-1", KILLED) as left:
        pass
    with job_folder(tmp_path, "bot-1", NEXT) as own:
        assert upload_abandoned(own, "bot-1", MemoryStore(), KEYS) == 0
    assert not left.exists()


def test_a_part_that_differs_from_the_stored_one_is_kept(tmp_path: Path) -> None:
    left, store = abandoned(tmp_path), uploaded()
    key = KEYS.attempt(1).tape_part("part-000001.mcap")
    store.overwrite(key, b"another length")
    with job_folder(tmp_path, "bot-1", NEXT) as own:
        assert upload_abandoned(own, "bot-1", store, KEYS) == 0
    assert left.exists()
    assert store.objects[key] == b"another length"
