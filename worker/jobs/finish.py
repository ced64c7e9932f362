"""After the call: everything is uploaded, merged, written and reported, in an order that can be interrupted anywhere."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable, Sequence

from worker.contracts.job import Job
from worker.contracts.status import Result, ResultFile, result_event
from worker.contracts.streams_document import mixed_only
from worker.contracts.vendor_words import outcome as vendor_outcome
from worker.delivery.bucket_layout import BotKeys
from worker.delivery.lease import LeaseLostError
from worker.delivery.object_store import Listed
from worker.jobs.attempt import Attempt
from worker.jobs.context import WorkerContext
from worker.jobs.job_outcome import JobOutcome, judge, make_result
from worker.jobs.publish_attempts import AttemptsPublisher
from worker.jobs.reporter import JSON, Reporter
from worker.jobs.result_file import keep_result
from worker.lifecycle.ending import Ending
from worker.manifest.merge import RecordedAttempt, merge_attempts
from worker.manifest.schema import Manifest, encode_manifest
from worker.reasons import read_reason
from worker.states import State

logger = logging.getLogger(__name__)


class Finish:
    """The end of a job whose lease is held. ``attempts`` are this worker's attempts.

    ``recovered`` returns the recorded attempts of earlier workers, once their files are in the store. ``lost`` returns whether
    the lease was lost: then another worker finishes the job.
    """

    def __init__(
        self,
        job: Job,
        keys: BotKeys,
        context: WorkerContext,
        reporter: Reporter,
        recovered: Callable[[], Awaitable[list[RecordedAttempt]]],
        attempts: Sequence[Attempt],
        lost: Callable[[], bool],
    ) -> None:
        self._job = job
        self._keys = keys
        self._context = context
        self._store = context.store
        self._reporter = reporter
        self._recovered = recovered
        self._attempts = attempts
        self._publisher = AttemptsPublisher(job, keys, context, attempts)
        self._lost = lost

    async def run(self, ending: Ending | None, *, give_up: bool) -> Result | None:
        """Finishes the job. ``ending`` is that of the last attempt, None if this worker made no attempt.

        Returns the result, None if it could not be sent. Raises LeaseLostError, what the store raises, and OSError; what
        ``recovered`` raises, only after all files of this worker's attempts are in the store.
        """
        context = self._context
        context.metrics.job.set_state(State.UPLOADING, context.clock())
        recorded = await self._publisher.publish_audio()
        try:
            recorded = [*await self._recovered(), *recorded]
        except Exception:
            await self._publisher.publish_rest()
            raise
        outcomes = [attempt.outcome for attempt in self._attempts]
        job_outcome = judge(recorded, ending, outcomes, give_up=give_up)
        self._reporter.enter(State.STOPPED, job_outcome.reason)
        self._check_lease()
        manifest = await self._publish_document(recorded)
        await self._publisher.publish_rest()
        await self._publisher.publish_failures(job_outcome.kind)
        self._check_lease()
        self._reporter.enter(job_outcome.state, job_outcome.reason)
        result = await self._make_result(manifest, job_outcome)
        result = await asyncio.to_thread(keep_result, self._store, self._keys, result)
        if not await self._reporter.send_result(result_event(result), context.worker_settings.retry_seconds):
            return None
        await self._clean_up()
        # Another worker may have written the result first.
        state, reason = State(result.state), read_reason(result.reason) or job_outcome.reason
        names = vendor_outcome(state, reason, self._job.platform)
        context.metrics.job.outcome(self._job.platform, names.code, names.sub_code)
        context.metrics.job.set_state(state, context.clock())
        logger.info("%s: %s %s", result.outcome, result.reason, result.detail)
        return result

    def _check_lease(self) -> None:
        if self._lost():
            raise LeaseLostError(f"{self._keys.lease}: another worker has the bot")

    async def _publish_document(self, recorded: list[RecordedAttempt]) -> Manifest | None:
        """Writes the bot's audio_streams.json, if anything was recorded, and reports that the audio is final.

        Returns the merged manifest, with its speakers even if the job asks for no separate files.
        """
        if not recorded:
            await self._reporter.audio_missing()
            return None
        merged = merge_attempts(recorded)
        body = encode_manifest(merged if self._job.separate_audio else mixed_only(merged))
        await asyncio.to_thread(self._store.put, self._keys.audio_streams, body, content_type=JSON)
        await self._reporter.audio_ready()
        return merged

    async def _make_result(self, manifest: Manifest | None, job_outcome: JobOutcome) -> Result:
        """The result, with all files that all attempts have in the bucket."""
        numbers = range(1, self._reporter.attempt + 1)
        files = await asyncio.to_thread(self._list, [self._keys.attempt(each).files for each in numbers])
        parts = await asyncio.to_thread(self._list, [self._keys.attempt(each).tape for each in numbers])
        return make_result(
            self._job,
            job_outcome,
            manifest,
            files=[ResultFile(key=each.key, size=each.size) for each in files],
            tape_bytes=sum(each.size for each in parts),
            tape_parts=len(parts),
            audio_streams=self._keys.audio_streams if manifest else None,
            attempt=self._reporter.attempt,
            sequence=self._reporter.next_sequence(),
            at=self._context.clock(),
        )

    def _list(self, prefixes: list[str]) -> list[Listed]:
        return [listed for prefix in prefixes for listed in self._store.list(prefix)]

    async def _clean_up(self) -> None:
        """Deletes the local files and, unless the settings keep them, the tapes in the bucket."""
        for attempt in self._attempts:
            attempt.upload.close()
        await asyncio.to_thread(shutil.rmtree, self._context.work, ignore_errors=True)
        if not self._context.worker_settings.keep_tape:
            await asyncio.to_thread(self._remove_tapes)

    def _remove_tapes(self) -> None:
        for number in range(1, self._reporter.attempt + 1):
            for listed in self._store.list(self._keys.attempt(number).tape):
                self._store.delete(listed.key)
