"""The command ``meetstems dispatch``: puts a job on the queue."""

from __future__ import annotations

import os

from worker.cli.job_file import read_job
from worker.delivery.retries import COMMAND_RETRY
from worker.jobs.backend import aws_of, open_jobs
from worker.jobs.dispatch import dispatch
from worker.settings import WorkerSettings


def dispatch_command(job: str) -> int:
    """Checks a job and puts it on the queue; prints its bot id. Raises MeetstemsError."""
    worker_settings = WorkerSettings.from_environment(os.environ)
    queue = open_jobs(worker_settings, aws_of(worker_settings), COMMAND_RETRY)
    print(dispatch(queue, read_job(job)))
    return 0
