from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.support.record_process import ROOT
from worker.delivery import file_lock as module
from worker.delivery.file_lock import file_lock
from worker.delivery.folder_queue import FolderQueue
from worker.delivery.folder_store import FolderStore
from worker.delivery.jobs_queue import QueueUnavailableError
from worker.delivery.object_store import StoreUnavailableError

HOLDER = """
import sys, time
from pathlib import Path
from worker.delivery.file_lock import file_lock
with file_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    inside, most = [], []

    def work() -> None:
        for _ in range(20):
            with file_lock(tmp_path / "lock"):
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
                file_lock(path, 0.05),
            ):
                pass
        finally:
            holder.kill()
    with file_lock(path):
        pass


def test_what_a_holder_never_gives_back_is_an_error_that_may_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, store = FolderQueue(tmp_path / "queue"), FolderStore(tmp_path / "store")
    queue.send("one")
    monkeypatch.setattr(module, "_acquire", lambda descriptor, _: _refused(descriptor))
    for request in (queue.state, lambda: queue.send("two"), lambda: queue.receive(0)):
        with pytest.raises(QueueUnavailableError, match="another process has the lock"):
            request()
    for change in (
        lambda: store.put("a", b"", content_type="text/plain"),
        lambda: store.delete("a"),
    ):
        with pytest.raises(StoreUnavailableError, match="another process has the lock"):
            change()


def _refused(_: int) -> None:
    raise TimeoutError("another process has the lock for 10 s")
