"""How a job ended, over all its attempts, and its result (pure)."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from worker.contracts.job import Job
from worker.contracts.status import (
    ENDPOINT_FAILED,
    EndpointChange,
    OutcomeKind,
    Result,
    ResultFile,
    packet_counters,
    speaker_totals,
    video_counters,
)
from worker.contracts.vendor_words import status_code, words
from worker.iso_time import iso_utc
from worker.lifecycle.announcement import NotAnnounced
from worker.lifecycle.ending import Ending
from worker.manifest.merge import RecordedAttempt, merged_announcement
from worker.manifest.schema import Announcement, Manifest
from worker.reasons import Reason, read_reason
from worker.recording.outcome import RecordingOutcome
from worker.safe_text import redact
from worker.states import State

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class JobOutcome(NamedTuple):
    """``state`` is DONE or FATAL; ``detail`` is plain English."""

    kind: OutcomeKind
    state: State
    reason: Reason
    detail: str


def given_up() -> JobOutcome:
    """The outcome of a job that was received too often."""
    detail = "the job's worker was lost each time"
    return JobOutcome(OutcomeKind.FAILED, State.FATAL, Reason.TOO_MANY_ATTEMPTS, detail)


def judge(
    recorded: Sequence[RecordedAttempt], ending: Ending | None, outcomes: Sequence[RecordingOutcome]
) -> JobOutcome:
    """The outcome of all attempts. ``ending`` is why the bot's last visit ended; None: this worker did not have to join."""
    if ending is None:
        if not recorded:
            detail = "what earlier attempts recorded cannot be read"
            return JobOutcome(OutcomeKind.FAILED, State.FATAL, Reason.WORKER_LOST, detail)
        ended = recorded[-1].manifest.recording
        # The reason may be unknown: of a tape without an end, or of a later version.
        reason = read_reason(ended.ended_reason) or Reason.WORKER_LOST
        return _ended(reason, ended.ended_detail, recorded=True)
    error = outcomes[-1].error if outcomes else None
    if error is not None:
        return JobOutcome(OutcomeKind.FAILED, State.FATAL, error_reason(error, ending.reason), str(error))
    if not recorded and outcomes and outcomes[-1].admitted and not ending.reason.is_cut_off:
        return JobOutcome(OutcomeKind.NOT_RECORDED, State.DONE, ending.reason, ending.detail)
    return _ended(ending.reason, ending.detail, recorded=bool(recorded))


def _ended(reason: Reason, detail: str, *, recorded: bool) -> JobOutcome:
    if reason.is_cut_off:
        return JobOutcome(OutcomeKind.FAILED, State.FATAL, reason, detail)
    if recorded:
        return JobOutcome(OutcomeKind.RECORDED, State.DONE, reason, detail)
    return JobOutcome(OutcomeKind.NOT_ADMITTED, State.FATAL, reason, detail)


def error_reason(error: Exception, reason: Reason) -> Reason:
    """Why tape or files could not be written; ``reason`` is why the recording ended."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in NO_ROOM:
            return Reason.DISK_FULL
        cause = cause.__cause__
    return reason if reason.is_cut_off else Reason.TAPE_FAILED


def announcement_of(
    job: Job,
    recorded: Sequence[RecordedAttempt],
    outcomes: Sequence[RecordingOutcome],
    announced_at: str | None,
) -> Announcement | None:
    """Whether any attempt told the call of the recording; None if the job asked for no announcement.

    ``announced_at`` is what bot.json says, which is known also of a worker that was lost with its tape.
    """
    if job.announcement is None:
        return None
    known = [each.manifest.recording.announcement for each in recorded]
    told = merged_announcement([*known, *(outcome.announcement for outcome in outcomes)])
    if announced_at is not None and (told is None or told.written_at is None):
        return Announcement(written_at=announced_at)
    unknown = NotAnnounced.UNKNOWN if recorded else NotAnnounced.NEVER_RECORDED
    return told or Announcement(written_at=None, failure=unknown)


def endpoint_warnings(job: Job, changes: Sequence[EndpointChange]) -> list[str]:
    """A warning for each endpoint of live streams that was left out or failed, by the name of its field."""
    last = {change.number: change for change in changes}
    left_out = [
        f"A live stream was left out: {fault.message.removeprefix('job: ')}." for fault in job.live_faults
    ]
    return left_out + [
        f"The live stream to {endpoint.field} failed{f' ({why.message})' if why.message else ''}."
        for endpoint in job.live
        if (why := last.get(endpoint.number)) is not None and why.code == ENDPOINT_FAILED
    ]


_NOT_ANNOUNCED: Final[Mapping[str, str]] = {
    NotAnnounced.NO_CHAT: "the page offered no chat",
    NotAnnounced.NOT_TAKEN: "the chat did not take it",
    NotAnnounced.LEFT_BEFORE: "the bot left the call before",
    NotAnnounced.UNKNOWN: "the worker was lost before it noted whether it did",
}


def _announcement_warnings(announcement: Announcement | None) -> list[str]:
    """A warning if a recording was made that the call was not told of."""
    if announcement is None or announcement.written_at is not None:
        return []
    if announcement.failure == NotAnnounced.NEVER_RECORDED:
        return []
    why = _NOT_ANNOUNCED.get(announcement.failure, announcement.failure)
    return [f"The announcement was not written into the chat: {why}."]


def make_result(
    job: Job,
    job_outcome: JobOutcome,
    manifest: Manifest | None,
    *,
    files: list[ResultFile],
    tape_bytes: int,
    tape_parts: int,
    audio_streams: str | None,
    attempt: int,
    sequence: int,
    at: float,
    announcement: Announcement | None = None,
    left_out: Sequence[str] = (),
) -> Result:
    """The result of ``job``; ``at`` is now, in Unix seconds. ``left_out``: warnings of what could not be written.

    The idempotency key is the same for every worker."""
    names = words(job_outcome.state, job_outcome.reason, job.platform)
    counters = {"tape_bytes": float(tape_bytes), "tape_parts": float(tape_parts), "attempts": float(attempt)}
    if manifest is not None:
        counters |= packet_counters(manifest) | video_counters(manifest)
    recording = manifest.recording if manifest else None
    return Result(
        bot_id=job.bot_id,
        vendor=job.vendor,
        outcome=job_outcome.kind,
        state=job_outcome.state,
        reason=job_outcome.reason,
        detail=job.redactor().text(redact(job_outcome.detail)),
        bot_status=names.bot_status,
        status_code=status_code(names.bot_status),
        code=names.code,
        sub_code=names.sub_code,
        message=names.message,
        attempt=attempt,
        sequence=sequence,
        idempotency_key=f"{job.bot_id}-result",
        updated_at=iso_utc(at),
        started_at=recording.started_at if recording else None,
        duration_seconds=recording.duration_seconds if recording else 0.0,
        audio_streams=audio_streams,
        files=files,
        speakers=speaker_totals(manifest) if manifest else [],
        counters=counters,
        warnings=[
            *(recording.warnings if recording else []),
            *_announcement_warnings(announcement),
            *left_out,
        ],
        ignored=job.ignored,
        custom_attributes=job.custom_attributes,
        announcement=announcement,
    )
