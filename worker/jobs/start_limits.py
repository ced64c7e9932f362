"""When a job may start, and how long a recording may take where SQS keeps the job."""

from __future__ import annotations

from typing import Final

from worker.contracts.job import Job
from worker.contracts.json_body import JobError
from worker.delivery.jobs_queue import MAX_VISIBILITY

JOIN_LEAD: Final = 240.0
"""Seconds before ``join_at`` at which a job is received: enough for a new node, the image and Chromium. A worker waits for a
job that joins within this time; a job that joins later goes back to the queue."""

FINISH_RESERVE: Final = 1800.0
"""Seconds of SQS's 12 hours that are reserved for finishing and uploading."""

LONGEST_JOB: Final = MAX_VISIBILITY - FINISH_RESERVE - JOIN_LEAD
"""Seconds from asking to join to the end of the recording: a message cannot be hidden for longer."""


def check_lengths(job: Job) -> None:
    """Raises JobError for a job whose limits together are longer than a queue can keep a job. A job without a limit passes."""
    asked = job.leave.max_duration
    if asked is None:
        return
    starts_late = job.leave.start_on != "call_join"
    before = (job.leave.waiting_room or 0.0) + (
        (job.leave.in_call_not_recording or 0.0) if starts_late else 0.0
    )
    if asked + before > LONGEST_JOB:
        raise JobError(
            f"job: automatic_leave.in_call_recording_timeout: {asked:g}; expected at most {LONGEST_JOB - before:g} seconds "
            f"beside {before:g} of waiting: a queue keeps a job for 12 hours"
        )


def due_at(job: Job, sent_at: float) -> float:
    """When the job is to start, in Unix seconds: at ``join_at``, or as soon as it was sent."""
    return sent_at if job.join_at is None else max(job.join_at, sent_at)


def is_too_late(due: float, active_until: float | None, now: float, latest_start: float) -> bool:
    """Whether a bot must not join any more: by then another meeting may be held under the same link.

    ``due`` is when the job was to start, ``active_until`` when an earlier attempt last did something, None: there was none; in
    Unix seconds. ``latest_start`` is in seconds.
    """
    return now - max(due, active_until or due) > latest_start
