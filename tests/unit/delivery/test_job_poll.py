from __future__ import annotations

import asyncio
import threading
import time

import pytest

from tests.unit.delivery.conftest import Cloud
from worker.delivery.errors import RefusedError
from worker.delivery.job_poll import next_delivery
from worker.delivery.jobs_queue import Delivery, JobsQueue


def never() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


class HeldQueue(JobsQueue):
    """Answers a poll once ``answered`` is set, and records the receipts that are given back."""

    def __init__(self) -> None:
        self.visibility = 1
        self.polled = threading.Event()
        self.answered = threading.Event()
        self.receipts: list[str] = []
        self.given_back = threading.Event()

    def within(self, budget: float) -> JobsQueue:
        return self

    def until(self, cancelled: threading.Event) -> JobsQueue:
        return self

    def receive(self, wait_seconds: float) -> Delivery:
        self.polled.set()
        assert self.answered.wait(10)
        return Delivery("{}", "receipt", 1, 0.0, "id")

    def give_back(self, receipt: str, seconds: float = 0) -> None:
        self.receipts.append(receipt)
        self.given_back.set()


async def test_next_delivery_returns_a_waiting_message_at_once(cloud: Cloud) -> None:
    jobs = cloud.jobs()
    jobs.send("{}")
    delivery = await next_delivery(jobs, 5, never())
    assert delivery is not None
    assert await next_delivery(jobs, 0, never()) is None


async def test_next_delivery_raises_what_the_queue_raises(cloud: Cloud) -> None:
    nowhere = JobsQueue(cloud.sqs, f"{cloud.embedded.jobs_url}-of-nobody")
    with pytest.raises(RefusedError):
        await next_delivery(nowhere, 0, never())


async def test_a_stop_ends_a_long_poll_at_once(cloud: Cloud) -> None:
    stopped = never()
    began = time.monotonic()
    asyncio.get_running_loop().call_later(0.2, stopped.set_result, None)
    assert await next_delivery(cloud.jobs(), 20, stopped) is None
    assert time.monotonic() - began < 10


async def test_a_message_that_arrives_after_the_stop_is_given_back() -> None:
    queue, stopped = HeldQueue(), never()
    polling = asyncio.create_task(next_delivery(queue, 20, stopped))
    assert await asyncio.to_thread(queue.polled.wait, 10)
    stopped.set_result(None)
    assert await polling is None
    queue.answered.set()
    assert await asyncio.to_thread(queue.given_back.wait, 10)
    assert queue.receipts == ["receipt"]


async def test_a_message_that_arrives_with_the_stop_is_given_back() -> None:
    queue, stopped = HeldQueue(), never()
    queue.answered.set()
    stopped.set_result(None)
    assert await next_delivery(queue, 20, stopped) is None
    assert await asyncio.to_thread(queue.given_back.wait, 10)
    assert queue.receipts == ["receipt"]
