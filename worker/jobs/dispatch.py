"""Puts a job on the queue."""

from __future__ import annotations

import uuid

import msgspec

from worker.contracts.parse_job import parse_job
from worker.delivery.message_queue import MessageQueue
from worker.jobs.start_limits import check_lengths


def dispatch(queue: MessageQueue, body: bytes) -> str:
    """Checks a job and puts it on the queue; returns its bot id, a new one if the job has none.

    Raises JobError and DeliveryError.
    """
    job = parse_job(body, lambda: str(uuid.uuid4()))
    check_lengths(job)
    queue.send(msgspec.json.encode({**job.body, "bot_id": job.bot_id}).decode())
    return job.bot_id
