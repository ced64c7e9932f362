"""One job from its lease to its result: join, record, upload, recover earlier attempts meanwhile, report."""

from __future__ import annotations

import asyncio
import logging
import math
from functools import partial
from typing import Final

from worker.contracts.job import Job
from worker.delivery.bucket_layout import BotKeys, bot_keys
from worker.delivery.errors import DeliveryError
from worker.delivery.fenced_store import FencedStore
from worker.delivery.keepalive import keep_lease
from worker.delivery.lease import Lease, LeaseHeldError, LeaseLostError
from worker.delivery.object_store import ObjectStore
from worker.delivery.patient_store import PatientStore
from worker.jobs.attempt import Attempt
from worker.jobs.attempts import Attempts
from worker.jobs.bot_claim import claim_bot
from worker.jobs.bot_lease import acquire_lease, release_lease
from worker.jobs.command_inbox import CommandInbox
from worker.jobs.context import WorkerContext
from worker.jobs.disposition import Disposition, disposition_of
from worker.jobs.earlier_attempts import Earlier, look_back
from worker.jobs.earlier_recovery import EarlierRecovery, RecoveryUnderWayError
from worker.jobs.finish import Finish
from worker.jobs.known_result import disposition_if_reported, report_again
from worker.jobs.left_out import LeftOut
from worker.jobs.live_sessions import LiveSessions, open_live
from worker.jobs.local_copy import upload_abandoned
from worker.jobs.publish_attempts import AttemptsPublisher
from worker.jobs.reporter import Reporter, read_status
from worker.jobs.start_limits import due_at, is_too_late
from worker.jobs.supervisor import Supervisor
from worker.jobs.tape_drain import STUCK_SECONDS, drain_tapes
from worker.lifecycle.ending import Ending
from worker.reasons import Reason
from worker.recording.controls import Controls
from worker.rendering.output import VIDEO_FOLDER
from worker.video.transcoding import transcode

logger = logging.getLogger(__name__)

START_PATIENCE: Final = 30.0
"""Seconds that a request to the store may be refused before the call. Then the job is put back and reported as delayed."""

FILES_AT_DRAIN: Final = 32_000_000
"""Bytes: a drained worker uploads an attempt's videos, and its other files, if they are of at most this size each time; larger
ones are rendered from the tape by its successor, so that the bot is out of the call only briefly."""

WAIT_STEP: Final = 10.0
"""Seconds after which a wait for a time of day looks at the clock again, which may have been set."""


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
    if (disposition := await disposition_if_reported(keys, starting)) is not None:
        return disposition
    try:
        lease = await acquire_lease(keys, context, starting)
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
                if (disposition := await report_again(keys, context, starting)) is not None:
                    return disposition
                run = _JobRun(job, keys, context, lease, supervisor, starting)
                return await run.run(sent_at, ends_by, give_up)
        finally:
            await release_lease(lease, context)


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
        self._store = PatientStore(fenced, math.inf, supervisor.out_of_time, self._on_trouble)
        self._loop = asyncio.get_running_loop()
        self._trouble_since: float | None = None
        """Since when requests to the store have failed, on the steady clock."""
        self._drained: bool | None = None
        """Whether all tapes are in the bucket; None before that was waited for."""

    async def run(self, sent_at: float, ends_by: float | None, give_up: bool) -> Disposition:
        context = self._context
        controls = Controls()
        await asyncio.to_thread(upload_abandoned, context.work, self._job.bot_id, self._starting, self._keys)
        earlier = await asyncio.to_thread(look_back, self._starting, self._keys, context.work / "earlier")
        self._attempts = Attempts(
            self._job,
            self._keys,
            context,
            self._supervisor,
            self._starting,
            earlier.recorded_seconds,
            controls,
        )
        number = await self._attempts.claim()
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
        self._live = LiveSessions(self._job, self._reporter, open_live(self._job, context, self._reporter))
        inbox = CommandInbox(
            FencedStore(context.store, lambda: self._lease.may_speak(context.clock())),
            self._keys,
            self._lease,
            controls,
            self._supervisor.leave,
            context.work / "screenshots",
            context.clock,
        )
        await inbox.load(self._starting)
        recovery = EarlierRecovery(self._job, self._keys, context, self._store, self._supervisor, earlier)
        inbox.start()
        try:
            if give_up:
                return await self._give_up(recovery)
            ending: Ending | None = None
            if earlier.meeting_may_go_on:
                if (late := self._lateness(sent_at, earlier)) is not None:
                    ending = late
                elif not await self._until_join_at():
                    return self._unfinished()
                elif self._supervisor.left.done():
                    ending = self._supervisor.left.result()
                else:
                    ending = await self._attempts.attend(number, self._reporter, self._live, ends_by)
            if not self._stopped.done():
                await inbox.end()
            return await self._conclude(ending, recovery)
        except asyncio.CancelledError:
            # The second Ctrl-C: nothing is waited for any more.
            self._supervisor.out_of_time.set()
            raise
        finally:
            await self._live.close(wait=not self._supervisor.out_of_time.is_set())
            await inbox.close()
            await recovery.cancel()
            await self._drain_tapes()
            for upload in self._attempts.uploads:
                upload.close()

    async def _conclude(self, ending: Ending | None, recovery: EarlierRecovery) -> Disposition:
        """What follows the call: always the tapes first; then, unless another worker has the job or gets it, the end."""
        complete = await self._drain_tapes()
        if self._supervisor.lost:
            return Disposition.TAKEN_OVER
        if ending is not None and ending.reason is Reason.DRAINED:
            if complete:
                await self._publish_small_files()
            return self._unfinished()
        if not complete and self._supervisor.out_of_time.is_set():
            return self._unfinished()
        return await self._complete(ending, recovery)

    def _unfinished(self) -> Disposition:
        """How a job ends here that another worker finishes."""
        return Disposition.TAKEN_OVER if self._supervisor.lost else Disposition.HANDED_ON

    async def _complete(self, ending: Ending | None, recovery: EarlierRecovery) -> Disposition:
        self._live.end()
        try:
            result = await self._finish(recovery).run(ending)
        except LeaseLostError as error:
            logger.warning("%s", error)
            return Disposition.TAKEN_OVER
        except (RecoveryUnderWayError, DeliveryError) as error:
            if not self._stopped.done():
                raise
            logger.warning("another worker finishes the job: %s", error)
            return self._unfinished()
        return Disposition.UNREPORTED if result is None else disposition_of(result)

    async def _give_up(self, recovery: EarlierRecovery) -> Disposition:
        try:
            result = await self._finish(recovery).give_up()
        except LeaseLostError as error:
            logger.warning("%s", error)
            return Disposition.TAKEN_OVER
        if result is None:
            return Disposition.UNREPORTED
        # Another worker may have written a result before.
        disposition = disposition_of(result)
        return Disposition.GIVEN_UP if disposition is Disposition.FAILED else disposition

    def _finish(self, recovery: EarlierRecovery) -> Finish:
        return Finish(
            self._job,
            self._keys,
            self._context,
            self._store,
            self._lease,
            self._reporter,
            recovery.recorded,
            recovery.videos,
            self._attempts.made,
            self._supervisor.out_of_time,
            self._live.ended,
            partial(transcode, stopped=self._stopped)
            if self._context.worker_settings.transcode_video
            else None,
        )

    async def _drain_tapes(self) -> bool:
        """Waits until the tapes are in the bucket; returns whether all of them are."""
        if self._drained is None:
            self._drained = await drain_tapes(
                self._attempts.uploads, self._supervisor.out_of_time, self._on_stuck
            )
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
        made = [each for each in self._attempts.made if each.manifest is not None]
        without = [each for each in made if _size_of_files(each, videos=False) <= FILES_AT_DRAIN]
        # Videos are large, and may cost the audio nothing: those of an attempt go only where there are few of them.
        with_videos = [each for each in without if _size_of_files(each, videos=True) <= FILES_AT_DRAIN]
        left_out = LeftOut(self._job, self._supervisor.out_of_time)
        audio, videos = (
            AttemptsPublisher(self._job, self._keys, self._store, self._context.metrics, attempts, left_out)
            for attempts in (without, with_videos)
        )
        try:
            await audio.publish_audio()
            await audio.publish_rest()
            if not self._context.worker_settings.transcode_video:
                await videos.publish_videos(None, self._supervisor.out_of_time)
        except Exception as error:  # noqa: BLE001 - the tape is there, and the next worker renders it
            logger.warning("files are left to the next worker: %s", error)

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
        """Waits for the time to join, or until the bot is told to leave; returns False if the worker has to stop before."""
        ends = [self._stopped, self._supervisor.left]
        while (ahead := (self._job.join_at or 0.0) - self._context.clock()) > 0 and not any(
            end.done() for end in ends
        ):
            logger.info("joining in %.0f s", ahead)
            await asyncio.wait(ends, timeout=min(ahead, WAIT_STEP), return_when=asyncio.FIRST_COMPLETED)
        return not self._stopped.done()


def _size_of_files(attempt: Attempt, *, videos: bool) -> int:
    """Bytes of the attempt's video files, or of all others."""
    paths = (path for path in attempt.files.rglob("*") if path.is_file() and path.suffix != ".mcap")
    folder = attempt.files / VIDEO_FOLDER
    return sum(path.stat().st_size for path in paths if path.is_relative_to(folder) is videos)
