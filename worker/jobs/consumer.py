"""Runs jobs from the queue, or a single one, and deletes, gives back or dead-letters their messages."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import tempfile
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec

from worker.browser.launch import ChromiumNotFoundError
from worker.contracts.job import Job
from worker.contracts.json_body import JobError
from worker.contracts.parse_job import parse_job
from worker.contracts.status import invalid_job_event
from worker.contracts.vendor_words import words
from worker.delivery.aws_clients import Aws, sqs_client
from worker.delivery.errors import RefusedError
from worker.delivery.heartbeat import Heartbeat
from worker.delivery.job_poll import next_delivery
from worker.delivery.jobs_queue import MAX_VISIBILITY, Delivery, JobsQueue, MessageLostError, decide
from worker.delivery.keepalive import keep_message
from worker.delivery.retries import RetryPolicy
from worker.errors import InputError, MeetstemsError
from worker.jobs.context import WorkerContext, open_context
from worker.jobs.disposition import Disposition
from worker.jobs.job_run import run_job
from worker.reasons import Reason
from worker.settings import BrowserSettings, SettingsError, WorkerSettings
from worker.states import State

logger = logging.getLogger(__name__)

DONE: Final = 0
"""Exit code: no job was received, or it is done, not admitted, returned for later, or held by another worker."""
FAILED: Final = 1
"""Exit code: the job failed, and the failure was reported; or an internal error."""
BAD_CONFIGURATION: Final = 2
"""Exit code: the configuration is wrong."""
TRY_AGAIN: Final = 75
"""Exit code: another try may succeed (EX_TEMPFAIL of sysexits.h)."""

JOIN_LEAD: Final = 60.0
"""Seconds. A worker waits for a job that joins within this time; a job that joins later goes back to the queue."""

HELD_SECONDS: Final = 900.0
"""Seconds until a job that another worker holds is received again."""

AGAIN_SECONDS: Final = 30.0
"""Seconds until a job that could not be run or reported is received again."""

FINISH_RESERVE: Final = 1800.0
"""Seconds of SQS's 12 hours that are reserved for finishing and uploading."""

POLL_SECONDS: Final = 20.0
"""Seconds of one poll of a worker that runs forever."""


async def run_from_queue(
    browser_settings: BrowserSettings, worker_settings: WorkerSettings, aws: Aws, *, forever: bool
) -> int:
    """Runs one job from the queue, or with ``forever`` one after the other until the worker is stopped.

    Returns the exit code of the last one. Raises SettingsError, and DeliveryError if the queue cannot be used.
    """
    if worker_settings.jobs_queue_url is None:
        raise SettingsError("MEETSTEMS_JOBS_QUEUE_URL: is not set, expected the URL of an SQS queue")
    async with open_context(browser_settings, worker_settings, aws) as context:
        queue = JobsQueue(
            sqs_client(aws),
            worker_settings.jobs_queue_url,
            visibility=worker_settings.visibility_seconds,
            retry=RetryPolicy(budget=worker_settings.retry_seconds),
        )
        exit_code = DONE
        while not context.stopped.done():
            context.log_about(None, None)
            context.metrics.job.set_state(State.IDLE, context.clock())
            delivery = await next_delivery(
                queue, POLL_SECONDS if forever else worker_settings.receive_seconds, context.stopped
            )
            context.metrics.delivery.queue_operation("receive", "ok")
            if delivery is not None:
                exit_code = await JobConsumer(queue, delivery, context).handle()
            if not forever:
                break
        return exit_code


async def run_one(
    body: bytes, browser_settings: BrowserSettings, worker_settings: WorkerSettings, aws: Aws
) -> int:
    """Runs the job in ``body`` without a queue; returns the exit code. Raises JobError, SettingsError, DeliveryError."""
    job = parse_job(body, lambda: str(uuid.uuid4()))
    async with open_context(browser_settings, worker_settings, aws) as context:
        disposition = await _run_in_folder(job, context, ends_by=None, give_up=False)
        return _EXIT_CODES[disposition]


_EXIT_CODES: Final = {
    Disposition.DONE: DONE,
    Disposition.FAILED: FAILED,
    Disposition.HELD: TRY_AGAIN,
    Disposition.HANDED_ON: TRY_AGAIN,
    Disposition.UNREPORTED: TRY_AGAIN,
}


class JobConsumer:
    """Handles one message: runs its job, and decides what happens to the message."""

    def __init__(self, queue: JobsQueue, delivery: Delivery, context: WorkerContext) -> None:
        self._queue = queue
        self._delivery = delivery
        self._context = context
        self._received_at = context.clock()

    async def handle(self) -> int:
        """Returns the exit code. Raises DeliveryError if the queue does not answer."""
        delivery, context = self._delivery, self._context
        context.metrics.job.job_received(self._received_at - delivery.sent_at, delivery.receive_count)
        try:
            job = parse_job(delivery.body, lambda: _bot_id_of(delivery))
        except JobError as error:
            return await self._refuse(error)
        ahead = (job.join_at or 0.0) - context.clock()
        if ahead > JOIN_LEAD:
            logger.info("%s: joins in %.0f s; back to the queue", job.bot_id, ahead)
            await self._postpone(job, ahead - JOIN_LEAD / 2)
            return DONE
        with self._heartbeat():
            try:
                exit_code = await self._run(job)
            except (InputError, RefusedError, ChromiumNotFoundError) as error:
                logger.error("%s: cannot run with this configuration: %s", job.bot_id, error)
                await self._give_back()
                return BAD_CONFIGURATION
            except (MeetstemsError, OSError) as error:
                logger.error("%s: could not run, will be tried again: %s", job.bot_id, error)
                await self._give_back()
                return TRY_AGAIN
            except Exception:
                logger.exception("%s: internal error", job.bot_id)
                await self._give_back()
                return FAILED
        return exit_code

    async def _run(self, job: Job) -> int:
        give_up = (
            decide(self._delivery.receive_count, self._context.worker_settings.most_attempts) == "poison"
        )
        ends_by = self._received_at + MAX_VISIBILITY - FINISH_RESERVE
        disposition = await _run_in_folder(job, self._context, ends_by=ends_by, give_up=give_up)
        match disposition:
            case Disposition.DONE | Disposition.FAILED if give_up:
                await self._dead_letter(Reason.TOO_MANY_ATTEMPTS)
            case Disposition.DONE | Disposition.FAILED:
                await self._call("delete", self._queue.delete, self._delivery.receipt)
            case Disposition.HELD:
                await self._postpone(job, HELD_SECONDS)
                return DONE
            case Disposition.HANDED_ON:
                await self._postpone(job, 0.0)
            case Disposition.UNREPORTED:
                await self._give_back()
        return _EXIT_CODES[disposition]

    async def _refuse(self, error: JobError) -> int:
        """Reports an invalid job, with the same idempotency key at each reception, and moves it to the dead-letter queue."""
        logger.error("%s", error)
        context = self._context
        body_hash = hashlib.sha256(self._delivery.body.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        names = words(State.FATAL, Reason.INVALID_JOB, None)
        context.events.send(invalid_job_event(body_hash, error.bot_id, names, str(error), context.clock()))
        if not await asyncio.to_thread(context.events.drain, context.worker_settings.retry_seconds):
            await self._give_back()
            return TRY_AGAIN
        await self._dead_letter(Reason.INVALID_JOB)
        return FAILED

    async def _dead_letter(self, reason: Reason) -> None:
        """Moves the message to the dead-letter queue; deletes it without one, as the job has been reported."""
        try:
            if not await asyncio.to_thread(self._queue.dead_letter, self._delivery, reason):
                await self._call("delete", self._queue.delete, self._delivery.receipt)
        except RefusedError as error:
            # SQS itself moves the message after its last reception.
            logger.warning("the message cannot be put into the dead-letter queue: %s", error)
            await self._give_back()

    async def _postpone(self, job: Job, seconds: float) -> None:
        """Gives the job back for ``seconds``. A copy of the message keeps the bot's id, also if the body has none."""
        body = msgspec.json.encode({**job.body, "bot_id": job.bot_id}).decode()
        delivery = self._delivery._replace(body=body)
        await self._call("give_back", self._queue.postpone, delivery, seconds)

    async def _give_back(self) -> None:
        await self._call("give_back", self._queue.give_back, self._delivery.receipt, AGAIN_SECONDS)

    async def _call(self, operation: str, request: object, *arguments: object) -> None:
        assert callable(request)
        try:
            await asyncio.to_thread(request, *arguments)
        except MessageLostError as error:
            # SQS delivers it again; the result or the lease then shows what is left to do.
            logger.warning("the message was lost: %s", error)
            self._context.metrics.delivery.queue_operation(operation, "error")
        else:
            self._context.metrics.delivery.queue_operation(operation, "ok")

    def _heartbeat(self) -> Heartbeat:
        def lost(error: Exception) -> None:
            # The lease keeps other workers out, and the next reception will find the result.
            logger.warning("the message could not be kept hidden: %s", error)

        def count(succeeded: bool) -> None:
            self._context.metrics.delivery.queue_operation("extend", "ok" if succeeded else "error")

        return keep_message(self._queue, self._delivery, self._received_at, self._context.clock, lost, count)


async def _run_in_folder(
    job: Job, context: WorkerContext, *, ends_by: float | None, give_up: bool
) -> Disposition:
    """Runs the job in a temporary folder."""
    context.log_about(job.bot_id, None)
    logger.info(
        "job for bot %s (%s), ignored fields: %s", job.bot_id, job.vendor, ", ".join(job.ignored) or "none"
    )
    with tempfile.TemporaryDirectory(
        prefix="meetstems-", dir=context.worker_settings.work_folder, ignore_cleanup_errors=True
    ) as folder:
        return await run_job(
            job, replace(context, work=Path(folder) / "bot"), ends_by=ends_by, give_up=give_up
        )


def _bot_id_of(delivery: Delivery) -> str:
    """A bot id for a job without one: the same at each reception of the message."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"sqs:{delivery.message_id}"))
