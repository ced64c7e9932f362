from __future__ import annotations

import threading

from worker.delivery.errors import UnavailableError
from worker.delivery.outbox import Outbox


class Receiver:
    """Accepts items while ``up`` is set, but no negative ones."""

    def __init__(self) -> None:
        self.up = threading.Event()
        self.tried = threading.Semaphore(0)
        self.got: list[int] = []

    def deliver(self, item: int) -> None:
        self.tried.release()
        if not self.up.is_set():
            raise UnavailableError("down")
        if item < 0:
            raise ValueError("negative")
        self.got.append(item)


def test_everything_arrives_in_order_after_an_outage_and_drain_does_not_wait_for_the_pause() -> None:
    receiver = Receiver()
    outbox = Outbox("test", receiver.deliver, str, pause=3600)
    for item in range(100):
        outbox.add(item)
    assert receiver.tried.acquire(timeout=10)
    assert not outbox.drain(0.05)
    assert outbox.pending() == list(range(100))
    receiver.up.set()
    assert outbox.drain(10)
    assert receiver.got == list(range(100))
    assert (outbox.delivered, outbox.given_up, outbox.pending()) == (100, 0, [])
    outbox.close()


def test_an_item_that_is_given_up_does_not_block_the_others() -> None:
    receiver = Receiver()
    receiver.up.set()
    outbox = Outbox("test", receiver.deliver, str)
    for item in (1, -2, 3):
        outbox.add(item)
    assert outbox.drain(10)
    assert receiver.got == [1, 3]
    assert (outbox.delivered, outbox.given_up) == (2, 1)
    outbox.close()


def test_a_limit_gives_up_the_oldest() -> None:
    receiver = Receiver()
    outbox = Outbox("test", receiver.deliver, str, limit=3, pause=3600)
    outbox.add(0)
    assert receiver.tried.acquire(timeout=10)
    for item in range(1, 6):
        outbox.add(item)
    assert outbox.pending() == [0, 3, 4, 5]
    assert outbox.given_up == 2
    outbox.close()


def test_the_lag_is_the_age_of_the_oldest() -> None:
    now = [100.0]
    receiver = Receiver()
    outbox = Outbox("test", receiver.deliver, str, pause=3600, clock=lambda: now[0])
    assert outbox.lag(200.0) == 0
    outbox.add(1)
    now[0] = 110.0
    outbox.add(2)
    assert outbox.lag(112.5) == 12.5
    receiver.up.set()
    assert outbox.drain(10)
    assert outbox.lag(200.0) == 0
    outbox.close()


def test_an_item_added_after_close_counts_as_given_up() -> None:
    receiver = Receiver()
    receiver.up.set()
    outbox = Outbox("test", receiver.deliver, str)
    outbox.close()
    outbox.add(1)
    assert outbox.given_up == 1
    assert not [thread for thread in threading.enumerate() if thread.name == "outbox-test"]


def test_closing_ends_the_wait_for_a_receiver_that_is_down() -> None:
    receiver = Receiver()
    outbox = Outbox("test", receiver.deliver, str, pause=3600)
    outbox.add(1)
    assert receiver.tried.acquire(timeout=10)
    outbox.close()
    assert outbox.pending() == [1]
    assert not [thread for thread in threading.enumerate() if thread.name == "outbox-test"]
