"""Brings jobs to workers: they take them from a queue; what starts the workers is another's business, or ours."""

from __future__ import annotations

from typing import Protocol

import msgspec

from worker.contracts.job import Job
from worker.delivery.message_queue import MessageQueue


class Dispatcher(Protocol):
    """Takes jobs that workers are to begin now. Thread-safe."""

    def submit(self, job: Job) -> None:
        """Hands the job over for good: it survives an end of this process. Blocks. Raises what the queue raises."""

    def start(self) -> None:
        """Begins what has to run beside the API, if anything."""

    def close(self) -> None:
        """Ends it."""


class QueueDispatcher(Dispatcher):
    """Puts jobs on the queue from which workers take them; something else starts these (KEDA, or workers that run for ever)."""

    def __init__(self, queue: MessageQueue) -> None:
        self._queue = queue

    def submit(self, job: Job) -> None:
        """See Dispatcher."""
        self._queue.send(msgspec.json.encode({**job.body, "bot_id": job.bot_id}).decode())

    def start(self) -> None:
        """See Dispatcher."""

    def close(self) -> None:
        """See Dispatcher."""
