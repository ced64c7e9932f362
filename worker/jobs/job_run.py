"""One job from its lease to its result: join, record, upload, recover earlier attempts meanwhile, report."""

from __future__ import annotations

import asyncio
import logging
import math
from functools import partial
from typing import Any, Final

import msgspec

from worker.contracts.job import Job
from worker.contracts.status import result_event
from worker.delivery.bucket_layout import BotKeys, bot_keys
from worker.delivery.errors import DeliveryError
from worker.delivery.fenced_store import FencedStore
from worker.delivery.keepalive import keep_lease
from worker.delivery.lease import Lease, LeaseHeldError, LeaseLostError
from worker.delivery.object_store import ObjectStore, PreconditionFailedError
from worker.delivery.patient_store import PatientStore
from worker.delivery.tape_upload import TapeUpload
from worker.errors import MeetstemsError
from worker.jobs.attempt import Attempt, AttemptPlan, run_attempt
from worker.jobs.attempt_numbers import claim_attempt
from worker.jobs.bot_claim import claim_bot
from worker.jobs.context import WorkerContext
from worker.jobs.disposition import Disposition, disposition_of
from worker.jobs.earlier_attempts import Earlier, grown_attempts, look_back
from worker.jobs.finish import Finish
from worker.jobs.local_copy import recording_folder
from worker.jobs.publish_attempts import AttemptsPublisher
from worker.jobs.recovery_process import recover_in_process, recovery_task
from worker.jobs.reporter import JSON, Reporter, read_status
from worker.jobs.result_file import read_result
from worker.jobs.retry_budget import RetryBudget
from worker.jobs.start_limits import due_at, is_too_late
from worker.jobs.supervisor import Supervisor
from worker.jobs.tape_drain import STUCK_SECONDS, drain_tapes
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

START_PATIENCE: Final = 30.0
"""Seconds that a request to the store may be refused before the call. Then the job is put back and reported as delayed."""

FILES_AT_DRAIN: Final = 32_000_000
"""Bytes: a drained worker uploads files of at most this size; larger ones are rendered from the tape by its successor, so that
the bot is out of the call only briefly."""

HURRIED_PERIOD: Final = 0.2
"""Seconds between two looks whether there is still time."""

WAIT_STEP: Final = 10.0
"""Seconds after which a wait for a time of day looks at the clock again, which may have been set."""


class RecoveryUnderWayError(MeetstemsError):
    """The worker has to stop before earlier attempts are recovered. Everything else is uploaded."""


async def run_job(
    job: Job, context: WorkerContext, *, sent_at: float, ends_by: float | None, give_up: bool
) -> Disposition:
    """Runs a job. ``sent_at`` (Unix seconds) is when it was sent; ``ends_by`` (on the steady clock) is when recording has to
    end at the latest. ``give_up``: it was tried too often, so the bot does not join; this is reported, and what earlier
    attempts recorded is recovered.

    Raises BotIdTakenError, and DeliveryError and what the recording raises if nothing could be started; the job can be tried
    again then. All that was recorded is in the bucket by then, unless the worker had to stop.
    """
    keys = bot_keys(context.worker_settings.prefix, job.bot_id)
    starting = context.patient_store(START_PATIENCE)
    await asyncio.to_thread(claim_bot, starting, keys, job)
    if (disposition := await _reported(keys, starting)) is not None:
        return disposition
    try:
        lease = await _acquire(keys, context, starting)
    except LeaseHeldError as error:
        context.metrics.delivery.lease_operation("acquire", "refused")
        logger.info("another worker has the bot: %s", error)
        return Disposition.HELD
    context.metrics.delivery.lease_operation("acquire", "ok")
    settings = context.worker_settings
    supervisor = Supervisor(
        context.stopped,
        lease,
        context.metrics,
        settings.memory_limit,
        settings.grace_seconds,
        context.events,
    )
    with keep_lease(lease, context.clock, supervisor.lease_lost, supervisor.lease_renewed):
        try:
            async with supervisor:
                # Another worker may have finished the job before this one got the lease.
                if (disposition := await _report_again(keys, context, starting)) is not None:
                    return disposition
                run = _JobRun(job, keys, context, lease, supervisor, starting)
                return await run.run(sent_at, ends_by, give_up)
        finally:
            await _release(lease, context)


async def _acquire(keys: BotKeys, context: WorkerContext, store: ObjectStore) -> Lease:
    """Acquires the lease. Waits once for it to expire, since a killed worker cannot release it. Raises LeaseHeldError."""
    ttl = context.worker_settings.lease_seconds

    def acquire() -> Lease:
        return Lease.acquire(store, keys.lease, context.owner, context.clock(), ttl, context.steady)

    try:
        return await asyncio.to_thread(acquire)
    except LeaseHeldError as error:
        if error.record is None:
            raise
        # A longer wait means that the owner goes on renewing it, or has a longer ttl.
        await asyncio.wait([context.stopped], timeout=min(error.seconds_left, ttl + 1.0) + 0.5)
        return await asyncio.to_thread(acquire)


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


async def _reported(keys: BotKeys, store: ObjectStore) -> Disposition | None:
    """The disposition of a job whose result was sent; None otherwise."""
    result = await asyncio.to_thread(read_result, store, keys)
    if result is None:
        return None
    _, status = await asyncio.to_thread(read_status, store, keys)
    if status is None or not status.reported:
        return None
    logger.info("the job is already done: %s", result.outcome)
    return disposition_of(result)


async def _report_again(keys: BotKeys, context: WorkerContext, store: ObjectStore) -> Disposition | None:
    """If the job has a result already, sends it unless it was sent; None without a result. Only for the lease's owner."""
    result = await asyncio.to_thread(read_result, store, keys)
    if result is None:
        return None
    etag, status = await asyncio.to_thread(read_status, store, keys)
    if status is not None and status.reported:
        return disposition_of(result)
    context.events.send(result_event(result))
    if not await asyncio.to_thread(context.events.drain, context.worker_settings.retry_seconds):
        return Disposition.UNREPORTED
    if status is not None:
        body = msgspec.json.encode(msgspec.structs.replace(status, reported=True))
        try:
            await asyncio.to_thread(partial(store.put, keys.status, body, content_type=JSON, if_match=etag))
        except PreconditionFailedError as error:
            logger.info("bot.json has another writer: %s", error)
    return disposition_of(result)


class _JobRun:
    """One run of a job whose lease is held."""

    def __init__(
        self,
        job: Job,
        keys: BotKeys,
        context: WorkerContext,
        lease: Lease,
        supervisor: Supervisor,
        starting: ObjectStore,
    ) -> None:
        self._job = job
        self._keys = keys
        self._context = context
        self._lease = lease
        self._stopped = supervisor.stopped
        self._supervisor = supervisor
        self._starting = starting
        fenced = FencedStore(context.store, lambda: lease.may_speak(context.clock()))
        self._store = PatientStore(fenced, math.inf, supervisor.hurried, self._on_trouble)
        self._budget = RetryBudget()
        self._attempts: list[Attempt] = []
        self._uploads: list[TapeUpload] = []
        self._recorded_before = 0.0
        self._loop = asyncio.get_running_loop()
        self._trouble_since: float | None = None
        """Since when requests to the store have failed, on the steady clock."""
        self._drained: bool | None = None
        """Whether all tapes are in the bucket; None before that was waited for."""

    async def run(self, sent_at: float, ends_by: float | None, give_up: bool) -> Disposition:
        context = self._context
        earlier = await asyncio.to_thread(look_back, self._starting, self._keys, context.work / "earlier")
        self._recorded_before = earlier.recorded_seconds
        self._earlier = earlier
        number = await self._claim()
        _, before = await asyncio.to_thread(read_status, self._starting, self._keys)
        self._reporter = Reporter(
            self._store,
            self._keys,
            context.events,
            self._lease,
            self._job,
            number,
            context.clock,
            context.worker_settings.pod,
            context.worker_settings.node,
            before,
        )
        recovering = asyncio.create_task(self._recover(earlier.numbers, "recovery"))
        try:
            if give_up:
                return await self._give_up(recovering)
            ending: Ending | None = None
            if earlier.meeting_may_go_on:
                if (late := self._lateness(sent_at, earlier)) is not None:
                    ending = late
                elif not await self._until_join_at():
                    return self._unfinished()
                else:
                    ending = await self._attend(number, ends_by)
            return await self._conclude(ending, recovering)
        except asyncio.CancelledError:
            # The second Ctrl-C: nothing is waited for any more.
            self._supervisor.hurried.set()
            raise
        finally:
            recovering.cancel()
            await asyncio.gather(recovering, return_exceptions=True)
            await self._drain_tapes()
            for upload in self._uploads:
                upload.close()

    async def _conclude(
        self, ending: Ending | None, recovering: asyncio.Task[list[RecordedAttempt]]
    ) -> Disposition:
        """What follows the call: always the tapes first; then, unless another worker has the job or gets it, the end."""
        complete = await self._drain_tapes()
        if self._supervisor.lost:
            return Disposition.TAKEN_OVER
        if ending is not None and ending.reason is Reason.DRAINED:
            if complete:
                await self._publish_small_files()
            return self._unfinished()
        if not complete and self._supervisor.hurried.is_set():
            return self._unfinished()
        return await self._complete(ending, recovering)

    def _unfinished(self) -> Disposition:
        """How a job ends here that another worker finishes."""
        return Disposition.TAKEN_OVER if self._supervisor.lost else Disposition.HANDED_ON

    async def _complete(
        self, ending: Ending | None, recovering: asyncio.Task[list[RecordedAttempt]]
    ) -> Disposition:
        try:
            result = await self._finish(recovering).run(ending)
        except LeaseLostError as error:
            logger.warning("%s", error)
            return Disposition.TAKEN_OVER
        except (RecoveryUnderWayError, DeliveryError) as error:
            if not self._stopped.done():
                raise
            logger.warning("another worker finishes the job: %s", error)
            return self._unfinished()
        return Disposition.UNREPORTED if result is None else disposition_of(result)

    async def _give_up(self, recovering: asyncio.Task[list[RecordedAttempt]]) -> Disposition:
        try:
            result = await self._finish(recovering).give_up()
        except LeaseLostError as error:
            logger.warning("%s", error)
            return Disposition.TAKEN_OVER
        if result is None:
            return Disposition.UNREPORTED
        # Another worker may have written a result before.
        disposition = disposition_of(result)
        return Disposition.GIVEN_UP if disposition is Disposition.FAILED else disposition

    def _finish(self, recovering: asyncio.Task[list[RecordedAttempt]]) -> Finish:
        return Finish(
            self._job,
            self._keys,
            self._context,
            self._store,
            self._lease,
            self._reporter,
            partial(self._recovered, recovering),
            self._attempts,
            self._supervisor.hurried,
        )

    async def _recover(self, numbers: list[int], folder: str) -> list[RecordedAttempt]:
        context = self._context
        task = recovery_task(context.aws, context.worker_settings, self._job, numbers, context.work / folder)
        return await recover_in_process(task)

    async def _recovered(self, recovering: asyncio.Task[list[RecordedAttempt]]) -> list[RecordedAttempt]:
        """The earlier attempts, with what their workers, if only paused, have uploaded since.

        Raises RecoveryUnderWayError and what recover_in_process() raises.
        """
        recorded = await self._unless_stopped(recovering)
        grown = await asyncio.to_thread(grown_attempts, self._store, self._keys, self._earlier)
        if not grown:
            return recorded
        logger.info("attempts %s have more parts than before: their files are made again", grown)
        again = await self._unless_stopped(asyncio.create_task(self._recover(grown, "recovery-again")))
        both = [*(each for each in recorded if each.attempt not in grown), *again]
        return sorted(both, key=lambda each: each.attempt)

    async def _unless_stopped(self, recovering: asyncio.Task[list[RecordedAttempt]]) -> list[RecordedAttempt]:
        """Waits for ``recovering``; a worker that has to stop waits until it is hurried. Raises RecoveryUnderWayError."""
        first: list[asyncio.Future[Any]] = [recovering, self._stopped]
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        while not recovering.done() and self._stopped.result().reason.is_told_to_stop:
            if self._supervisor.hurried.is_set():
                recovering.cancel()
                raise RecoveryUnderWayError(
                    "earlier attempts are not recovered yet; another worker will do it"
                )
            await asyncio.wait([recovering], timeout=HURRIED_PERIOD)
        return await recovering

    async def _drain_tapes(self) -> bool:
        """Waits until the tapes are in the bucket; returns whether all of them are."""
        if self._drained is None:
            self._drained = await drain_tapes(self._uploads, self._supervisor.hurried, self._on_stuck)
            self._context.metrics.delivery.set_upload_stuck(False)
            if not self._drained:
                self._context.metrics.delivery.upload_failed()
        return self._drained

    def _on_stuck(self, missing: int) -> None:
        self._context.metrics.delivery.set_upload_stuck(True)
        self._reporter.upload_delayed()
        logger.error("%d parts of the tape cannot be uploaded; the worker stays and goes on trying", missing)

    def _on_trouble(self, error: DeliveryError | None) -> None:
        """A request to the store failed in a way that may be temporary, or (None) succeeded after all. Called in any thread."""
        self._context.metrics.delivery.set_upload_stuck(error is not None)
        now = self._context.steady()
        self._trouble_since = None if error is None else self._trouble_since or now
        if self._drained is not None and now - (self._trouble_since or now) >= STUCK_SECONDS:
            self._loop.call_soon_threadsafe(self._reporter.upload_delayed)

    async def _publish_small_files(self) -> None:
        """Uploads the files of attempts where that takes a moment only."""
        small = [each for each in self._attempts if _size_of_files(each) <= FILES_AT_DRAIN]
        publisher = AttemptsPublisher(self._job, self._keys, self._store, self._context.metrics, small)
        try:
            await publisher.publish_audio()
            await publisher.publish_rest()
        except Exception as error:  # noqa: BLE001 - the tape is there, and the next worker renders it
            logger.warning("files are left to the next worker: %s", error)

    async def _claim(self) -> int:
        number = await asyncio.to_thread(
            claim_attempt, self._starting, self._keys, self._context.owner, self._context.clock()
        )
        self._context.metrics.job.set_attempt(number)
        self._log = self._context.log_about(self._job.bot_id, number, self._job.redactor())
        return number

    def _lateness(self, sent_at: float, earlier: Earlier) -> Ending | None:
        """The ending of a job that is too late to join; None in time."""
        now, limit = self._context.clock(), self._context.worker_settings.latest_start_seconds
        due = due_at(self._job, sent_at)
        if not is_too_late(due, earlier.active_until, now, limit):
            return None
        return Ending(
            Reason.TOO_LATE, f"{now - due:.0f} s after it was due, {limit:g} s are allowed", now, ("clock",)
        )

    async def _until_join_at(self) -> bool:
        """Waits for the time to join; returns False if the worker has to stop before."""
        while (ahead := (self._job.join_at or 0.0) - self._context.clock()) > 0 and not self._stopped.done():
            logger.info("joining in %.0f s", ahead)
            await asyncio.wait([self._stopped], timeout=min(ahead, WAIT_STEP))
        return not self._stopped.done()

    async def _attend(self, number: int, ends_by: float | None) -> Ending:
        """Makes an attempt, and another one after each end that a new Chromium may cure, as the retry budget allows."""
        while True:
            ending, healthy = await self._make_attempt(number, ends_by)
            if not (ending.reason.is_retried and self._budget.allows(healthy)):
                return ending
            if self._stopped.done():
                # A drain often takes Chromium away first. The meeting goes on, so the stop decides who makes the next try.
                return self._stopped.result()
            logger.warning("%s: %s; trying again", ending.reason, ending.detail)
            self._context.metrics.job.restarted(ending.reason)
            self._budget.spend()
            number = await self._claim()
            self._reporter.attempt = number

    async def _make_attempt(self, number: int, ends_by: float | None) -> tuple[Ending, float]:
        """Returns why the attempt ended, and for how many seconds it recorded."""
        steady = self._context.steady
        recording_since: float | None = None

        def healthy_seconds() -> float:
            return 0.0 if recording_since is None else steady() - recording_since

        def goes_on(reason: Reason | None) -> bool:
            if reason is Reason.DRAINED:
                return True
            return reason is not None and reason.is_retried and self._budget.allows(healthy_seconds())

        def report_state(state: State, reason: Reason | None) -> None:
            nonlocal recording_since
            if state is State.IN_CALL_RECORDING:
                recording_since = steady()
            # The bot will be back, with this worker or the next one.
            if state in REPORTED_STATES and not (state is State.LEAVING and goes_on(reason)):
                self._reporter.enter(state, reason)

        plan = AttemptPlan(number, self._keys.attempt(number), self._request(number, ends_by), self._log)
        upload = TapeUpload(self._context.store, plan.keys)
        self._uploads.append(upload)
        stopped = self._supervisor.begin_attempt(upload)
        attempt = await run_attempt(
            plan, upload, self._context, report_state, self._reporter.announced, stopped
        )
        self._attempts.append(attempt)
        self._count(attempt)
        return attempt.outcome.ending, healthy_seconds()

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
            limits.append(ends_by - self._context.steady())
        return RecordingRequest(
            bot_id=self._job.bot_id,
            link=parse_link(self._job.meeting_url),
            output=recording_folder(self._context.work, number),
            bot_name=self._job.bot_name,
            policy=msgspec.structs.replace(
                self._job.leave, max_duration=max(1.0, min(limits)) if limits else None
            ),
            # Told once is told: who sees the bot come back need not read it again.
            announcement=None if self._reporter.announced_at else self._job.announcement,
            comes_back=self._budget.allows(0.0),
        )


def _size_of_files(attempt: Attempt) -> int:
    paths = attempt.files.rglob("*") if attempt.manifest is not None else ()
    return sum(path.stat().st_size for path in paths if path.is_file() and path.suffix != ".mcap")
