"""One job from its lease to its result: join, record, upload, meanwhile recover what earlier attempts left, report."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Any, Final

import msgspec

from worker.contracts.job import Job
from worker.contracts.status import BotStatus, Result, fitting
from worker.delivery.bucket_layout import BotKeys, bot_keys
from worker.delivery.errors import DeliveryError
from worker.delivery.keepalive import keep_lease
from worker.delivery.lease import Lease, LeaseHeldError, LeaseLostError
from worker.delivery.object_store import NotFoundError
from worker.errors import MeetstemsError
from worker.jobs.attempt import Entry, enter_call
from worker.jobs.attempt_numbers import claim_attempt
from worker.jobs.context import World
from worker.jobs.earlier_attempts import look_back
from worker.jobs.finish import RESULT_FILE, Finish
from worker.jobs.recovery_process import recover_apart, recovery_task
from worker.jobs.reporter import JSON, Reporter
from worker.jobs.supervisor import Oversight
from worker.manifest.merge import RecordedAttempt
from worker.platforms.links import parse_link
from worker.reasons import TOLD_TO_STOP, TRIED_AGAIN, Reason
from worker.recording.outcome import Order, Stop

logger = logging.getLogger(__name__)

ANNOUNCED: Final = frozenset(
    {"joining", "waiting_room", "in_call_not_recording", "in_call_recording", "leaving"}
)
"""States of an entry that are the bot's own. What follows after leaving depends on more than this entry."""

HAND_ON_SECONDS: Final = 40.0
"""Seconds from being told to stop until earlier attempts have to be recovered; supervisors wait for a minute and more."""


class RecoveryUnderWayError(MeetstemsError):
    """The worker has to stop before the earlier attempts' files are made. All else is uploaded."""


class End(Enum):
    """What became of a job, as far as its message is concerned."""

    DONE = "done"
    """Reported; also that the bot was not let in."""
    FAILED = "failed"
    """Reported; something broke."""
    HELD = "held"
    """Another worker is at it."""
    HANDED_ON = "handed_on"
    """This worker has to stop before the job was done; another one can do what is left."""
    UNREPORTED = "unreported"
    """Everything is uploaded, but the result could not be sent."""


async def run_job(job: Job, world: World, *, ends_by: float | None, give_up: bool) -> End:
    """Does a job. ``ends_by`` (Unix seconds) is when recording has to end at the latest; ``give_up``: it was tried too often,
    so that only what there is gets reported.

    Raises DeliveryError and what the recording raises where nothing could be begun; the job can be tried again then.
    """
    keys = bot_keys(world.run.prefix, job.bot_id)
    if (end := await _report_again(keys, world)) is not None:
        return end
    try:
        lease = await _acquire(keys, world)
    except LeaseHeldError as error:
        world.metrics.lease_operation("acquire", "refused")
        logger.info("another worker has the bot: %s", error)
        return End.HELD
    world.metrics.lease_operation("acquire", "ok")
    stopped: asyncio.Future[Stop] = asyncio.get_running_loop().create_future()
    oversight = Oversight(world.stopped, stopped, world.metrics, world.run.memory_limit, world.events)
    with keep_lease(lease, world.clock, oversight.lease_lost, oversight.lease_renewed):
        try:
            # Somebody may have finished it while the lease was not ours.
            if (end := await _report_again(keys, world)) is not None:
                return end
            async with oversight:
                return await _Bot(job, keys, world, stopped, oversight).run(ends_by, give_up)
        finally:
            await _release(lease, world)


async def _acquire(keys: BotKeys, world: World) -> Lease:
    """The lease, once it is free or has expired: whoever was killed cannot release it. Raises LeaseHeldError."""
    acquire = partial(Lease.acquire, world.store, keys.lease, world.owner)
    try:
        return await asyncio.to_thread(acquire, world.clock(), world.run.lease_seconds)
    except LeaseHeldError as error:
        if error.record is None:
            raise
        wait = min(error.record.expires_at - world.clock() + 0.5, world.run.lease_seconds)
        await asyncio.wait([world.stopped], timeout=max(0.0, wait))
        return await asyncio.to_thread(acquire, world.clock(), world.run.lease_seconds)


async def _release(lease: Lease, world: World) -> None:
    try:
        await asyncio.to_thread(lease.release, world.clock())
        world.metrics.lease_operation("release", "ok")
    except LeaseLostError as error:
        world.metrics.lease_operation("release", "refused")
        logger.warning("the lease was lost: %s", error)
    except DeliveryError as error:
        # It expires by itself; what was done and reported stays so.
        world.metrics.lease_operation("release", "error")
        logger.warning("the lease could not be released: %s", error)


async def _report_again(keys: BotKeys, world: World) -> End | None:
    """Where the job has its result already, makes sure that it was sent; None where it has none."""
    try:
        stored = await asyncio.to_thread(world.store.get, f"{keys.folder}{RESULT_FILE}")
    except NotFoundError:
        return None
    result = msgspec.json.decode(stored.data, type=Result)
    end = end_of(result)
    try:
        status = msgspec.json.decode(
            (await asyncio.to_thread(world.store.get, keys.status)).data, type=BotStatus
        )
    except NotFoundError:
        status = None
    if status is not None and status.reported:
        logger.info("the job was done before: %s", result.outcome)
        return end
    world.events.send(fitting(result))
    if not await asyncio.to_thread(world.events.drain, world.run.retry_seconds):
        return End.UNREPORTED
    if status is not None:
        body = msgspec.json.encode(msgspec.structs.replace(status, reported=True))
        await asyncio.to_thread(world.store.put, keys.status, body, content_type=JSON)
    return end


def end_of(result: Result) -> End:
    """A job that has its result is done, or failed."""
    return End.FAILED if result.outcome == "failed" else End.DONE


class _Bot:
    """A job whose lease is held."""

    def __init__(
        self, job: Job, keys: BotKeys, world: World, stopped: asyncio.Future[Stop], oversight: Oversight
    ) -> None:
        self._job = job
        self._keys = keys
        self._world = world
        self._store = world.store
        self._stopped = stopped
        self._oversight = oversight
        self._entries: list[Entry] = []
        self._recorded_before = 0.0

    async def run(self, ends_by: float | None, give_up: bool) -> End:
        world = self._world
        earlier = await asyncio.to_thread(look_back, self._store, self._keys, world.work / "earlier")
        self._recorded_before = earlier.recorded_seconds
        task = recovery_task(world.aws, world.run, self._job, earlier.numbers, world.work / "recovery")
        number = await self._claim()
        self._reporter = Reporter(self._store, self._keys, world.events, self._job, number, world.clock)
        recovering = asyncio.create_task(recover_apart(task))
        try:
            stop: Stop | None = None
            if earlier.meeting_may_go_on and not give_up:
                if not await self._until_join_at():
                    return End.HANDED_ON
                stop = await self._attend(number, ends_by)
            return await self._finish(stop, recovering, give_up)
        finally:
            recovering.cancel()
            await asyncio.gather(recovering, return_exceptions=True)
            for entry in self._entries:
                entry.upload.close()

    async def _finish(
        self, stop: Stop | None, recovering: asyncio.Task[list[RecordedAttempt]], give_up: bool
    ) -> End:
        if stop is not None and stop.reason == Reason.LEASE_LOST:
            return End.HELD
        if stop is not None and stop.reason in TOLD_TO_STOP and not self._recorded():
            return End.HANDED_ON
        finish = Finish(
            self._job,
            self._keys,
            self._world,
            self._reporter,
            partial(_recovered, recovering, self._stopped, self._world.clock),
            self._entries,
            lambda: self._oversight.lost,
        )
        try:
            result = await finish.run(stop, give_up=give_up)
        except LeaseLostError as error:
            logger.warning("%s", error)
            return End.HELD
        except RecoveryUnderWayError as error:
            logger.warning("%s", error)
            return End.HANDED_ON
        return End.UNREPORTED if result is None else end_of(result)

    async def _claim(self) -> int:
        number = await asyncio.to_thread(
            claim_attempt, self._store, self._keys, self._world.owner, self._world.clock()
        )
        self._world.metrics.set_attempt(number)
        self._log = self._world.log_about(self._job.bot_id, number)
        return number

    async def _until_join_at(self) -> bool:
        """Waits for the time to join; False where the worker has to stop before."""
        ahead = (self._job.join_at or 0.0) - self._world.clock()
        if ahead > 0 and not self._stopped.done():
            logger.info("joining in %.0f s", ahead)
            await asyncio.wait([self._stopped], timeout=ahead)
        return not self._stopped.done()

    async def _attend(self, number: int, ends_by: float | None) -> Stop:
        """Enters the call, and once more where that can help."""
        stop = await self._enter(number, ends_by, TRIED_AGAIN)
        if stop.reason in TRIED_AGAIN and not self._stopped.done():
            logger.warning("%s: %s; once more", stop.reason, stop.detail)
            self._world.metrics.restarted(stop.reason)
            number = await self._claim()
            self._reporter.attempt = number
            stop = await self._enter(number, ends_by, frozenset())
        return stop

    async def _enter(self, number: int, ends_by: float | None, unsaid: frozenset[str]) -> Stop:
        """Enters the call under ``number``. Leaving it for one of the reasons ``unsaid`` is not told: the bot comes back."""

        def announce(state: str, reason: str) -> None:
            if state == "leaving" and reason in unsaid:
                return
            if state in ANNOUNCED:
                self._reporter.enter(state, reason)

        entry = await enter_call(
            number,
            self._keys.attempt(number),
            self._order(number, ends_by),
            self._world.settings,
            self._store,
            self._world.metrics,
            self._log,
            announce,
            self._stopped,
            self._oversight.watch,
        )
        self._entries.append(entry)
        self._count(entry)
        return entry.outcome.stop

    def _count(self, entry: Entry) -> None:
        metrics, outcome = self._world.metrics, entry.outcome
        if outcome.first_packet_after is not None:
            metrics.observe_first_packet(outcome.first_packet_after)
        if entry.manifest is not None:
            metrics.set_manifest(entry.manifest)
            if outcome.files_closed_after is not None:
                metrics.observe_finish(outcome.files_closed_after)

    def _order(self, number: int, ends_by: float | None) -> Order:
        longest = self._job.leave.max_duration
        before = self._recorded_before + sum(
            entry.manifest.recording.duration_seconds for entry in self._entries if entry.manifest is not None
        )
        limits = [] if longest is None else [longest - before]
        if ends_by is not None:
            limits.append(ends_by - self._world.clock())
        return Order(
            bot_id=self._job.bot_id,
            link=parse_link(self._job.meeting_url),
            output=self._world.work / f"attempt-{number:04d}" / "recording",
            bot_name=self._job.bot_name,
            policy=msgspec.structs.replace(
                self._job.leave, max_duration=max(1.0, min(limits)) if limits else None
            ),
            announcement=self._job.announcement,
        )

    def _recorded(self) -> bool:
        return any(entry.manifest is not None for entry in self._entries)


async def _recovered(
    recovering: asyncio.Task[list[RecordedAttempt]], stopped: asyncio.Future[Stop], clock: Callable[[], float]
) -> list[RecordedAttempt]:
    """What earlier attempts recorded, once it is there; a worker that has to stop waits HAND_ON_SECONDS for it at most.

    Raises RecoveryUnderWayError and what recover_apart() raises.
    """
    first: list[asyncio.Future[Any]] = [recovering, stopped]
    await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
    if not recovering.done() and stopped.result().reason in TOLD_TO_STOP:
        await asyncio.wait([recovering], timeout=max(0.0, stopped.result().at + HAND_ON_SECONDS - clock()))
        if not recovering.done():
            raise RecoveryUnderWayError(
                "earlier attempts are not recovered yet; another worker goes on with it"
            )
    return await recovering
