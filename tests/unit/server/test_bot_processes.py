from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.record_process import ROOT
from worker.contracts.meetstream import read_meetstream
from worker.delivery.folder_queue import FolderQueue, QueueState
from worker.server.bot_processes import BotProcesses, worker_starter

WORKER = """
import signal, sys, time
from pathlib import Path
from worker.delivery.folder_queue import FolderQueue
folder = Path(sys.argv[1])
queue = FolderQueue(folder / "queue")
job = queue.receive(5)
if job is None:
    sys.exit(0)
told_to_stop = []
# A handler that used the queue itself would wait for the lock that the code has which it interrupts.
signal.signal(signal.SIGTERM, lambda *_: told_to_stop.append(1))
while not (folder / "over").exists():
    queue.extend(job.receipt, 45)
    if told_to_stop:
        queue.give_back(job.receipt)
        sys.exit(75)
    time.sleep(0.05)
with (folder / "done").open("a") as done:
    done.write(job.message_id + "\\n")
queue.delete(job.receipt)
"""
"""Takes a job as ``meetstems run`` does, and works on it until the file ``over`` is there."""

SERVER = """
import sys, time
from pathlib import Path
from tests.unit.server.test_bot_processes import bots_of
bots = bots_of(Path(sys.argv[1]))
bots.start()
time.sleep(600)
"""


def bots_of(folder: Path, most: int = 2) -> BotProcesses:
    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", WORKER, str(folder)]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)

    return BotProcesses(FolderQueue(folder / "queue"), most, start)


def until(wanted: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[FolderQueue]:
    queue = FolderQueue(tmp_path / "queue")
    yield queue
    (tmp_path / "over").touch()
    until(lambda: queue.state().holders == frozenset())


def submit(bots: BotProcesses, count: int) -> None:
    for number in range(count):
        body = {"meeting_link": "https://meet.google.com/abc-defg-hij"}
        bots.submit(read_meetstream(body, lambda number=number: f"bot-{number}"))  # type: ignore[misc]


def test_at_most_so_many_bots_work_at_once_and_the_others_follow(queue: FolderQueue, tmp_path: Path) -> None:
    bots = bots_of(tmp_path)
    submit(bots, 5)
    assert bots.start_workers() == 2
    assert bots.start_workers() == 0, "the two that were started have no job yet"
    until(lambda: len(queue.state().holders) == 2)
    assert bots.start_workers() == 0
    assert queue.state().waiting == 3
    bots.start()
    (tmp_path / "over").touch()
    until(lambda: queue.state() == QueueState(0, frozenset()))
    bots.close()
    done = (tmp_path / "done").read_text().split()
    assert len(done) == len(set(done)) == 5


def test_a_worker_that_has_not_taken_its_job_yet_is_reckoned_with(tmp_path: Path) -> None:
    workers: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        workers.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]))
        return workers[-1]

    bots = BotProcesses(FolderQueue(tmp_path / "queue"), 9, start)
    submit(bots, 2)
    assert [bots.start_workers(), bots.start_workers()] == [2, 0]
    submit(bots, 1)
    assert [bots.start_workers(), bots.start_workers()] == [1, 0]
    for worker in workers:
        worker.kill()
        worker.wait()


def test_workers_of_a_killed_server_go_on_and_are_counted_by_the_next(
    queue: FolderQueue, tmp_path: Path
) -> None:
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(tmp_path)], cwd=ROOT)
    submit(bots_of(tmp_path), 3)
    until(lambda: len(queue.state().holders) == 2)
    server.kill()
    server.wait()
    holders = queue.state().holders
    successor = bots_of(tmp_path)
    assert successor.start_workers() == 0, "the two are at work"
    for holder in holders:
        assert psutil.pid_exists(holder)
        os.kill(holder, signal.SIGKILL)
    until(lambda: queue.state().waiting == 3)
    successor.start()
    until(lambda: len(queue.state().holders) == 2)
    assert queue.state().holders.isdisjoint(holders)
    (tmp_path / "over").touch()
    until(lambda: queue.state() == QueueState(0, frozenset()))
    successor.close()
    assert len(set((tmp_path / "done").read_text().split())) == 3


def test_close_lets_workers_hand_their_jobs_back(queue: FolderQueue, tmp_path: Path) -> None:
    bots = bots_of(tmp_path)
    submit(bots, 2)
    bots.start()
    until(lambda: len(queue.state().holders) == 2)
    bots.close()
    assert queue.state() == QueueState(2, frozenset())


def test_a_worker_that_is_not_able_to_work_is_not_started_again_at_once(
    queue: FolderQueue, tmp_path: Path
) -> None:
    started = []

    def start() -> subprocess.Popen[bytes]:
        worker = subprocess.Popen([sys.executable, "-c", "raise SystemExit(2)"])
        started.append(worker)
        worker.wait()
        return worker

    bots = BotProcesses(queue, 2, start)
    submit(bots, 1)
    assert bots.start_workers() == 1
    assert bots.start_workers() == 0
    assert len(started) == 1
    first = queue.receive(0)
    assert first is not None
    queue.delete(first.receipt)


def test_workers_get_the_folder_and_no_port_of_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, str] = {}

    def popen(command: list[str], **options: object) -> None:
        seen.update(options["env"])  # type: ignore[call-overload]
        assert command[1:] == ["-m", "worker.cli", "run"]
        assert options["start_new_session"] is True

    monkeypatch.setattr(subprocess, "Popen", popen)
    with (tmp_path / "log").open("wb") as log:
        worker_starter(tmp_path, {"MEETSTEMS_METRICS_PORT": "1", "PATH": "/bin"}, log)()
    assert seen["MEETSTEMS_DATA_DIR"] == str(tmp_path)
    assert seen["PATH"] == "/bin"
    assert "MEETSTEMS_METRICS_PORT" not in seen
