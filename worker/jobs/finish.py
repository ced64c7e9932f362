"""After the call: everything is uploaded, put together, kept and reported, in an order that can be broken off anywhere."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from worker.browser.page_snapshot import LOG_FILE
from worker.contracts.job import Job
from worker.contracts.status import OutcomeKind, Result, ResultFile, fitting
from worker.contracts.streams_document import mixed_only
from worker.contracts.vendor_words import outcome as vendor_outcome
from worker.delivery.bucket_layout import BotKeys
from worker.delivery.lease import LeaseLostError
from worker.delivery.object_store import Listed, PreconditionFailedError
from worker.jobs.attempt import Attempt
from worker.jobs.context import WorkerContext
from worker.jobs.job_outcome import JobOutcome, judge, make_result
from worker.jobs.publish import CONTENT_TYPES, publish_audio, publish_rest
from worker.jobs.recovery import recorded_attempt
from worker.jobs.reporter import JSON, Reporter
from worker.lifecycle.ending import Ending
from worker.manifest.merge import RecordedAttempt, merge_attempts
from worker.manifest.schema import Manifest, encode_manifest
from worker.states import State

logger = logging.getLogger(__name__)

RESULT_FILE: Final = "result.json"


class Finish:
    """The end of a job whose lease is held. ``attempts`` are this worker's attempts.

    ``recovered`` gives what earlier workers' attempts recorded, once it is all in the store.
    ``lost`` says whether the lease was lost meanwhile: then another worker does all this.
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
        self._lost = lost

    async def run(self, ending: Ending | None, *, give_up: bool) -> Result | None:
        """Does it all. ``ending`` is that of the last attempt, None where the bot did not enter the call this time.

        Returns the result, None where it could not be sent. Raises LeaseLostError, what the store raises, and OSError; what
        ``recovered`` raises only once all of this worker's own is in the store.
        """
        context = self._context
        context.metrics.job.set_state(State.UPLOADING, context.clock())
        recorded = await self._publish_audio()
        try:
            recorded = [*await self._recovered(), *recorded]
        except Exception:
            await self._publish_rest()
            raise
        outcomes = [attempt.outcome for attempt in self._attempts]
        job_outcome = judge(recorded, ending, outcomes, give_up=give_up)
        self._reporter.enter(State.STOPPED, job_outcome.reason)
        self._make_sure()
        manifest = await self._publish_document(recorded)
        await self._publish_rest()
        await self._publish_failures(job_outcome)
        self._make_sure()
        self._reporter.enter(job_outcome.state, job_outcome.reason)
        result = await self._keep_result(manifest, job_outcome)
        if not await self._reporter.reported(fitting(result), context.worker_settings.retry_seconds):
            return None
        await self._tidy_up()
        said = vendor_outcome(job_outcome.state, job_outcome.reason, self._job.platform)
        context.metrics.job.outcome(self._job.platform, said.code, said.sub_code)
        context.metrics.job.set_state(job_outcome.state, context.clock())
        logger.info("%s: %s %s", result.outcome, result.reason, result.detail)
        return result

    def _make_sure(self) -> None:
        if self._lost():
            raise LeaseLostError(f"{self._keys.lease}: another worker has the bot")

    async def _publish_audio(self) -> list[RecordedAttempt]:
        recorded = []
        for attempt in self._attempts:
            if attempt.manifest is not None:
                await self._publish(publish_audio, attempt)
                recorded.append(recorded_attempt(self._keys, attempt.number, attempt.manifest))
        return recorded

    async def _publish(self, publish: Callable[..., None], attempt: Attempt) -> None:
        await asyncio.to_thread(
            publish,
            self._store,
            attempt.keys,
            attempt.files,
            separate_audio=self._job.separate_audio,
            done=self._context.metrics.delivery.uploaded,
        )

    async def _publish_document(self, recorded: list[RecordedAttempt]) -> Manifest | None:
        """The bot's own audio_streams.json; none where nothing was recorded. What people wait for is there then.

        Returns what was recorded, also of the speakers whose files nobody asked for.
        """
        if not recorded:
            await self._reporter.no_audio()
            return None
        merged = merge_attempts(recorded)
        body = encode_manifest(merged if self._job.separate_audio else mixed_only(merged))
        await asyncio.to_thread(self._store.put, self._keys.audio_streams, body, content_type=JSON)
        await self._reporter.audio_ready()
        return merged

    async def _publish_rest(self) -> None:
        for attempt in self._attempts:
            if attempt.manifest is not None:
                await self._publish(publish_rest, attempt)
            if not await asyncio.to_thread(attempt.upload.drain, self._context.worker_settings.retry_seconds):
                self._context.metrics.delivery.upload_failed()
                missing = len(attempt.upload.pending()) + attempt.upload.given_up
                logger.error("attempt %d: %d parts of the tape are not uploaded", attempt.number, missing)

    async def _publish_failures(self, job_outcome: JobOutcome) -> None:
        for attempt in self._attempts:
            if job_outcome.kind is not OutcomeKind.RECORDED or attempt.outcome.failed:
                await asyncio.to_thread(self._publish_failure, attempt)

    def _publish_failure(self, attempt: Attempt) -> None:
        attempt.failure.mkdir(parents=True, exist_ok=True)
        log = "".join(f"{line}\n" for line in attempt.log.lines())
        (attempt.failure / LOG_FILE).write_text(log or "(nothing was logged)\n", "utf-8")
        for path in sorted(attempt.failure.iterdir()):
            key = attempt.keys.failure_file(path.name)
            self._store.put(key, path, content_type=CONTENT_TYPES[path.suffix])

    async def _keep_result(self, manifest: Manifest | None, job_outcome: JobOutcome) -> Result:
        """Writes result.json, unless there is one: then that is the result."""
        numbers = range(1, self._reporter.attempt + 1)
        files = await asyncio.to_thread(self._list, [self._keys.attempt(each).files for each in numbers])
        parts = await asyncio.to_thread(self._list, [self._keys.attempt(each).tape for each in numbers])
        result = make_result(
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
        key = f"{self._keys.folder}{RESULT_FILE}"
        body = msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n"
        try:
            await asyncio.to_thread(self._store.put, key, body, content_type=JSON, if_absent=True)
        except PreconditionFailedError:
            stored = await asyncio.to_thread(self._store.get, key)
            return msgspec.json.decode(stored.data, type=Result)
        return result

    def _list(self, prefixes: list[str]) -> list[Listed]:
        return [listed for prefix in prefixes for listed in self._store.list(prefix)]

    async def _tidy_up(self) -> None:
        """Whatever is in the bucket need not be here; whether tapes stay in the bucket, the setting decides."""
        for attempt in self._attempts:
            attempt.upload.close()
        await asyncio.to_thread(shutil.rmtree, self._context.work, ignore_errors=True)
        if not self._context.worker_settings.keep_tape:
            await asyncio.to_thread(self._remove_tapes)

    def _remove_tapes(self) -> None:
        for number in range(1, self._reporter.attempt + 1):
            for listed in self._store.list(self._keys.attempt(number).tape):
                self._store.delete(listed.key)
