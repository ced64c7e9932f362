"""The interface of a queue of jobs to what receives them; SQS is one implementation, a folder another."""

from __future__ import annotations

import threading
from typing import Protocol

from worker.delivery.jobs_queue import Delivery


class MessageQueue(Protocol):
    """Jobs, each received by one worker at a time. Thread-safe; every method blocks, and raises UnavailableError and
    RefusedError.

    A received message stays hidden from others for ``visibility`` seconds unless it is extended.
    """

    visibility: int

    def within(self, budget: float) -> MessageQueue:
        """The same queue, giving up each request after at most ``budget`` seconds of retries."""

    def until(self, cancelled: threading.Event) -> MessageQueue:
        """The same queue, which retries a request only while ``cancelled`` is not set."""

    def check(self) -> None:
        """Tries whether the queue is there."""

    def check_actions(self) -> None:
        """Tries whether all of these methods may be used, and sends and takes no message."""

    def send(self, body: str, delay: float = 0) -> str:
        """Puts a job on the queue, visible after ``delay`` seconds (0 to 900); returns the message's id."""

    def receive(self, wait_seconds: float) -> Delivery | None:
        """The next message; waits for one up to ``wait_seconds`` (0 to 20). None without one."""

    def extend(self, receipt: str, seconds: int) -> None:
        """Hides the message for ``seconds`` from now. Raises MessageLostError."""

    def give_back(self, receipt: str, seconds: float = 0) -> None:
        """Makes the message visible to others after ``seconds``. Raises MessageLostError."""

    def delete(self, receipt: str) -> None:
        """Deletes the message. Raises MessageLostError where the receipt is not known any more."""

    def postpone(self, delivery: Delivery, seconds: float) -> bool:
        """Puts a job back for ``seconds``; this receive does not count. Returns whether the message has to be deleted now, as a
        copy of it was sent.
        """

    def dead_letter(self, delivery: Delivery, reason: str) -> bool:
        """Keeps a message apart that cannot be worked on, with ``reason``; it has to be deleted then. Returns False, and does
        nothing, where there is no place for it.
        """
