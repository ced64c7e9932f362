from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.record_process import ROOT
from tests.support.waits import until
from worker.delivery.file_lock import FileLock
from worker.delivery.folder_store import FolderStore
from worker.delivery.object_store import (
    EmptyWriteError,
    NotFoundError,
    PreconditionFailedError,
    StoreUnavailableError,
)

TYPE = "application/octet-stream"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "data")


def test_what_was_put_is_there_for_another_process(store: FolderStore) -> None:
    etag = store.put("bots/a/bot.json", b"one", content_type=TYPE)
    again = FolderStore(store.root)
    assert again.get("bots/a/bot.json")[:2] == (b"one", etag)
    assert store.put("bots/a/bot.json", b"two", content_type=TYPE, if_match=etag) != etag
    assert again.get("bots/a/bot.json").data == b"two"


def test_get_unless_reads_only_another_version(store: FolderStore) -> None:
    with pytest.raises(NotFoundError):
        store.get_unless("key", None)
    etag = store.put("key", b"one", content_type=TYPE)
    assert store.get_unless("key", etag) is None
    changed = store.put("key", b"two", content_type=TYPE)
    for known in (None, etag):
        found = store.get_unless("key", known)
        assert found is not None
        assert found[:2] == (b"two", changed)


def test_conditions_refuse_and_write_nothing(store: FolderStore) -> None:
    first = store.put("key", b"first", content_type=TYPE, if_absent=True)
    for conditions in ({"if_absent": True}, {"if_match": '"other"'}):
        with pytest.raises(PreconditionFailedError):
            store.put("key", b"second", content_type=TYPE, **conditions)
    with pytest.raises(PreconditionFailedError):
        store.put("missing", b"second", content_type=TYPE, if_match=first)
    assert [(item.key, item.size) for item in store.list("")] == [("key", 5)]
    assert store.get("key").data == b"first"
    assert list((store.root / "unfinished").iterdir()) == []


def test_an_empty_object_never_replaces_one(store: FolderStore, tmp_path: Path) -> None:
    store.put("empty", b"", content_type=TYPE)
    store.put("key", b"first", content_type=TYPE)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(EmptyWriteError):
        store.put("key", tmp_path / "file", content_type=TYPE)
    assert store.get("key").data == b"first"


def test_files_go_in_and_out(store: FolderStore, tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    (tmp_path / "in").write_bytes(content)
    store.put("streams/anna.webm", tmp_path / "in", content_type=TYPE)
    store.download("streams/anna.webm", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == content
    with pytest.raises(NotFoundError):
        store.download("streams/bob.webm", tmp_path / "bob")
    with pytest.raises(FileNotFoundError):
        store.put("key", tmp_path / "bob", content_type=TYPE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "in", "out"]


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../key", "a/../../key", "a//b", "a/", ".", "a\0b"])
def test_nothing_outside_the_folder_has_a_key(store: FolderStore, key: str) -> None:
    for request in (store.get, store.path, store.delete):
        with pytest.raises(NotFoundError):
            request(key)
    with pytest.raises(NotFoundError):
        store.put(key, b"data", content_type=TYPE)


def test_a_folder_is_no_object(store: FolderStore) -> None:
    store.put("a/b", b"1", content_type=TYPE)
    for key in ("a", "a/b/c", "c"):
        with pytest.raises(NotFoundError):
            store.get(key)


def test_delete_leaves_no_empty_folders(store: FolderStore) -> None:
    store.put("a/b/c", b"1", content_type=TYPE)
    store.put("a/d", b"1", content_type=TYPE)
    store.delete("a/b/c")
    store.delete("a/b/c")
    store.delete("x/y")
    assert [path.name for path in (store.root / "objects" / "a").iterdir()] == ["d"]


def test_age_is_since_the_last_write(tmp_path: Path) -> None:
    now = [0.0]
    store = FolderStore(tmp_path, lambda: now[0])
    store.put("key", b"1", content_type=TYPE)
    assert store.get("key").age == 0.0
    now[0] = (store.root / "objects" / "key").stat().st_mtime + 7
    assert store.get("key").age == pytest.approx(7)


def test_a_disk_that_cannot_be_used_is_unavailable_and_keeps_what_it_had(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store.put("key", b"first", content_type=TYPE)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreUnavailableError, match="put key: No space left"):
        store.put("key", b"second", content_type=TYPE)
    assert store.get("key").data == b"first"
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnavailableError, match="cannot be used: Not a directory"):
        FolderStore(tmp_path / "file" / "data")


NAMES = st.text("ab./-", min_size=1, max_size=8).filter(
    lambda key: "//" not in key and key[0] != "/" and key[-1] != "/" and not {".", ".."} & set(key.split("/"))
)


@given(keys=st.sets(NAMES, max_size=12), prefix=st.text("ab./-", max_size=3), limit=st.integers(1, 5))
def test_pages_together_are_the_listing_in_order_of_keys(
    tmp_path_factory: pytest.TempPathFactory, keys: set[str], prefix: str, limit: int
) -> None:
    store = FolderStore(tmp_path_factory.mktemp("store"))
    kept = [key for key in sorted(keys) if not any(other.startswith(f"{key}/") for other in keys)]
    for key in kept:
        store.put(key, b"1", content_type=TYPE)
    expected = [key for key in kept if key.startswith(prefix)]
    assert [item.key for item in store.list(prefix)] == expected
    paged: list[str] = []
    while page := store.page(prefix, paged[-1] if paged else "", limit):
        assert len(page) <= limit
        paged += [item.key for item in page]
    assert paged == expected


def test_of_many_writers_one_creates_and_one_replaces_each_version(store: FolderStore) -> None:
    def create(number: int) -> bool:
        try:
            store.put("key", f"{number}".encode(), content_type=TYPE, if_absent=True)
        except PreconditionFailedError:
            return False
        return True

    def count(_: int) -> None:
        while True:
            seen = store.get("count")
            try:
                store.put("count", b"%d" % (int(seen.data) + 1), content_type=TYPE, if_match=seen.etag)
            except PreconditionFailedError:
                continue
            return

    store.put("count", b"0", content_type=TYPE)
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(create, range(16))) == 1
        list(pool.map(count, range(24)))
    assert store.get("count").data == b"24"


WRITER = """
import sys
from pathlib import Path
from worker.delivery.file_lock import FileLock
from worker.delivery.folder_store import FolderStore
store = FolderStore(Path(sys.argv[1]))
for number in range(10**9):
    store.put("key", b"%09d" % number * 5000, content_type="")
    print(number, flush=True)
"""


def test_a_killed_writer_leaves_a_whole_object_and_no_lock(store: FolderStore) -> None:
    command = [sys.executable, "-c", WRITER, str(store.root)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        written = [int(writer.stdout.readline()) for _ in range(5)]
        writer.kill()
        written += [int(line) for line in writer.stdout if line.endswith("\n")]
    data = store.get("key").data
    assert data in (b"%09d" % number * 5000 for number in (written[-1], written[-1] + 1))
    store.put("key", b"next", content_type=TYPE)


BIG_WRITER = """
import sys
from pathlib import Path
from worker.delivery.file_lock import FileLock
from worker.delivery.folder_store import FolderStore
FolderStore(Path(sys.argv[1])).put("audio.wav", Path(sys.argv[2]), content_type="")
"""


def is_locked(path: Path) -> bool:
    """Whether another process has the lock of the file, which it takes a moment after it has made it."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_what_a_killed_writer_left_is_removed_and_nothing_of_one_that_lives(
    store: FolderStore, tmp_path: Path
) -> None:
    pipe, unfinished = tmp_path / "pipe", store.root / "unfinished"
    os.mkfifo(pipe)
    command = [sys.executable, "-c", BIG_WRITER, str(store.root), str(pipe)]
    for is_killed in (False, True):
        with subprocess.Popen(command, cwd=ROOT) as writer:
            try:
                # Opened without waiting for the writer, which waits for the pipe's other end.
                source = os.fdopen(os.open(pipe, os.O_RDWR), "wb", buffering=0)
                with source:
                    source.write(b"voice" * 1000)
                    asyncio.run(until(lambda: any(map(is_locked, unfinished.iterdir()))))
                    store.remove_unfinished()
                    FolderStore(store.root)
                    assert len(list(unfinished.iterdir())) == 1, "its writer lives"
                    if is_killed:
                        writer.kill()
                        writer.wait(10)
                        assert len(list(unfinished.iterdir())) == 1
                assert is_killed or writer.wait(10) == 0
            finally:
                writer.kill()
        FolderStore(store.root)
        assert list(unfinished.iterdir()) == []
        assert store.get("audio.wav").data == b"voice" * 1000


def test_a_write_is_synced_with_all_folders_above_it_after_it_and_not_under_the_lock(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[list[str]] = []
    path, lock = store.path("a/b/key"), FileLock(store.root / "objects.lock")

    def sync(folders: Iterable[Path]) -> None:
        with lock.held(0):
            assert path.exists()
        synced.append([folder.name for folder in folders])

    monkeypatch.setattr(store._syncs, "sync", sync)
    store.put("a/b/key", b"1", content_type=TYPE, if_absent=True)
    with pytest.raises(PreconditionFailedError):
        store.put("a/b/key", b"2", content_type=TYPE, if_absent=True)
    assert synced == [["b", "a", "objects"]] * 2


def test_blocks_are_the_part_that_is_asked_for(store: FolderStore) -> None:
    data = bytes(range(256)) * 10_000
    store.put("a", data, content_type="audio/webm")
    store.put("empty", b"", content_type="audio/webm")
    for start, length in ((0, None), (5, None), (5, 10), (1_000_000, 1_200_000), (0, len(data)), (7, 0)):
        end = None if length is None else start + length
        assert b"".join(store.blocks("a", start, length)) == data[start:end]
    assert b"".join(store.blocks("empty")) == b""
    with pytest.raises(NotFoundError):
        next(store.blocks("missing"))
