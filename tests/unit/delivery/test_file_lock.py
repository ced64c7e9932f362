from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.record_process import ROOT
from worker.delivery import file_lock as module
from worker.delivery.file_lock import FileLock
from worker.delivery.folder_queue import FolderQueue
from worker.delivery.folder_store import FolderStore
from worker.delivery.jobs_queue import QueueUnavailableError
from worker.delivery.object_store import StoreUnavailableError

HOLDER = """
import sys, time
from pathlib import Path
from worker.delivery.file_lock import FileLock
with FileLock(Path(sys.argv[1])).held():
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("is_shared", [True, False])
def test_one_holder_at_a_time(tmp_path: Path, is_shared: bool) -> None:
    inside, most = [], []
    shared = FileLock(tmp_path / "lock")

    def work() -> None:
        own = shared if is_shared else FileLock(tmp_path / "lock")
        for _ in range(20):
            with own.held():
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.0005)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(most), set(most)) == (80, {1})


def test_a_killed_holder_has_the_lock_no_more(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            with (
                pytest.raises(TimeoutError, match=r"another process has the lock for 0\.05 s"),
                FileLock(path).held(0.05),
            ):
                pass
        finally:
            holder.kill()
    with FileLock(path).held():
        pass


def test_threads_wait_for_each_other_without_a_look_at_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    lock, acquire = FileLock(tmp_path / "lock"), module._acquire

    def look(descriptor: int, deadline: float) -> bool:
        looked.append(descriptor)
        return acquire(descriptor, deadline)

    monkeypatch.setattr(module, "_acquire", look)

    def refused() -> None:
        with pytest.raises(TimeoutError), lock.held(0.01):
            pass

    with lock.held(), ThreadPoolExecutor(4) as pool:
        for each in [pool.submit(refused) for _ in range(4)]:
            each.result(60)
    assert len(looked) == 1
    with lock.held():
        assert len(looked) == 2


def test_a_thread_waits_no_longer_than_it_wants_to_behind_one_that_waits_for_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, acquire, looks = FileLock(tmp_path / "lock"), module._acquire, threading.Event()

    def look(descriptor: int, deadline: float) -> bool:
        looks.set()
        return acquire(descriptor, deadline)

    def wait_long() -> None:
        with lock.held(60):
            pass

    monkeypatch.setattr(module, "_acquire", look)
    with ThreadPoolExecutor(1) as pool:
        with FileLock(tmp_path / "lock").held():
            looks.clear()
            patient = pool.submit(wait_long)
            assert looks.wait(60)
            with pytest.raises(TimeoutError), lock.held(0.01):
                pass
            assert not patient.done()
        patient.result(60)


def test_what_a_holder_never_gives_back_is_an_error_that_may_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, store = FolderQueue(tmp_path / "queue"), FolderStore(tmp_path / "store")
    queue.send("one")
    monkeypatch.setattr(module, "_acquire", lambda _descriptor, _deadline: False)
    # A new message changes no other one.
    queue.send("two")
    for request in (queue.state, lambda: queue.extend("one/receipt", 1), lambda: queue.receive(0)):
        with pytest.raises(QueueUnavailableError, match="another process has the lock"):
            request()
    for change in (
        lambda: store.put("a", b"", content_type="text/plain"),
        lambda: store.delete("a"),
    ):
        with pytest.raises(StoreUnavailableError, match="another process has the lock"):
            change()
