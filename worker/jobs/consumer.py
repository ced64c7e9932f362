"""Runs jobs from the queue, or a single one, and deletes, gives back or dead-letters their messages."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from worker.browser.launch import ChromiumLaunchError, ChromiumNotFoundError
from worker.browser.virtual_display import DisplayError
from worker.contracts.job import Job
from worker.contracts.json_body import JobError
from worker.contracts.parse_job import parse_job
from worker.contracts.status import delayed_event, invalid_job_event, result_event
from worker.contracts.vendor_words import words
from worker.delivery.aws_clients import Aws
from worker.delivery.bucket_layout import bot_keys
from worker.delivery.errors import DeliveryError, RefusedError
from worker.delivery.heartbeat import Heartbeat
from worker.delivery.job_poll import next_delivery
from worker.delivery.jobs_queue import MAX_VISIBILITY, Delivery, MessageLostError, decide
from worker.delivery.keepalive import keep_message
from worker.delivery.message_queue import MessageQueue
from worker.delivery.retries import RetryPolicy
from worker.errors import InputError
from worker.jobs.backend import jobs_url, open_jobs
from worker.jobs.bot_claim import BotIdTakenError
from worker.jobs.context import WorkerContext, open_context
from worker.jobs.disposition import Disposition
from worker.jobs.job_outcome import given_up, make_result
from worker.jobs.job_run import run_job
from worker.jobs.local_copy import Origin, job_folder, remove_local_copy
from worker.jobs.preflight import preflight, until_able
from worker.jobs.start_limits import FINISH_RESERVE, JOIN_LEAD, check_lengths, due_at
from worker.reasons import Reason
from worker.safe_text import NO_SECRETS
from worker.settings import BrowserSettings, WorkerSettings
from worker.states import State

logger = logging.getLogger(__name__)

T = TypeVar("T")

DONE: Final = 0
"""Exit code: no job was received, or it is done, not admitted, returned for later, or held by another worker."""
FAILED: Final = 1
"""Exit code: the job failed, and the failure was reported; or an internal error."""
BAD_CONFIGURATION: Final = 2
"""Exit code: the configuration is wrong."""
TRY_AGAIN: Final = 75
"""Exit code: another try may succeed (EX_TEMPFAIL of sysexits.h)."""

HELD_SECONDS: Final = 60.0
"""Seconds until a job that another worker holds is received again."""

AGAIN_SECONDS: Final = 30.0
"""Seconds until a job that failed or could not be reported is received again."""

FIRST_DELAY: Final = 30.0
LONGEST_DELAY: Final = 600.0
"""Seconds until a job that this worker cannot run is received again; they double each time."""

MOST_DELAYS: Final = 150
"""Delays of one job, about a day: a job that no worker can run must not go round for ever."""

MESSAGE_RETRY: Final = 2.0
"""Seconds between two tries of a request about the message."""

MESSAGE_PATIENCE: Final = 30.0
"""Seconds for which a refused or failed request about the message is tried again. After that the message becomes visible by
itself."""

STOPPED_PATIENCE: Final = 5.0
"""Seconds for which a worker that has to stop tries to find out whether its folder is still needed."""

POLL_SECONDS: Final = 20.0
"""Seconds of one poll of a worker that runs forever."""


async def run_from_queue(
    browser_settings: BrowserSettings,
    worker_settings: WorkerSettings,
    aws: Aws,
    *,
    forever: bool,
    on_sigterm: Reason = Reason.DRAINED,
) -> int:
    """Runs one job from the queue, or with ``forever`` one after the other until the worker is stopped.

    ``on_sigterm`` is why a bot leaves at a SIGTERM: DRAINED hands its job on to another worker. Returns the exit code of the
    last one. Raises SettingsError, PreflightError, and DeliveryError if the queue cannot be used.
    """
    if worker_settings.data_folder is None:
        jobs_url(worker_settings)
    async with open_context(browser_settings, worker_settings, aws, on_sigterm) as context:
        queue = open_jobs(
            worker_settings,
            aws,
            RetryPolicy(budget=worker_settings.retry_seconds),
            context.metrics.delivery.request_failed,
        )
        if forever:
            return await _run_forever(queue, context)
        if not await until_able(context, queue, worker_settings.preflight_seconds):
            return DONE
        delivery = await _receive(queue, context, worker_settings.receive_seconds)
        return DONE if delivery is None else await JobConsumer(queue, delivery, context).handle()


async def _run_forever(queue: MessageQueue, context: WorkerContext) -> int:
    """Runs jobs until the worker is stopped; returns the exit code of the last one.

    A failed job is followed by a preflight, so that a worker that has become unable leaves the jobs to others.
    """
    exit_code = DONE
    able = False
    while not context.stopped.done():
        if not able and not await until_able(context, queue, math.inf):
            break
        try:
            delivery = await _receive(queue, context, POLL_SECONDS)
        except DeliveryError as error:
            logger.error("no job can be received: %s", error)
            context.metrics.delivery.queue_operation("receive", "error")
            able = False
            continue
        if delivery is not None:
            exit_code = await JobConsumer(queue, delivery, context).handle()
        able = delivery is None or exit_code == DONE
    return exit_code


async def _receive(queue: MessageQueue, context: WorkerContext, seconds: float) -> Delivery | None:
    context.log_about(None, None, NO_SECRETS)
    context.metrics.job.set_state(State.IDLE, context.clock())
    delivery = await next_delivery(queue, seconds, context.stopped)
    context.metrics.delivery.queue_operation("receive", "ok")
    return delivery


async def run_one(
    body: bytes, browser_settings: BrowserSettings, worker_settings: WorkerSettings, aws: Aws
) -> int:
    """Runs the job in ``body`` without a queue; returns the exit code.

    Raises JobError, SettingsError, PreflightError, DeliveryError.
    """
    job = parse_job(body, lambda: str(uuid.uuid4()))
    async with open_context(browser_settings, worker_settings, aws) as context:
        await preflight(context, None)
        disposition = await _run_in_folder(job, context, sent_at=context.clock(), ends_by=None, give_up=False)
        return _EXIT_CODES[disposition]


_EXIT_CODES: Final = {
    Disposition.DONE: DONE,
    Disposition.FAILED: FAILED,
    Disposition.HELD: TRY_AGAIN,
    Disposition.TAKEN_OVER: DONE,
    Disposition.HANDED_ON: TRY_AGAIN,
    Disposition.GIVEN_UP: FAILED,
    Disposition.UNREPORTED: TRY_AGAIN,
}


class JobConsumer:
    """Handles one message: runs its job, and decides what happens to the message."""

    def __init__(self, queue: MessageQueue, delivery: Delivery, context: WorkerContext) -> None:
        self._queue = queue
        self._delivery = delivery
        self._context = context
        self._received_at = context.steady()

    async def handle(self) -> int:
        """Returns the exit code. What the queue refuses about the message is logged and counted."""
        delivery, context = self._delivery, self._context
        try:
            job = parse_job(delivery.body, lambda: _bot_id_of(delivery))
            check_lengths(job)
        except JobError as error:
            return await self._refuse(error)
        now = context.clock()
        context.metrics.job.job_received(now - due_at(job, delivery.sent_at), delivery.receive_count)
        ahead = (job.join_at or 0.0) - now
        if ahead > JOIN_LEAD:
            logger.info("%s: joins in %.0f s; back to the queue", job.bot_id, ahead)
            await self._postpone(job, ahead - JOIN_LEAD)
            return DONE
        with self._heartbeat():
            return await self._run_or_put_back(job)

    async def _run_or_put_back(self, job: Job) -> int:
        try:
            return await self._run(job)
        except BotIdTakenError as error:
            # The event has no bot_id: it is not about the bot that has it.
            return await self._refuse(error)
        except (InputError, RefusedError, ChromiumNotFoundError) as error:
            logger.error("%s: cannot run with this configuration: %s", job.bot_id, error)
            return await self._delay_or_bury(job, error, BAD_CONFIGURATION)
        except (DeliveryError, ChromiumLaunchError, DisplayError, OSError) as error:
            logger.error("%s: could not run, will be tried again: %s", job.bot_id, error)
            return await self._delay_or_bury(job, error, TRY_AGAIN)
        except Exception as error:
            logger.exception("%s: internal error", job.bot_id)
            if self._gives_up:
                return await self._bury(job, error)
            # It may be the job's own fault, so this receive counts.
            await self._give_back()
            return FAILED

    @property
    def _gives_up(self) -> bool:
        """Whether the job was tried too often."""
        most = self._context.worker_settings.most_attempts
        return decide(self._delivery.receive_count, most) == "poison"

    async def _delay_or_bury(self, job: Job, error: Exception, exit_code: int) -> int:
        """Puts back a job that this worker cannot run; after MOST_DELAYS it is reported as failed."""
        if self._delivery.delays >= MOST_DELAYS:
            return await self._bury(job, error)
        await self._delay(job, error)
        return exit_code

    async def _bury(self, job: Job, error: Exception) -> int:
        """Reports a job that was tried too often and cannot even be given up in order, by its result alone."""
        context = self._context
        outcome = given_up()._replace(detail=f"{_kind_of(error)} error: {type(error).__name__}")
        result = make_result(
            job,
            outcome,
            None,
            files=[],
            tape_bytes=0,
            tape_parts=0,
            audio_streams=None,
            attempt=0,
            sequence=0,
            at=context.clock(),
        )
        context.events.send(result_event(result))
        if not await asyncio.to_thread(context.events.drain, context.worker_settings.retry_seconds):
            await self._postpone(job, self._next_delay())
            return TRY_AGAIN
        await self._dead_letter(Reason.TOO_MANY_ATTEMPTS)
        return FAILED

    async def _run(self, job: Job) -> int:
        disposition = await _run_in_folder(
            job,
            self._context,
            sent_at=self._delivery.sent_at,
            ends_by=self._received_at + MAX_VISIBILITY - FINISH_RESERVE,
            give_up=self._gives_up,
        )
        match disposition:
            case Disposition.DONE | Disposition.FAILED:
                await self._delete()
            case Disposition.GIVEN_UP:
                await self._dead_letter(Reason.TOO_MANY_ATTEMPTS)
            case Disposition.HELD:
                await self._postpone(job, HELD_SECONDS)
            case Disposition.HANDED_ON:
                await self._postpone(job, 0.0)
            case Disposition.UNREPORTED:
                # The receives of a message are limited; a job must not become a dead letter because its result cannot be sent.
                await self._postpone(job, self._next_delay())
            case Disposition.TAKEN_OVER:
                # The worker that took over has received the message again.
                pass
        return DONE if disposition is Disposition.HELD else _EXIT_CODES[disposition]

    async def _refuse(self, error: JobError) -> int:
        """Reports an invalid job, with the same idempotency key at each reception, and moves it to the dead-letter queue."""
        logger.error("%s", error)
        context = self._context
        body_hash = hashlib.sha256(self._delivery.body.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        names = words(State.FATAL, Reason.INVALID_JOB, None)
        context.events.send(invalid_job_event(body_hash, error.bot_id, names, str(error), context.clock()))
        if not await asyncio.to_thread(context.events.drain, context.worker_settings.retry_seconds):
            seconds = self._next_delay()
            await self._put_back(self._delivery, seconds)
            return TRY_AGAIN
        await self._dead_letter(Reason.INVALID_JOB)
        return FAILED

    async def _dead_letter(self, reason: Reason) -> None:
        """Moves the message to the dead-letter queue; deletes it without one, as the job has been reported."""
        moved = await self._call("dead_letter", partial(self._queue.dead_letter, self._delivery, reason))
        if moved is None:
            # SQS itself moves the message after its last reception.
            await self._give_back()
        else:
            await self._delete()

    async def _postpone(self, job: Job, seconds: float) -> None:
        """Puts the job back for ``seconds``. A copy of the message keeps the bot's id, also if the body has none."""
        body = msgspec.json.encode({**job.body, "bot_id": job.bot_id}).decode()
        await self._put_back(self._delivery._replace(body=body), seconds)

    async def _put_back(self, delivery: Delivery, seconds: float) -> None:
        """Puts the message back without counting this receive; where the queue takes no copy, this receive counts."""
        copied = await self._call("give_back", partial(self._queue.postpone, delivery, seconds))
        if copied:
            await self._delete()
        elif copied is None:
            await self._call("give_back", partial(self._queue.give_back, delivery.receipt, seconds))

    async def _delay(self, job: Job, error: Exception) -> None:
        """Puts back a job that this worker cannot run, for longer each time, and reports it as delayed."""
        seconds = self._next_delay()
        key = f"{self._delivery.message_id}-{self._delivery.receive_count}"
        context = self._context
        context.metrics.job.job_delayed(_kind_of(error))
        context.events.send(delayed_event(job, str(error), seconds, key, context.clock()))
        await self._postpone(job, seconds)
        await asyncio.to_thread(context.events.drain, MESSAGE_PATIENCE)

    def _next_delay(self) -> float:
        """The seconds of one more delay, which the copy of the message counts."""
        seconds = delay_after(self._delivery.delays)
        self._delivery = self._delivery._replace(delays=self._delivery.delays + 1)
        return seconds

    async def _delete(self) -> None:
        await self._call("delete", partial(self._queue.delete, self._delivery.receipt))

    async def _give_back(self) -> None:
        await self._call("give_back", partial(self._queue.give_back, self._delivery.receipt, AGAIN_SECONDS))

    async def _call(self, operation: str, request: Callable[[], T]) -> T | None:
        """Calls ``request`` until it succeeds, for MESSAGE_PATIENCE at most; returns None if it does not.

        The message then becomes visible by itself, and the result or the lease shows the next worker what is left to do.
        """
        deadline = self._context.steady() + MESSAGE_PATIENCE
        while True:
            try:
                answer = await asyncio.to_thread(request)
            except MessageLostError as error:
                logger.warning("the message was lost: %s", error)
                self._context.metrics.delivery.queue_operation(operation, "error")
                return None
            except DeliveryError as error:
                logger.warning("the message is left to its visibility timeout unless this ends: %s", error)
                self._context.metrics.delivery.queue_operation(operation, "error")
                if self._context.steady() >= deadline:
                    return None
                await asyncio.sleep(MESSAGE_RETRY)
            else:
                self._context.metrics.delivery.queue_operation(operation, "ok")
                return answer

    def _heartbeat(self) -> Heartbeat:
        def lost(error: Exception) -> None:
            # The lease keeps other workers out, and the next reception will find the result.
            logger.warning("the message could not be kept hidden: %s", error)

        def count(succeeded: bool) -> None:
            self._context.metrics.delivery.queue_operation("extend", "ok" if succeeded else "error")

        return keep_message(self._queue, self._delivery, self._received_at, self._context.steady, lost, count)


async def _run_in_folder(
    job: Job, context: WorkerContext, *, sent_at: float, ends_by: float | None, give_up: bool
) -> Disposition:
    """Runs the job in a folder, which is removed once all that was recorded is in the bucket."""
    context.log_about(job.bot_id, None, job.redactor())
    logger.info(
        "job for bot %s (%s), ignored fields: %s", job.bot_id, job.vendor, ", ".join(job.ignored) or "none"
    )
    for fault in job.live_faults:
        logger.warning("a live stream is left out: %s", fault.message)
    settings = context.worker_settings
    place = settings.bucket if settings.data_folder is None else str(settings.data_folder.resolve())
    origin = Origin(owner=context.owner, bucket=place or "", prefix=settings.prefix.strip("/"))
    with job_folder(settings.work_folder, job.bot_id, origin) as work:
        try:
            disposition = await run_job(
                job, replace(context, work=work), sent_at=sent_at, ends_by=ends_by, give_up=give_up
            )
        except asyncio.CancelledError:
            # The second Ctrl-C. To find out whether the folder is needed may take long.
            logger.warning("stopped at once; what was recorded and may not be in the bucket is in %s", work)
            raise
        except BaseException:
            await _remove_folder(work, job, context)
            raise
        await _remove_folder(work, job, context)
        return disposition


async def _remove_folder(work: Path, job: Job, context: WorkerContext) -> None:
    keys = bot_keys(context.worker_settings.prefix, job.bot_id)
    store = context.patient_store(STOPPED_PATIENCE if context.stopped.done() else MESSAGE_PATIENCE)
    try:
        await asyncio.to_thread(remove_local_copy, work, store, keys)
    except Exception as error:  # noqa: BLE001 - how the job ended does not depend on this folder
        logger.error("%s could not be removed: %s", work, error)


def delay_after(delays: int) -> float:
    """Seconds until a job that was delayed ``delays`` times before is received again."""
    doublings = min(delays, math.ceil(math.log2(LONGEST_DELAY / FIRST_DELAY)))
    return min(FIRST_DELAY * 2.0**doublings, LONGEST_DELAY)


def _kind_of(error: Exception) -> str:
    """Why a job is delayed, in a word for metrics."""
    match error:
        case RefusedError():
            return "refused"
        case DeliveryError():
            return "unavailable"
        case ChromiumNotFoundError() | ChromiumLaunchError() | DisplayError():
            return "browser"
        case InputError():
            return "configuration"
        case OSError():
            return "system"
        case _:
            return "internal"


def _bot_id_of(delivery: Delivery) -> str:
    """A bot id for a job without one: the same at each reception of the message."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"sqs:{delivery.message_id}"))
