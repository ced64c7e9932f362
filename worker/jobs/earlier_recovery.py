"""Recovers what earlier attempts recorded, in a process beside the call."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from worker.contracts.job import Job
from worker.delivery.bucket_layout import BotKeys
from worker.delivery.object_store import ObjectStore
from worker.errors import MeetstemsError
from worker.jobs.context import WorkerContext
from worker.jobs.earlier_attempts import Earlier, grown_attempts
from worker.jobs.recovery_process import RecoveredPart, recover_in_process, recovery_task
from worker.jobs.supervisor import Supervisor
from worker.manifest.merge import RecordedAttempt

logger = logging.getLogger(__name__)

STOP_PERIOD: Final = 0.2
"""Seconds between two looks whether there is still time."""


class RecoveryUnderWayError(MeetstemsError):
    """The worker has to stop before earlier attempts are recovered. Everything else is uploaded."""


class EarlierRecovery:
    """The recovery of the ``earlier`` attempts of a job, which begins at once, that of their videos after all else.

    ``store`` is the one for results.
    """

    def __init__(
        self,
        job: Job,
        keys: BotKeys,
        context: WorkerContext,
        store: ObjectStore,
        supervisor: Supervisor,
        earlier: Earlier,
    ) -> None:
        self._job = job
        self._keys = keys
        self._context = context
        self._store = store
        self._supervisor = supervisor
        self._earlier = earlier
        self._folders = dict.fromkeys(earlier.numbers, "recovery")
        """Where each attempt was rendered last."""
        self._recovering = asyncio.create_task(self._recover(earlier.numbers, "recovery"))
        self._recovering_videos = asyncio.create_task(self._recover_videos(self._recovering))

    async def _recover(
        self, numbers: list[int], folder: str, part: RecoveredPart = "audio"
    ) -> list[RecordedAttempt]:
        context = self._context
        work = context.work / folder
        return await recover_in_process(
            recovery_task(context.aws, context.worker_settings, self._job, numbers, work, part),
            self._supervisor.stopped,
        )

    async def _recover_videos(self, audio: asyncio.Task[list[RecordedAttempt]]) -> list[RecordedAttempt]:
        """Follows ``audio``, which nothing of it may hold up."""
        await asyncio.wait([audio])
        if not self._job.separate_video or audio.cancelled() or audio.exception() is not None:
            return []
        recorded: list[RecordedAttempt] = []
        for folder in sorted(set(self._folders.values())):
            numbers = [number for number, its in self._folders.items() if its == folder]
            recorded += await self._recover(numbers, folder, "videos")
        return recorded

    async def videos(self) -> list[RecordedAttempt]:
        """The attempts that ``recorded`` has returned, once their videos are uploaded, with what these have become.

        Raises RecoveryUnderWayError and what recover_in_process() raises.
        """
        return await self._unless_stopped(self._recovering_videos)

    async def recorded(self) -> list[RecordedAttempt]:
        """The earlier attempts, with what their workers, if only paused, have uploaded since; the videos may still be missing.

        Raises RecoveryUnderWayError and what recover_in_process() raises.
        """
        recorded = await self._unless_stopped(self._recovering)
        grown = await asyncio.to_thread(grown_attempts, self._store, self._keys, self._earlier)
        if not grown:
            return recorded
        logger.info("attempts %s have more parts than before: their files are made again", grown)
        await self._end(self._recovering_videos)
        self._folders |= dict.fromkeys(grown, "recovery-again")
        recovering = asyncio.create_task(self._recover(grown, "recovery-again"))
        self._recovering_videos = asyncio.create_task(self._recover_videos(recovering))
        again = await self._unless_stopped(recovering)
        both = [*(each for each in recorded if each.attempt not in grown), *again]
        return sorted(both, key=lambda each: each.attempt)

    async def _unless_stopped(self, recovering: asyncio.Task[list[RecordedAttempt]]) -> list[RecordedAttempt]:
        """Waits for ``recovering``; a worker that has to stop waits until it is out of time. Raises RecoveryUnderWayError."""
        first: list[asyncio.Future[Any]] = [recovering, self._supervisor.stopped]
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        while not recovering.done() and self._supervisor.stopped.result().reason.is_told_to_stop:
            if self._supervisor.out_of_time.is_set():
                recovering.cancel()
                raise RecoveryUnderWayError(
                    "earlier attempts are not recovered yet; another worker will do it"
                )
            await asyncio.wait([recovering], timeout=STOP_PERIOD)
        return await recovering

    async def cancel(self) -> None:
        """Ends the recovery, which the next worker begins anew."""
        await self._end(self._recovering)
        await self._end(self._recovering_videos)

    async def _end(self, recovering: asyncio.Task[list[RecordedAttempt]]) -> None:
        recovering.cancel()
        await asyncio.gather(recovering, return_exceptions=True)
