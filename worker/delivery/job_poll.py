"""Waits for the next job, and stops waiting at once when the worker has to stop."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

from worker.delivery.errors import DeliveryError
from worker.delivery.jobs_queue import Delivery
from worker.delivery.message_queue import MessageQueue

logger = logging.getLogger(__name__)


async def next_delivery(queue: MessageQueue, seconds: float, stopped: asyncio.Future[Any]) -> Delivery | None:
    """The next message, within ``seconds`` (0 to 20); None without one, or once ``stopped`` is done.

    A poll cannot be cancelled: it continues in a daemon thread, which gives back a message that still arrives. If the process
    ends first, the message becomes visible again after its visibility time-out. Raises what the queue raises.
    """
    poll = _Poll(queue, seconds)
    first: list[asyncio.Future[Any]] = [poll.answer, stopped]
    await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
    if not stopped.done():
        return poll.answer.result()
    await asyncio.to_thread(poll.abandon)
    return None


class _Poll:
    def __init__(self, queue: MessageQueue, seconds: float) -> None:
        self._queue = queue
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._abandoned = threading.Event()
        self._received: Delivery | None = None
        self.answer: asyncio.Future[Delivery | None] = self._loop.create_future()
        threading.Thread(target=self._run, name="poll", daemon=True).start()

    def abandon(self) -> None:
        """Gives back the message if it has arrived, and as soon as it arrives otherwise."""
        with self._lock:
            self._abandoned.set()
            received = self._received
        if received is not None:
            self._give_back(received)

    def _run(self) -> None:
        delivery, error = None, None
        try:
            delivery = self._queue.until(self._abandoned).receive(self._seconds)
        except Exception as raised:  # noqa: BLE001 - raised again to the waiting caller
            error = raised
        with self._lock:
            self._received = delivery
            abandoned = self._abandoned.is_set()
        if not abandoned:
            self._loop.call_soon_threadsafe(self._set_answer, delivery, error)
        elif delivery is not None:
            self._give_back(delivery)

    def _set_answer(self, delivery: Delivery | None, error: Exception | None) -> None:
        if self._abandoned.is_set():
            return
        if error is not None:
            self.answer.set_exception(error)
        else:
            self.answer.set_result(delivery)

    def _give_back(self, delivery: Delivery) -> None:
        try:
            self._queue.within(1.0).give_back(delivery.receipt)
        except DeliveryError as error:
            logger.warning(
                "a message that came too late could not be given back; it becomes visible later: %s", error
            )
