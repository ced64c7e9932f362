from __future__ import annotations

import threading

import pytest

from worker.delivery.heartbeat import Heartbeat
from worker.delivery.jobs_queue import MessageLostError, QueueUnavailableError


class Beats:
    """Beats that fail as told, and can be waited for."""

    def __init__(self, *fates: Exception | None) -> None:
        self._fates = list(fates)
        self._count = threading.Semaphore(0)
        self.lost: list[Exception] = []
        self.ended = threading.Event()

    def beat(self) -> None:
        self._count.release()
        fate = self._fates.pop(0) if self._fates else None
        if fate is not None:
            raise fate

    def on_lost(self, error: Exception) -> None:
        self.lost.append(error)
        self.ended.set()

    def wait(self, count: int) -> None:
        for _ in range(count):
            assert self._count.acquire(timeout=10)


def test_it_beats_until_it_is_stopped() -> None:
    beats = Beats()
    with Heartbeat("x", 0.001, beats.beat, beats.on_lost):
        beats.wait(5)
    assert beats.lost == []
    assert not [thread for thread in threading.enumerate() if thread.name == "heartbeat-x"]


def test_an_outage_is_borne() -> None:
    beats = Beats(QueueUnavailableError("away"), QueueUnavailableError("away"))
    with Heartbeat("x", 0.001, beats.beat, beats.on_lost):
        beats.wait(4)
    assert beats.lost == []


@pytest.mark.parametrize("error", [MessageLostError("gone"), RuntimeError("a mistake of ours")])
def test_a_loss_is_told_once_and_ends_it(error: Exception) -> None:
    beats = Beats(None, error)
    with Heartbeat("x", 0.001, beats.beat, beats.on_lost):
        assert beats.ended.wait(10)
    assert beats.lost == [error]


def test_what_fails_after_the_stop_is_no_loss() -> None:
    begun, let_go = threading.Event(), threading.Event()
    lost: list[Exception] = []

    def beat() -> None:
        begun.set()
        let_go.wait(10)
        raise MessageLostError("deleted by ourselves")

    heartbeat = Heartbeat("x", 0.001, beat, lost.append)
    with heartbeat:
        assert begun.wait(10)
        stopping = threading.Thread(target=heartbeat.stop)
        stopping.start()
        while not heartbeat.stopped:
            pass
        let_go.set()
        stopping.join(10)
    assert lost == []


def test_it_can_be_stopped_by_what_it_reports_to() -> None:
    beats = Beats(MessageLostError("gone"))
    stopped = threading.Event()

    def on_lost(error: Exception) -> None:
        heartbeat.stop()
        stopped.set()

    heartbeat = Heartbeat("x", 0.001, beats.beat, on_lost)
    with heartbeat:
        assert stopped.wait(10)
