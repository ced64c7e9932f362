"""What ``meetstems run``, ``dispatch`` and ``schema`` do."""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from pathlib import Path
from typing import Final

import msgspec

from worker.browser.storage_state import check_storage_state
from worker.delivery.clients import Aws, s3_client, sqs_client
from worker.delivery.embedded import Embedded, embedded_aws
from worker.delivery.errors import RefusedError, UnavailableError
from worker.delivery.jobs_queue import JobsQueue
from worker.delivery.object_store import S3Store
from worker.delivery.retries import RetryPolicy
from worker.errors import InputError
from worker.output_folder import claim_output
from worker.parse_job import json_schema, parse_job
from worker.reception import BAD_CONFIGURATION, TRY_AGAIN, run_from_queue, run_one
from worker.settings import RunSettings, Settings, SettingsError

STANDARD_INPUT: Final = "-"


def run_command(job: str | None, *, forever: bool, local: bool, output: Path | None) -> int:
    """Does one job from the queue (or all, ``forever``), or the one in the file ``job``; returns the exit code.

    ``local``: with S3 and SQS within this process, of which ``output`` gets a copy at the end. Raises MeetstemsError; see
    worker.reception for the exit codes.
    """
    settings, run = Settings.from_environment(os.environ), RunSettings.from_environment(os.environ)
    check_storage_state(settings.storage_state)
    body = None if job is None else read_job(job)
    try:
        if local:
            return _run_locally(body, settings, run, output)
        aws = aws_of(run)
        if body is not None:
            return asyncio.run(run_one(body, settings, run, aws))
        return asyncio.run(run_from_queue(settings, run, aws, forever=forever))
    except UnavailableError as error:
        error.exit_code = TRY_AGAIN
        raise
    except RefusedError as error:
        error.exit_code = BAD_CONFIGURATION
        raise


def dispatch_command(job: str) -> int:
    """Checks a job and puts it on the queue; prints its bot id. Raises MeetstemsError."""
    run = RunSettings.from_environment(os.environ)
    if run.jobs_queue_url is None:
        raise SettingsError("MEETSTEMS_JOBS_QUEUE_URL: is not set, expected the URL of an SQS queue")
    queue = JobsQueue(sqs_client(aws_of(run)), run.jobs_queue_url, retry=RetryPolicy(budget=30.0))
    print(dispatch(queue, read_job(job)))
    return 0


def schema_command() -> int:
    """Prints the JSON Schema of a job."""
    print(msgspec.json.format(msgspec.json.encode(json_schema()), indent=2).decode())
    return 0


def dispatch(queue: JobsQueue, body: bytes) -> str:
    """Puts a sound job on the queue, under a bot id that is made up where it has none, and returns the id.

    Raises JobError and DeliveryError.
    """
    job = parse_job(body, lambda: str(uuid.uuid4()))
    queue.send(msgspec.json.encode({**job.body, "bot_id": job.bot_id}).decode())
    return job.bot_id


def read_job(job: str) -> bytes:
    """The bytes of the file ``job``, or of standard input for ``-``. Raises InputError."""
    if job == STANDARD_INPUT:
        return sys.stdin.buffer.read()
    try:
        return Path(job).read_bytes()
    except OSError as error:
        raise InputError(f"job {job}: cannot be read: {error.strerror}") from error


def aws_of(run: RunSettings) -> Aws:
    """Where S3 and SQS are; region and credentials are found as boto3 does."""
    return Aws(endpoint_url=run.aws_endpoint_url)


def _run_locally(body: bytes | None, settings: Settings, run: RunSettings, output: Path | None) -> int:
    """The whole way through the queue and back, with nobody's account. Raises InputError where there is no job."""
    if body is None:
        raise InputError(
            "--local: has an empty queue of its own, expected a job for it: --job FILE or --job -"
        )
    if output is not None:
        claim_output(output)
    with embedded_aws() as embedded:
        here = msgspec.structs.replace(
            run,
            bucket=embedded.bucket,
            jobs_queue_url=embedded.jobs_url,
            events_queue_url=embedded.events_url,
            aws_endpoint_url=embedded.aws.endpoint_url,
        )
        bot_id = dispatch(JobsQueue(sqs_client(embedded.aws), embedded.jobs_url), body)
        print(f"bot {bot_id}: S3 and SQS are at {embedded.aws.endpoint_url} as long as this runs", flush=True)
        exit_code = asyncio.run(run_from_queue(settings, here, embedded.aws, forever=False))
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
    store = S3Store(s3_client(embedded.aws), embedded.bucket, retry=RetryPolicy(budget=30.0))
    for listed in store.list(""):
        path = output / listed.key
        path.parent.mkdir(parents=True, exist_ok=True)
        store.download(listed.key, path)
    print(f"what is in the bucket was copied to {output}")
