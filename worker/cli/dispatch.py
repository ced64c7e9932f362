"""The command ``meetstems dispatch``: puts a job on the queue."""

from __future__ import annotations

import os

from worker.cli.job_file import read_job
from worker.delivery.aws_clients import sqs_client
from worker.delivery.jobs_queue import JobsQueue
from worker.delivery.retries import COMMAND_RETRY
from worker.jobs.context import aws_of
from worker.jobs.dispatch import dispatch
from worker.settings import SettingsError, WorkerSettings


def dispatch_command(job: str) -> int:
    """Checks a job and puts it on the queue; prints its bot id. Raises MeetstemsError."""
    worker_settings = WorkerSettings.from_environment(os.environ)
    if worker_settings.jobs_queue_url is None:
        raise SettingsError("MEETSTEMS_JOBS_QUEUE_URL: is not set, expected the URL of an SQS queue")
    queue = JobsQueue(
        sqs_client(aws_of(worker_settings)), worker_settings.jobs_queue_url, retry=COMMAND_RETRY
    )
    print(dispatch(queue, read_job(job)))
    return 0
