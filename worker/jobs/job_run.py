"""One job from its lease to its result: join, record, upload, recover earlier attempts meanwhile, report."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec

from worker.contracts.job import Job
from worker.contracts.status import BotStatus, result_event
from worker.delivery.bucket_layout import BotKeys, bot_keys
from worker.delivery.errors import DeliveryError
from worker.delivery.keepalive import keep_lease
from worker.delivery.lease import Lease, LeaseHeldError, LeaseLostError
from worker.delivery.object_store import NotFoundError
from worker.delivery.tape_upload import TapeUpload
from worker.errors import MeetstemsError
from worker.jobs.attempt import Attempt, AttemptPlan, run_attempt
from worker.jobs.attempt_numbers import claim_attempt
from worker.jobs.context import WorkerContext
from worker.jobs.disposition import Disposition, disposition_of
from worker.jobs.earlier_attempts import look_back
from worker.jobs.finish import Finish
from worker.jobs.recovery_process import recover_in_process, recovery_task
from worker.jobs.reporter import JSON, Reporter
from worker.jobs.result_file import read_result
from worker.jobs.supervisor import Supervisor
from worker.lifecycle.ending import Ending
from worker.manifest.merge import RecordedAttempt
from worker.platforms.links import parse_link
from worker.reasons import Reason
from worker.recording.outcome import RecordingRequest
from worker.states import State

logger = logging.getLogger(__name__)

REPORTED_STATES: Final = frozenset(
    {
        State.JOINING,
        State.WAITING_ROOM,
        State.IN_CALL_NOT_RECORDING,
        State.IN_CALL_RECORDING,
        State.LEAVING,
    }
)
"""States of an attempt that are reported. What follows leaving depends on more than this attempt."""

HAND_ON_SECONDS: Final = 40.0
"""Seconds from the stop signal until earlier attempts have to be recovered; process managers kill after a minute or more."""


class RecoveryUnderWayError(MeetstemsError):
    """The worker has to stop before earlier attempts are recovered. Everything else is uploaded."""


async def run_job(job: Job, context: WorkerContext, *, ends_by: float | None, give_up: bool) -> Disposition:
    """Runs a job. ``ends_by`` (Unix seconds) is when recording has to end at the latest; ``give_up``: it was tried too often,
    so the bot does not join, and what earlier attempts recorded is reported.

    Raises DeliveryError and what the recording raises if nothing could be started; the job can be tried again then.
    """
    keys = bot_keys(context.worker_settings.prefix, job.bot_id)
    if (disposition := await _report_again(keys, context)) is not None:
        return disposition
    try:
        lease = await _acquire(keys, context)
    except LeaseHeldError as error:
        context.metrics.delivery.lease_operation("acquire", "refused")
        logger.info("another worker has the bot: %s", error)
        return Disposition.HELD
    context.metrics.delivery.lease_operation("acquire", "ok")
    stopped: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
    supervisor = Supervisor(
        context.stopped, stopped, context.metrics, context.worker_settings.memory_limit, context.events
    )
    with keep_lease(lease, context.clock, supervisor.lease_lost, supervisor.lease_renewed):
        try:
            # Another worker may have finished the job before this one got the lease.
            if (disposition := await _report_again(keys, context)) is not None:
                return disposition
            async with supervisor:
                return await _JobRun(job, keys, context, stopped, supervisor).run(ends_by, give_up)
        finally:
            await _release(lease, context)


async def _acquire(keys: BotKeys, context: WorkerContext) -> Lease:
    """Acquires the lease. Waits once for it to expire, since a killed worker cannot release it. Raises LeaseHeldError."""
    acquire = partial(Lease.acquire, context.store, keys.lease, context.owner)
    try:
        return await asyncio.to_thread(acquire, context.clock(), context.worker_settings.lease_seconds)
    except LeaseHeldError as error:
        if error.record is None:
            raise
        wait = min(error.record.expires_at - context.clock() + 0.5, context.worker_settings.lease_seconds)
        await asyncio.wait([context.stopped], timeout=max(0.0, wait))
        return await asyncio.to_thread(acquire, context.clock(), context.worker_settings.lease_seconds)


async def _release(lease: Lease, context: WorkerContext) -> None:
    try:
        await asyncio.to_thread(lease.release, context.clock())
        context.metrics.delivery.lease_operation("release", "ok")
    except LeaseLostError as error:
        context.metrics.delivery.lease_operation("release", "refused")
        logger.warning("the lease was lost: %s", error)
    except DeliveryError as error:
        # It expires by itself; the job's result is not affected.
        context.metrics.delivery.lease_operation("release", "error")
        logger.warning("the lease could not be released: %s", error)


async def _report_again(keys: BotKeys, context: WorkerContext) -> Disposition | None:
    """If the job has a result already, sends it unless it was sent; None without a result."""
    result = await asyncio.to_thread(read_result, context.store, keys)
    if result is None:
        return None
    disposition = disposition_of(result)
    try:
        status = msgspec.json.decode(
            (await asyncio.to_thread(context.store.get, keys.status)).data, type=BotStatus
        )
    except NotFoundError:
        status = None
    if status is not None and status.reported:
        logger.info("the job is already done: %s", result.outcome)
        return disposition
    context.events.send(result_event(result))
    if not await asyncio.to_thread(context.events.drain, context.worker_settings.retry_seconds):
        return Disposition.UNREPORTED
    if status is not None:
        body = msgspec.json.encode(msgspec.structs.replace(status, reported=True))
        await asyncio.to_thread(context.store.put, keys.status, body, content_type=JSON)
    return disposition


class _JobRun:
    """One run of a job whose lease is held."""

    def __init__(
        self,
        job: Job,
        keys: BotKeys,
        context: WorkerContext,
        stopped: asyncio.Future[Ending],
        supervisor: Supervisor,
    ) -> None:
        self._job = job
        self._keys = keys
        self._context = context
        self._store = context.store
        self._stopped = stopped
        self._supervisor = supervisor
        self._attempts: list[Attempt] = []
        self._recorded_before = 0.0

    async def run(self, ends_by: float | None, give_up: bool) -> Disposition:
        context = self._context
        earlier = await asyncio.to_thread(look_back, self._store, self._keys, context.work / "earlier")
        self._recorded_before = earlier.recorded_seconds
        task = recovery_task(
            context.aws, context.worker_settings, self._job, earlier.numbers, context.work / "recovery"
        )
        number = await self._claim()
        self._reporter = Reporter(self._store, self._keys, context.events, self._job, number, context.clock)
        recovering = asyncio.create_task(recover_in_process(task))
        try:
            ending: Ending | None = None
            if earlier.meeting_may_go_on and not give_up:
                if not await self._until_join_at():
                    return Disposition.HANDED_ON
                ending = await self._attend(number, ends_by)
            return await self._finish(ending, recovering, give_up)
        finally:
            recovering.cancel()
            await asyncio.gather(recovering, return_exceptions=True)
            for attempt in self._attempts:
                attempt.upload.close()

    async def _finish(
        self, ending: Ending | None, recovering: asyncio.Task[list[RecordedAttempt]], give_up: bool
    ) -> Disposition:
        if ending is not None and ending.reason is Reason.LEASE_LOST:
            return Disposition.HELD
        if ending is not None and ending.reason.is_told_to_stop and not self._recorded():
            return Disposition.HANDED_ON
        finish = Finish(
            self._job,
            self._keys,
            self._context,
            self._reporter,
            partial(_recovered, recovering, self._stopped, self._context.clock),
            self._attempts,
            lambda: self._supervisor.lost,
        )
        try:
            result = await finish.run(ending, give_up=give_up)
        except LeaseLostError as error:
            logger.warning("%s", error)
            return Disposition.HELD
        except RecoveryUnderWayError as error:
            logger.warning("%s", error)
            return Disposition.HANDED_ON
        return Disposition.UNREPORTED if result is None else disposition_of(result)

    async def _claim(self) -> int:
        number = await asyncio.to_thread(
            claim_attempt, self._store, self._keys, self._context.owner, self._context.clock()
        )
        self._context.metrics.job.set_attempt(number)
        self._log = self._context.log_about(self._job.bot_id, number)
        return number

    async def _until_join_at(self) -> bool:
        """Waits for the time to join; returns False if the worker has to stop before."""
        ahead = (self._job.join_at or 0.0) - self._context.clock()
        if ahead > 0 and not self._stopped.done():
            logger.info("joining in %.0f s", ahead)
            await asyncio.wait([self._stopped], timeout=ahead)
        return not self._stopped.done()

    async def _attend(self, number: int, ends_by: float | None) -> Ending:
        """Makes an attempt, and a second one if the first one's reason is retried."""
        ending = await self._make_attempt(number, ends_by, retried=True)
        if ending.reason.is_retried and not self._stopped.done():
            logger.warning("%s: %s; trying again", ending.reason, ending.detail)
            self._context.metrics.job.restarted(ending.reason)
            number = await self._claim()
            self._reporter.attempt = number
            ending = await self._make_attempt(number, ends_by, retried=False)
        return ending

    async def _make_attempt(self, number: int, ends_by: float | None, *, retried: bool) -> Ending:
        """Makes the attempt ``number``. ``retried``: the bot rejoins after a reason that is retried, so that leaving for it is
        not reported."""

        def report_state(state: State, reason: Reason | None) -> None:
            rejoins = retried and reason is not None and reason.is_retried
            if state in REPORTED_STATES and not (state is State.LEAVING and rejoins):
                self._reporter.enter(state, reason)

        plan = AttemptPlan(number, self._keys.attempt(number), self._request(number, ends_by), self._log)
        upload = TapeUpload(self._store, plan.keys)
        self._supervisor.watch(upload)
        attempt = await run_attempt(plan, upload, self._context, report_state, self._stopped)
        self._attempts.append(attempt)
        self._count(attempt)
        return attempt.outcome.ending

    def _count(self, attempt: Attempt) -> None:
        metrics, outcome = self._context.metrics, attempt.outcome
        if outcome.first_packet_after is not None:
            metrics.job.observe_first_packet(outcome.first_packet_after)
        if attempt.manifest is not None:
            metrics.capture.set_manifest(attempt.manifest)
            if outcome.files_closed_after is not None:
                metrics.job.observe_finish(outcome.files_closed_after)

    def _request(self, number: int, ends_by: float | None) -> RecordingRequest:
        longest = self._job.leave.max_duration
        before = self._recorded_before + sum(
            attempt.manifest.recording.duration_seconds
            for attempt in self._attempts
            if attempt.manifest is not None
        )
        limits = [] if longest is None else [longest - before]
        if ends_by is not None:
            limits.append(ends_by - self._context.clock())
        return RecordingRequest(
            bot_id=self._job.bot_id,
            link=parse_link(self._job.meeting_url),
            output=self._context.work / f"attempt-{number:04d}" / "recording",
            bot_name=self._job.bot_name,
            policy=msgspec.structs.replace(
                self._job.leave, max_duration=max(1.0, min(limits)) if limits else None
            ),
            announcement=self._job.announcement,
        )

    def _recorded(self) -> bool:
        return any(attempt.manifest is not None for attempt in self._attempts)


async def _recovered(
    recovering: asyncio.Task[list[RecordedAttempt]],
    stopped: asyncio.Future[Ending],
    clock: Callable[[], float],
) -> list[RecordedAttempt]:
    """Waits for the recovered attempts and returns them; a worker that has to stop waits at most HAND_ON_SECONDS.

    Raises RecoveryUnderWayError and what recover_in_process() raises.
    """
    first: list[asyncio.Future[Any]] = [recovering, stopped]
    await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
    if not recovering.done() and stopped.result().reason.is_told_to_stop:
        await asyncio.wait([recovering], timeout=max(0.0, stopped.result().at + HAND_ON_SECONDS - clock()))
        if not recovering.done():
            raise RecoveryUnderWayError("earlier attempts are not recovered yet; another worker will do it")
    return await recovering
