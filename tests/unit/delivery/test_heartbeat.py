from __future__ import annotations

import threading

import pytest

from worker.delivery.errors import RefusedError
from worker.delivery.heartbeat import Heartbeat
from worker.delivery.jobs_queue import MessageLostError, QueueUnavailableError, VisibilityCapError
from worker.delivery.lease import LeaseLostError


class Beats:
    """Counts beats. Each beat raises the next of ``errors``; None, or no more of them: it succeeds."""

    def __init__(self, *errors: Exception | None) -> None:
        self._errors = list(errors)
        self._count = threading.Semaphore(0)
        self.lost: list[Exception] = []
        self.ended = threading.Event()

    def beat(self) -> None:
        self._count.release()
        error = self._errors.pop(0) if self._errors else None
        if error is not None:
            raise error

    def on_lost(self, error: Exception) -> None:
        self.lost.append(error)
        self.ended.set()

    def wait(self, count: int) -> None:
        for _ in range(count):
            assert self._count.acquire(timeout=10)


def test_the_heartbeat_beats_until_it_is_stopped() -> None:
    beats = Beats()
    with Heartbeat("x", 0.001, beats.beat, MessageLostError, beats.on_lost):
        beats.wait(5)
    assert beats.lost == []
    assert not [thread for thread in threading.enumerate() if thread.name == "heartbeat-x"]


@pytest.mark.parametrize(
    "error",
    [
        QueueUnavailableError("away"),
        RefusedError("SQS: extend: AccessDenied"),
        LeaseLostError("what another heartbeat keeps"),
        OSError("no file handles left"),
        RuntimeError("a mistake of ours"),
    ],
)
def test_no_error_but_a_loss_ends_the_heartbeat(error: Exception) -> None:
    beats = Beats(error, None, error)
    with Heartbeat("x", 0.001, beats.beat, MessageLostError, beats.on_lost):
        beats.wait(4)
    assert beats.lost == []


@pytest.mark.parametrize("error", [MessageLostError("gone"), VisibilityCapError("12 hours are over")])
def test_a_loss_is_reported_once_and_ends_the_heartbeat(error: Exception) -> None:
    beats = Beats(None, error)
    with Heartbeat("x", 0.001, beats.beat, MessageLostError, beats.on_lost):
        assert beats.ended.wait(10)
    assert beats.lost == [error]


def test_an_error_after_stop_is_not_reported() -> None:
    begun, released = threading.Event(), threading.Event()
    lost: list[Exception] = []

    def beat() -> None:
        begun.set()
        released.wait(10)
        raise MessageLostError("deleted by ourselves")

    heartbeat = Heartbeat("x", 0.001, beat, MessageLostError, lost.append)
    with heartbeat:
        assert begun.wait(10)
        stopping = threading.Thread(target=heartbeat.stop)
        stopping.start()
        while not heartbeat.stopped:
            pass
        released.set()
        stopping.join(10)
    assert lost == []


def test_on_lost_may_stop_the_heartbeat() -> None:
    beats = Beats(MessageLostError("gone"))
    stopped = threading.Event()

    def on_lost(error: Exception) -> None:
        heartbeat.stop()
        stopped.set()

    heartbeat = Heartbeat("x", 0.001, beats.beat, MessageLostError, on_lost)
    with heartbeat:
        assert stopped.wait(10)
