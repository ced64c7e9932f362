"""The attempts that this worker makes at a job's call: one after the other, each in a new Chromium."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

import msgspec

from worker.browser.injected_scripts import TapLimits, limits_for
from worker.contracts.job import Job
from worker.delivery.bucket_layout import BotKeys
from worker.delivery.object_store import ObjectStore
from worker.delivery.tape_upload import TapeUpload
from worker.jobs.attempt import Attempt, AttemptPlan, run_attempt
from worker.jobs.attempt_numbers import claim_attempt
from worker.jobs.context import WorkerContext
from worker.jobs.live_sessions import LiveSessions
from worker.jobs.local_copy import recording_folder
from worker.jobs.reporter import Reporter
from worker.jobs.retry_budget import RetryBudget
from worker.jobs.supervisor import Supervisor
from worker.lifecycle.ending import Ending
from worker.platforms.links import parse_link
from worker.reasons import Reason
from worker.recording.controls import Controls
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


class Attempts:
    """Makes the attempts, and keeps them with their uploads. ``starting`` is the store before the call; ``recorded_before`` is
    how many seconds earlier workers recorded. ``controls`` are what the bot is told.
    """

    def __init__(
        self,
        job: Job,
        keys: BotKeys,
        context: WorkerContext,
        supervisor: Supervisor,
        starting: ObjectStore,
        recorded_before: float,
        controls: Controls,
    ) -> None:
        self.made: list[Attempt] = []
        self.uploads: list[TapeUpload] = []
        """Of all attempts, also of one that raised."""
        self._job = job
        self._keys = keys
        self._context = context
        self._supervisor = supervisor
        self._stopped = supervisor.stopped
        self._starting = starting
        self._recorded_before = recorded_before
        self._controls = controls
        self._budget = RetryBudget()

    async def claim(self) -> int:
        """Claims the number of the next attempt. Raises what the store raises."""
        number = await asyncio.to_thread(
            claim_attempt, self._starting, self._keys, self._context.owner, self._context.clock()
        )
        self._context.metrics.job.set_attempt(number)
        self._log = self._context.log_about(self._job.bot_id, number, self._job.redactor())
        return number

    async def attend(
        self, number: int, reporter: Reporter, live: LiveSessions, ends_by: float | None
    ) -> Ending:
        """Makes an attempt, and another one after each end that a new Chromium may cure, as the retry budget allows."""
        while True:
            ending, healthy = await self._make_attempt(number, reporter, live, ends_by)
            if not (ending.reason.is_retried and self._budget.allows(healthy)):
                return ending
            if self._supervisor.left.done():
                return self._supervisor.left.result()
            if self._stopped.done():
                # A drain often takes Chromium away first. The meeting goes on, so the stop decides who makes the next try.
                return self._stopped.result()
            logger.warning("%s: %s; trying again", ending.reason, ending.detail)
            self._context.metrics.job.restarted(ending.reason)
            self._budget.spend()
            number = await self.claim()
            reporter.attempt = number

    async def _make_attempt(
        self, number: int, reporter: Reporter, live: LiveSessions, ends_by: float | None
    ) -> tuple[Ending, float]:
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
                reporter.enter(state, reason)
                # A session that begins in another state of the pause than the one before it writes no event of the change.
                reporter.paused(self._controls.paused)

        plan = AttemptPlan(
            number,
            self._keys.attempt(number),
            self._request(number, reporter, ends_by),
            self._log,
            live.open(number),
        )
        upload = TapeUpload(self._context.store, plan.keys)
        self.uploads.append(upload)
        stopped = self._supervisor.begin_attempt(upload)
        attempt = await run_attempt(plan, upload, self._context, report_state, reporter, stopped)
        self.made.append(attempt)
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

    def _request(self, number: int, reporter: Reporter, ends_by: float | None) -> RecordingRequest:
        longest = self._job.leave.max_duration
        before = self._recorded_before + sum(
            attempt.manifest.recording.duration_seconds
            for attempt in self.made
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
            # The call was told by an earlier attempt; a bot that comes back does not repeat it.
            announcement=None if reporter.announced_at else self._job.announcement,
            comes_back=self._budget.allows(0.0),
            controls=self._controls,
            limits=self._live_limits(),
            separate_video=self._job.separate_video,
        )

    def _live_limits(self) -> TapLimits | None:
        """Smaller batches where sound is heard live."""
        if not any(endpoint.wants_audio for endpoint in self._job.live):
            return None
        return limits_for(round(1000 * self._context.worker_settings.live.batch_seconds))
