"""After the call: everything is uploaded, merged, written and reported, in an order that can be interrupted anywhere."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from worker.contracts.job import Job
from worker.contracts.status import Result, ResultFile, result_event
from worker.contracts.streams_document import mixed_only
from worker.contracts.vendor_words import outcome_words
from worker.delivery.bucket_layout import BotKeys
from worker.delivery.errors import DeliveryError, UnavailableError
from worker.delivery.guarded_document import GuardedDocument
from worker.delivery.lease import Lease, LeaseLostError
from worker.delivery.object_store import Listed, NotFoundError, ObjectStore
from worker.jobs.attempt import Attempt
from worker.jobs.context import WorkerContext
from worker.jobs.earlier_attempts import meeting_log_of
from worker.jobs.job_outcome import (
    JobOutcome,
    announcement_of,
    endpoint_warnings,
    given_up,
    judge,
    make_result,
)
from worker.jobs.left_out import LeftOut
from worker.jobs.publish import MEETING_PATIENCE
from worker.jobs.publish_attempts import AttemptsPublisher
from worker.jobs.publish_videos import with_stored_videos
from worker.jobs.recovery import files_of
from worker.jobs.reporter import Reporter
from worker.jobs.result_file import keep_result
from worker.jobs.transcode_videos import Transcode
from worker.lifecycle.ending import Ending
from worker.manifest.meeting_schema import MeetingLog, encode_meeting
from worker.manifest.merge import RecordedAttempt, merge_attempts
from worker.manifest.merge_meetings import merge_meetings
from worker.manifest.merge_videos import without_videos
from worker.manifest.schema import Announcement, Manifest, encode_manifest
from worker.reasons import read_reason
from worker.rendering.output import MEETING_FILE, TIMELINE_FILE
from worker.states import State, read_state

logger = logging.getLogger(__name__)

REMOVAL_PATIENCE: Final = 10.0
"""Seconds for which a refused removal of a tape is tried again. The job is done; a worker may not be allowed to delete."""


class Finish:
    """The end of a job whose ``lease`` is held. ``attempts`` are this worker's attempts, whose tapes are in the store.

    ``recovered`` returns the recorded attempts of earlier workers, once their files but for the videos are in ``store``, which
    is fenced by the lease (worker.delivery.fenced_store); ``recovered_videos`` those of them whose videos are there, too, with
    what these have become. ``live_ended`` waits, within bounds, until the live streams have
    ended and their last states are reported. ``transcode`` makes H.264 in MP4 of other videos, None: they stay as they were
    sent. Once another worker has the lease, that one finishes the job. Once ``out_of_time`` is set, nothing is waited for any
    more.
    """

    def __init__(
        self,
        job: Job,
        keys: BotKeys,
        context: WorkerContext,
        store: ObjectStore,
        lease: Lease,
        reporter: Reporter,
        recovered: Callable[[], Awaitable[list[RecordedAttempt]]],
        recovered_videos: Callable[[], Awaitable[list[RecordedAttempt]]],
        attempts: Sequence[Attempt],
        out_of_time: threading.Event,
        live_ended: Callable[[], Awaitable[None]],
        transcode: Transcode | None = None,
    ) -> None:
        self._job = job
        self._keys = keys
        self._context = context
        self._store = store
        self._lease = lease
        self._reporter = reporter
        self._recovered = recovered
        self._recovered_videos = recovered_videos
        self._live_ended = live_ended
        self._attempts = attempts
        self._out_of_time = out_of_time
        self._transcode = transcode
        self._left_out = LeftOut(job, out_of_time)
        self._publisher = AttemptsPublisher(job, keys, store, context.metrics, attempts, self._left_out)
        self._meeting_store = store.within(MEETING_PATIENCE)
        self._document, self._meeting = (
            GuardedDocument(each, key, lambda: lease.may_speak(context.clock()))
            for each, key in ((store, keys.audio_streams), (self._meeting_store, keys.meeting))
        )

    async def run(self, ending: Ending | None) -> Result | None:
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
            await self._publisher.publish_videos(self._transcode, self._out_of_time)
            raise
        outcomes = [attempt.outcome for attempt in self._attempts]
        job_outcome = judge(recorded, ending, outcomes)
        await self._check_lease()
        self._reporter.enter(State.STOPPED, job_outcome.reason)
        manifest = await self._publish_document(recorded)
        await self._publisher.publish_rest()
        if manifest is not None and self._job.separate_video:
            own = await self._publisher.publish_videos(self._transcode, self._out_of_time)
            recorded = _replaced(recorded, [*own, *await self._earlier_videos()])
            manifest = await self._publish_videos(recorded)
        await self._publisher.publish_failures(job_outcome.kind)
        result = await self._report(job_outcome, manifest, recorded)
        if result is not None and not context.worker_settings.keep_tape:
            await asyncio.to_thread(self._remove_tapes, recorded)
        return result

    async def give_up(self) -> Result | None:
        """Finishes a job that was tried too often: reports it first, and then recovers what its tapes hold.

        Returns the result, None if it could not be sent. Raises LeaseLostError, and what the store raises before the report.
        """
        result = await self._report(given_up(), None, [])
        try:
            recorded = list(await self._recovered())
            await self._publish_document(recorded)
            if recorded and self._job.separate_video:
                await self._publish_videos(_replaced(recorded, await self._earlier_videos()))
        except Exception as error:  # noqa: BLE001 - whatever failed, the job is reported, and nobody may wait for its audio
            logger.error("reported, but what was recorded could not be recovered: %s", error)
            await self._end_waiting()
        return result

    async def _earlier_videos(self) -> list[RecordedAttempt]:
        """What ``recovered_videos`` returns. An error costs only videos, unless another worker will have the time for them."""
        try:
            return await self._recovered_videos()
        except LeaseLostError:
            raise
        except Exception as error:
            if self._out_of_time.is_set():
                raise
            logger.error("the videos of earlier attempts could not be recovered: %s", error)
            return []

    async def _end_waiting(self) -> None:
        try:
            await self._reporter.end_waiting()
        except DeliveryError as error:
            logger.warning("bot.json still says that audio or video will come: %s", error)

    async def _report(
        self, job_outcome: JobOutcome, manifest: Manifest | None, recorded: Sequence[RecordedAttempt]
    ) -> Result | None:
        """Writes and sends the result; None if it could not be sent."""
        context = self._context
        await self._left_out.unless_it_fails("The ends of the live streams are not known", self._live_ended())
        await self._check_lease()
        self._reporter.enter(job_outcome.state, job_outcome.reason)
        self._reporter.end_endpoints()
        outcomes = [attempt.outcome for attempt in self._attempts]
        announcement = announcement_of(self._job, recorded, outcomes, self._reporter.announced_at)
        result = await self._make_result(manifest, job_outcome, announcement, recorded)
        result = await asyncio.to_thread(keep_result, self._store, self._keys, result)
        seconds = context.worker_settings.retry_seconds
        if not await self._reporter.send_result(result_event(result), seconds, self._out_of_time):
            return None
        # Another worker may have written the result first.
        state = read_state(result.state) or job_outcome.state
        reason = read_reason(result.reason) or job_outcome.reason
        names = outcome_words(state, reason, self._job.platform)
        context.metrics.job.outcome(self._job.platform, names.code, names.sub_code)
        context.metrics.job.set_state(state, context.clock())
        logger.info("%s: %s %s", result.outcome, result.reason, result.detail)
        return result

    async def _check_lease(self) -> None:
        if not await asyncio.to_thread(self._lease.may_speak, self._context.clock()):
            raise LeaseLostError(f"{self._keys.lease}: another worker has the bot")

    async def _publish_document(self, recorded: list[RecordedAttempt]) -> Manifest | None:
        """Writes the bot's audio_streams.json and meeting.json, if anything was recorded, and reports that the audio is final.

        The document is without videos: it names only files that are there. Returns the merged manifest, with its speakers even
        if the job asks for no separate files.
        """
        if not recorded:
            await self._reporter.audio_missing()
            return None
        merged = merge_attempts(recorded)
        await asyncio.to_thread(self._document.write, self._document_of(without_videos(merged)))
        await self._publish_meeting(merged, recorded)
        await self._reporter.audio_ready()
        return merged

    async def _publish_videos(self, recorded: Sequence[RecordedAttempt]) -> Manifest:
        """Writes audio_streams.json with the videos that are in the store, and reports that they are final.

        Returns that manifest, with its speakers even if the job asks for no separate files. A video that is missing costs
        nothing else, nor does the document, which then stays without videos: the result has a warning.
        """
        with_videos = await self._left_out.unless_it_fails(
            "audio_streams.json names no videos", self._write_videos(recorded)
        )
        if with_videos is not None:
            merged, missing = with_videos
        else:
            merged, missing = without_videos(merge_attempts(list(recorded))), True
        await self._reporter.video_ready(failed=missing and not merged.video_streams)
        return merged

    async def _write_videos(self, recorded: Sequence[RecordedAttempt]) -> tuple[Manifest, bool]:
        """Writes audio_streams.json with the videos that are in the store; returns that manifest, and whether some are not."""
        stored, missing = await asyncio.to_thread(with_stored_videos, recorded, self._stored_files)
        if missing and self._out_of_time.is_set():
            raise UnavailableError(f"{self._keys.folder}: another worker uploads the videos that are missing")
        self._left_out.warnings += missing
        merged = merge_attempts(stored)
        if merged.video_streams is msgspec.UNSET:
            merged = msgspec.structs.replace(merged, video_streams=[])
        await asyncio.to_thread(self._document.write, self._document_of(merged))
        return merged, bool(missing)

    def _document_of(self, merged: Manifest) -> bytes:
        return encode_manifest(merged if self._job.separate_audio else mixed_only(merged))

    def _stored_files(self, number: int) -> frozenset[str]:
        """The files of an attempt that are in the store, relative to its manifest."""
        files = self._keys.attempt(number).files
        return frozenset(listed.key.removeprefix(files) for listed in self._store.list(files))

    async def _publish_meeting(self, merged: Manifest, recorded: Sequence[RecordedAttempt]) -> None:
        """Writes meeting.json. What is wrong with it costs neither audio nor result: the result has a warning.

        Raises LeaseLostError, and what the store raises once there is no time left: another worker then does all of it.
        """
        logs = []
        for attempt in sorted(recorded, key=lambda each: each.attempt):
            what = f"The participants and messages of attempt {attempt.attempt} are missing"
            log = await self._left_out.unless_it_fails(
                what, asyncio.to_thread(self._meeting_log, attempt.attempt)
            )
            logs += [] if log is None else [log]
        await self._left_out.unless_it_fails(
            "meeting.json could not be written", asyncio.to_thread(self._write_meeting, merged, logs)
        )

    def _meeting_log(self, number: int) -> MeetingLog:
        keys = self._keys.attempt(number)
        log = meeting_log_of(self._meeting_store, keys)
        if log is None:
            raise NotFoundError(f"{keys.file(MEETING_FILE)} does not exist")
        return log

    def _write_meeting(self, merged: Manifest, logs: list[MeetingLog]) -> None:
        self._meeting.write(encode_meeting(merge_meetings(merged, logs)))

    async def _make_result(
        self,
        manifest: Manifest | None,
        job_outcome: JobOutcome,
        announcement: Announcement | None,
        recorded: Sequence[RecordedAttempt],
    ) -> Result:
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
            announcement=announcement,
            left_out=[
                *self._left_out.warnings,
                *self._missing_timelines(recorded, {each.key for each in files}),
                *endpoint_warnings(self._job, self._reporter.endpoint_changes),
            ],
        )

    def _missing_timelines(self, recorded: Sequence[RecordedAttempt], there: set[str]) -> list[str]:
        """A warning for each attempt, of whichever worker, whose timeline is not ``there``, in the store.

        The manifest has the warning for one that could not be written."""
        with_video, with_audio = self._job.separate_video, self._job.separate_audio
        return [
            f"There is no timeline of attempt {each.attempt}: it could not be uploaded."
            for each in recorded
            if self._keys.attempt(each.attempt).file(TIMELINE_FILE) not in there
            and (
                with_video
                or (with_audio and TIMELINE_FILE not in (each.manifest.recording.incomplete_files or ()))
            )
        ]

    def _list(self, prefixes: list[str]) -> list[Listed]:
        return [listed for prefix in prefixes for listed in self._store.list(prefix)]

    def _remove_tapes(self, recorded: Sequence[RecordedAttempt]) -> None:
        """Removes the tapes of attempts whose files are all there and complete. Any other is the only copy of its recording."""
        files = {
            each.attempt: files_of(each.manifest, separate_audio=self._job.separate_audio)
            for each in recorded
            if not each.manifest.recording.incomplete_files
        }
        empty = {
            each.number for each in self._attempts if each.manifest is None and each.outcome.error is None
        }
        store = self._context.patient_store(REMOVAL_PATIENCE)
        for number in range(1, self._reporter.attempt + 1):
            keys = self._keys.attempt(number)
            try:
                there = {listed.key for listed in store.list(keys.files)}
                wanted = {keys.file(name) for name in files.get(number, ())}
                if number in empty or (number in files and wanted <= there):
                    for listed in store.list(keys.tape):
                        store.delete(listed.key)
            except Exception as error:  # noqa: BLE001 - the job is reported, and the tape stays
                logger.warning("the tape of attempt %d could not be removed: %s", number, error)


def _replaced(
    recorded: Sequence[RecordedAttempt], others: Sequence[RecordedAttempt]
) -> list[RecordedAttempt]:
    """The attempts, with those of ``others`` in the place of theirs."""
    by_number = {each.attempt: each for each in others}
    return [by_number.get(each.attempt, each) for each in recorded]
