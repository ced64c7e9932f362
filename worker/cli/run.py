"""The command ``meetstems run``: runs jobs from the queue, or one from a file."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import msgspec

from worker.browser.storage_state import check_storage_state
from worker.cli.console import print_error
from worker.cli.job_file import read_job
from worker.delivery.aws_clients import sqs_client
from worker.delivery.embedded_aws import Embedded, embedded_aws
from worker.delivery.errors import RefusedError, UnavailableError
from worker.delivery.jobs_queue import JobsQueue
from worker.delivery.object_store import open_store
from worker.delivery.retries import COMMAND_RETRY
from worker.delivery.url_guard import read_allowed
from worker.errors import InputError
from worker.jobs.backend import aws_of
from worker.jobs.consumer import BAD_CONFIGURATION, TRY_AGAIN, run_from_queue, run_one
from worker.jobs.dispatch import dispatch
from worker.reasons import Reason
from worker.rendering.output import claim_output
from worker.settings import BrowserSettings, WorkerSettings


def run_command(job: str | None, *, forever: bool, local: bool, output: Path | None) -> int:
    """Runs one job from the queue (``forever``: one after another), or the one in the file ``job``; returns the exit code.

    ``local``: with an embedded S3 and SQS; at the end the bucket is copied to ``output``. Raises MeetstemsError; see
    worker.jobs.consumer for the exit codes.
    """
    browser_settings, worker_settings = (
        BrowserSettings.from_environment(os.environ),
        WorkerSettings.from_environment(os.environ),
    )
    # Wrong settings are told before a job is received.
    _ = worker_settings.local_demo
    _ = read_allowed(worker_settings.allowed_urls)
    if warning := check_storage_state(browser_settings.storage_state, time.time()):
        print_error(warning)
    body = None if job is None else read_job(job)
    try:
        if local:
            return _run_locally(body, browser_settings, worker_settings, output)
        aws = aws_of(worker_settings)
        if body is not None:
            return asyncio.run(run_one(body, browser_settings, worker_settings, aws))
        return asyncio.run(run_from_queue(browser_settings, worker_settings, aws, forever=forever))
    except UnavailableError as error:
        error.exit_code = TRY_AGAIN
        raise
    except RefusedError as error:
        error.exit_code = BAD_CONFIGURATION
        raise


def _run_locally(
    body: bytes | None,
    browser_settings: BrowserSettings,
    worker_settings: WorkerSettings,
    output: Path | None,
) -> int:
    """Runs the job with an embedded queue and bucket, without an account. Raises InputError without a job."""
    if body is None:
        raise InputError("--local: the embedded queue is empty, expected a job for it: --job FILE or --job -")
    if output is not None:
        claim_output(output)
    with embedded_aws() as embedded:
        embedded_settings = msgspec.structs.replace(
            worker_settings,
            bucket=embedded.bucket,
            jobs_queue_url=embedded.jobs_url,
            events_queue_url=embedded.events_url,
            aws_endpoint_url=embedded.aws.endpoint_url,
        )
        bot_id = dispatch(JobsQueue(sqs_client(embedded.aws), embedded.jobs_url), body)
        print(f"bot {bot_id}: S3 and SQS are at {embedded.aws.endpoint_url} while this runs", flush=True)
        exit_code = asyncio.run(
            run_from_queue(
                browser_settings,
                embedded_settings,
                embedded.aws,
                forever=False,
                # The embedded queue ends with this process, so nobody could go on with the job.
                on_sigterm=Reason.INTERRUPTED,
            )
        )
        _print_events(embedded)
        if output is not None:
            _save(embedded, output)
    return exit_code


def _print_events(embedded: Embedded) -> None:
    queue = JobsQueue(sqs_client(embedded.aws), embedded.events_url)
    while (event := queue.receive(0)) is not None:
        queue.delete(event.receipt)
        print(event.body)


def _save(embedded: Embedded, output: Path) -> None:
    store = open_store(embedded.aws, embedded.bucket, retry=COMMAND_RETRY)
    for listed in store.list(""):
        path = output / listed.key
        path.parent.mkdir(parents=True, exist_ok=True)
        store.download(listed.key, path)
    print(f"the bucket was copied to {output}")
