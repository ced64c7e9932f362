"""How a job ended, all attempts together, and the result that says so (pure)."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Final, NamedTuple

from worker.contracts.job import Job
from worker.contracts.status import Result, ResultFile, packet_counters, speaker_totals
from worker.contracts.vendor_words import status_code, words
from worker.iso_time import iso_utc
from worker.manifest.merge import RecordedAttempt
from worker.manifest.schema import Manifest
from worker.reasons import CUT_OFF
from worker.recording.outcome import RecordingOutcome, Stop

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class JobOutcome(NamedTuple):
    """``outcome``: ``recorded``, ``not_recorded`` (the bot was in the call), ``not_admitted`` or ``failed``; ``state``:
    ``done`` or ``fatal``; ``reason``: a value of worker.reasons.Reason."""

    outcome: str
    state: str
    reason: str
    detail: str


def judge(
    recorded: Sequence[RecordedAttempt],
    stop: Stop | None,
    outcomes: Sequence[RecordingOutcome],
    *,
    give_up: bool,
) -> JobOutcome:
    """What it all came to. ``stop`` is how the last attempt ended, None where the bot did not enter this time."""
    if give_up:
        return JobOutcome("failed", "fatal", "too_many_attempts", "the job's worker was lost each time")
    if stop is None:
        ended = recorded[-1].manifest.recording
        return _ended(ended.ended_reason, ended.ended_detail, recorded=True)
    error = outcomes[-1].error if outcomes else None
    if error is not None:
        return JobOutcome("failed", "fatal", error_reason(error, stop.reason), str(error))
    if not recorded and outcomes[-1].admitted and stop.reason not in CUT_OFF:
        return JobOutcome("not_recorded", "done", stop.reason, stop.detail)
    return _ended(stop.reason, stop.detail, recorded=bool(recorded))


def _ended(reason: str, detail: str, *, recorded: bool) -> JobOutcome:
    if reason in CUT_OFF:
        return JobOutcome("failed", "fatal", reason, detail)
    if recorded:
        return JobOutcome("recorded", "done", reason, detail)
    return JobOutcome("not_admitted", "fatal", reason, detail)


def error_reason(error: Exception, reason: str) -> str:
    """Why tape or files could not be written; ``reason`` is why the recording ended."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in NO_ROOM:
            return "disk_full"
        cause = cause.__cause__
    return reason if reason in CUT_OFF else "tape_failed"


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
) -> Result:
    """The result of ``job``; ``at`` is now, in Unix seconds. Its idempotency key is the same whoever makes it."""
    said = words(job_outcome.state, job_outcome.reason, job.platform)
    counters = {"tape_bytes": float(tape_bytes), "tape_parts": float(tape_parts), "attempts": float(attempt)}
    if manifest is not None:
        counters |= packet_counters(manifest)
    recording = manifest.recording if manifest else None
    return Result(
        bot_id=job.bot_id,
        vendor=job.vendor,
        outcome=job_outcome.outcome,
        state=job_outcome.state,
        reason=job_outcome.reason,
        detail=job_outcome.detail,
        bot_status=said.bot_status,
        status_code=status_code(said.bot_status),
        code=said.code,
        sub_code=said.sub_code,
        message=said.message,
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
        warnings=recording.warnings if recording else [],
        ignored=job.ignored,
        custom_attributes=job.custom_attributes,
    )
