from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.support.record_process import ROOT
from worker.delivery import folder_queue as module
from worker.delivery.folder_queue import FolderQueue, QueueState
from worker.delivery.jobs_queue import MessageLostError, QueueUnavailableError


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(tmp_path: Path, clock: Clock) -> FolderQueue:
    return FolderQueue(tmp_path / "queue", visibility=45, clock=clock)


def bodies(queue: FolderQueue) -> list[str]:
    received = []
    while (delivery := queue.receive(0)) is not None:
        received.append(delivery.body)
    return received


def test_jobs_are_received_once_the_oldest_first(queue: FolderQueue, clock: Clock) -> None:
    for body in ("one", "two", "three"):
        queue.send(body)
        clock.now += 1
    assert queue.state() == QueueState(3, frozenset())
    assert bodies(queue) == ["one", "two", "three"]
    assert queue.state() == QueueState(0, frozenset({os.getpid()}))


def test_another_process_finds_what_was_sent(queue: FolderQueue, tmp_path: Path, clock: Clock) -> None:
    identifier = queue.send("one")
    delivery = FolderQueue(tmp_path / "queue", clock=clock).receive(0)
    assert delivery is not None
    assert (delivery.message_id, delivery.sent_at, delivery.receive_count) == (identifier, clock.now, 1)


def test_a_message_of_a_killed_receiver_comes_back_with_its_count(queue: FolderQueue, clock: Clock) -> None:
    queue.send("one")
    first = queue.receive(0)
    assert first is not None
    clock.now += 44
    queue.extend(first.receipt, 45)
    clock.now += 44
    assert queue.receive(0) is None
    clock.now += 1
    second = queue.receive(0)
    assert second is not None
    assert second.receive_count == 2
    for request in (queue.delete, queue.give_back, lambda receipt: queue.extend(receipt, 1)):
        with pytest.raises(MessageLostError):
            request(first.receipt)
    queue.delete(second.receipt)
    with pytest.raises(MessageLostError):
        queue.delete(second.receipt)
    assert queue.state() == QueueState(0, frozenset())


RECEIVER = """
import sys, time
from pathlib import Path
from worker.delivery.folder_queue import FolderQueue
delivery = FolderQueue(Path(sys.argv[1])).receive(0)
print(delivery.receipt, flush=True)
time.sleep(600)
"""


def test_a_message_of_a_process_that_was_killed_is_visible_at_once(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path / "queue")
    queue.send("one")
    command = [sys.executable, "-c", RECEIVER, str(tmp_path / "queue")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as receiver:
        assert receiver.stdout is not None
        receipt = receiver.stdout.readline().strip()
        assert queue.state() == QueueState(0, frozenset({receiver.pid}))
        assert queue.receive(0) is None
        receiver.kill()
        # It is a zombie until it is waited for.
        os.waitid(os.P_PID, receiver.pid, os.WEXITED | os.WNOWAIT)
        assert queue.state() == QueueState(1, frozenset())
    assert queue.state() == QueueState(1, frozenset())
    again = queue.receive(0)
    assert again is not None
    assert again.receive_count == 2
    with pytest.raises(MessageLostError):
        queue.delete(receipt)


def test_of_a_process_in_another_container_nothing_is_known(
    queue: FolderQueue, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.send("one")
    assert queue.receive(0) is not None
    monkeypatch.setattr(module, "_namespace", lambda: 1)
    assert queue.receive(0) is None
    clock.now += 45
    assert queue.receive(0) is not None


def test_a_message_that_was_given_back_counts_and_waits(queue: FolderQueue, clock: Clock) -> None:
    queue.send("one")
    first = queue.receive(0)
    assert first is not None
    queue.give_back(first.receipt, 30)
    assert queue.state() == QueueState(0, frozenset())
    clock.now += 30
    again = queue.receive(0)
    assert again is not None
    assert again.receive_count == 2


def test_a_postponed_message_keeps_its_counts_and_has_its_new_body(queue: FolderQueue, clock: Clock) -> None:
    queue.send("one")
    first = queue.receive(0)
    assert first is not None
    assert not queue.postpone(first._replace(body="changed", delays=3), 600)
    clock.now += 599
    assert queue.receive(0) is None
    clock.now += 1
    again = queue.receive(0)
    assert again is not None
    assert (again.body, again.receive_count, again.postponed, again.delays) == ("changed", 1, 1, 3)
    assert again.sent_at == first.sent_at


def test_a_dead_letter_is_kept_apart(queue: FolderQueue, tmp_path: Path) -> None:
    queue.send("one")
    delivery = queue.receive(0)
    assert delivery is not None
    assert queue.dead_letter(delivery, "invalid_job")
    queue.delete(delivery.receipt)
    (letter,) = (tmp_path / "queue" / "dead").iterdir()
    assert '"reason":"invalid_job"' in letter.read_text()
    assert bodies(queue) == []


def test_a_delayed_message_waits(queue: FolderQueue, clock: Clock) -> None:
    queue.send("one", delay=10)
    assert bodies(queue) == []
    clock.now += 10
    assert bodies(queue) == ["one"]


def test_a_receive_that_waits_gets_what_is_sent_meanwhile_and_ends_when_cancelled(queue: FolderQueue) -> None:
    timer = threading.Timer(0.05, queue.send, ["one"])
    timer.start()
    delivery = queue.receive(20)
    timer.join()
    assert delivery is not None
    cancelled = threading.Event()
    cancelled.set()
    assert queue.until(cancelled).receive(20) is None


def test_what_is_no_message_is_named(queue: FolderQueue, tmp_path: Path) -> None:
    (tmp_path / "queue" / "x.json").write_text("{")
    with pytest.raises(QueueUnavailableError, match=r"x\.json: is no message"):
        queue.receive(0)
    with pytest.raises(QueueUnavailableError):
        FolderQueue(tmp_path / "queue" / "x.json")


def test_each_change_is_synced_after_it_and_not_under_the_lock(
    queue: FolderQueue, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, int]] = []

    def sync(folders: Iterable[Path]) -> None:
        with queue._lock.held(0):
            pass
        synced.extend((folder.name, len(list(folder.glob("*.json")))) for folder in folders)

    monkeypatch.setattr(queue._syncs, "sync", sync)
    queue.send("a")
    assert queue.receive(0) is not None
    clock.now += 60
    delivery = queue.receive(0)
    assert delivery is not None
    queue.extend(delivery.receipt, 45)
    queue.postpone(delivery, 0)
    delivery = queue.receive(0)
    assert delivery is not None
    queue.dead_letter(delivery, "poison")
    queue.delete(delivery.receipt)
    assert synced == [*[("queue", 1)] * 6, ("dead", 1), ("queue", 0)]
    assert queue.receive(0) is None
    assert len(synced) == 8, "where nothing is received, nothing is synced"


def test_queues_that_stop_by_themselves_share_their_syncs(queue: FolderQueue) -> None:
    assert queue.until(threading.Event())._syncs is queue._syncs
