"""What is published about a bot: ``bot.json``, events, and the result (pure).

Events have MeetStream's fields (``event``, ``bot_status``, ``status_code``, ``timestamp``) and Recall.ai's (``code``,
``sub_code``, ``updated_at``). They may arrive out of order and more than once: ``sequence`` grows with each event of a bot, and
``idempotency_key`` is the same for each copy of an event.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import msgspec

from worker.contracts.job import Job
from worker.contracts.vendor_words import Words, status_code
from worker.delivery.queue_text import LARGEST_MESSAGE, ascii_json
from worker.iso_time import iso_utc
from worker.manifest.schema import Announcement, Manifest, Packets
from worker.reasons import Reason
from worker.safe_text import printable, redact
from worker.states import State

SEQUENCES_PER_ATTEMPT: Final = 1000
"""Numbers that each attempt has for its events: those of attempt 2 are above 2000, so they grow without being stored."""

LARGEST_EVENT: Final = LARGEST_MESSAGE
"""Bytes as they are sent, in ASCII."""

MOST_CHANGES: Final = 200
"""Entries of a bot's history. An attempt has ten; a bot that goes on losing its connection may have many."""

MOST_ENDPOINT_CHANGES: Final = 200
"""Changes of endpoints of live streams in bot.json: with the most endpoints, those of four attempts at least."""

REALTIME_ENDPOINT: Final = "realtime_endpoint"
"""Recall.ai's name of a receiver of live streams."""
ENDPOINT_RUNNING: Final = "running"
ENDPOINT_DONE: Final = "done"
ENDPOINT_FAILED: Final = "failed"
"""Codes of its states."""

AUDIO_SUCCESS: Final = "Success"
AUDIO_IN_PROGRESS: Final = "in_progress"

VIDEO_SUCCESS: Final = "Success"
VIDEO_IN_PROGRESS: Final = "in_progress"
VIDEO_FAILED: Final = "Failed"
"""The job asked for video and somebody showed some, and no file of it could be kept."""


class OutcomeKind(StrEnum):
    """How a job ended; the value is written to ``result.json``."""

    RECORDED = "recorded"
    NOT_RECORDED = "not_recorded"
    """The bot was in the call but did not record; not a failure."""
    NOT_ADMITTED = "not_admitted"
    """The bot was not admitted to the call; not a failure."""
    FAILED = "failed"
    """Something failed; there can still be files."""


class StatusChange(msgspec.Struct, frozen=True, kw_only=True):
    """One state that a bot entered, with the vendors' names for it as in BotStatus; ``at`` is ISO 8601 in UTC."""

    state: str
    reason: str
    bot_status: str
    code: str
    sub_code: str | None
    message: str
    attempt: int
    at: str


class EndpointChange(msgspec.Struct, frozen=True, kw_only=True):
    """One state that an endpoint of live streams entered. ``number`` is the one of worker.contracts.live_endpoints.

    ``code`` is Recall.ai's: running, done or failed; so is ``sub_code``. ``message`` says why it failed, in one line; ``at`` is
    ISO 8601 in UTC.
    """

    number: int
    code: str
    sub_code: str | None
    message: str
    attempt: int
    at: str


class BotStatus(msgspec.Struct, frozen=True, kw_only=True):
    """``bot.json``: a bot's current status.

    ``state`` and ``reason`` are values of State and Reason, ``bot_status`` is MeetStream's, ``code`` and ``sub_code`` are
    Recall.ai's. ``audio_status`` is ``Success`` once audio_streams.json is final, also if there is none, but for its videos,
    which ``video_status`` is about: ``in_progress``, then ``Success``, also if there are none, or ``Failed``; None: no video is
    asked for. ``reported``: the result was sent, nothing more will happen. ``updated_at`` is ISO 8601 in UTC. ``pod`` and
    ``node`` are where the worker ran that wrote this. ``announced_at`` is when the call was told of the recording, in the same
    form; None: it was not. ``paused``: the recording is paused, or was when it ended. ``history`` are the states so far, of all
    attempts, in order; of more than MOST_CHANGES the first and the last ones. ``recording_started_at`` is when the first
    attempt's recording began (ISO 8601). ``realtime_endpoints`` are the states that endpoints of live streams entered, of all
    attempts, in order; of more than MOST_ENDPOINT_CHANGES the last ones.
    """

    bot_id: str
    state: str
    reason: str
    bot_status: str
    code: str
    sub_code: str | None
    message: str
    attempt: int
    sequence: int
    updated_at: str
    audio_status: str = AUDIO_IN_PROGRESS
    video_status: str | None = None
    reported: bool = False
    pod: str = ""
    node: str = ""
    announced_at: str | None = None
    paused: bool = False
    history: list[StatusChange] = []
    recording_started_at: str | None = None
    realtime_endpoints: list[EndpointChange] = []


class SpeakerTotal(msgspec.Struct, frozen=True, kw_only=True):
    """What one participant contributed, over all attempts."""

    participant_name: str
    participant_id: str | None
    speech_seconds: float
    segments: int
    packets: Packets


class ResultFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file in the bucket; ``size`` in bytes."""

    key: str
    size: int


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a job: written once, to ``result.json``, and sent as the last event.

    ``outcome`` is a value of OutcomeKind, ``state`` ``done`` or ``fatal``, ``reason`` a value of worker.reasons.Reason.
    ``counters`` are final totals; ``ignored`` names fields of the job that had no effect. ``announcement`` says whether the
    call was told of the recording, None: the job asked for no announcement.
    """

    event: str = "bot.result"
    bot_id: str
    vendor: str
    outcome: str
    state: str
    reason: str
    detail: str
    bot_status: str
    status_code: int
    code: str
    sub_code: str | None
    message: str
    attempt: int
    sequence: int
    idempotency_key: str
    updated_at: str
    started_at: str | None
    duration_seconds: float
    audio_streams: str | None
    files: list[ResultFile]
    speakers: list[SpeakerTotal]
    counters: dict[str, float]
    warnings: list[str]
    ignored: list[str]
    custom_attributes: dict[str, Any]
    announcement: Announcement | None = None


def bot_status(
    job: Job, state: State, reason: Reason | None, names: Words, attempt: int, sequence: int, at: float
) -> BotStatus:
    """The status on entering ``state`` at ``at`` (Unix seconds), with the vendors' ``names`` for it."""
    return BotStatus(
        bot_id=job.bot_id,
        state=state,
        reason=reason or "",
        bot_status=names.bot_status,
        code=names.code,
        sub_code=names.sub_code,
        message=names.message,
        attempt=attempt,
        sequence=sequence,
        updated_at=iso_utc(at),
    )


def with_change(status: BotStatus, history: list[StatusChange]) -> BotStatus:
    """``status`` with the ``history`` before it and its own state as the last entry."""
    change = StatusChange(
        state=status.state,
        reason=status.reason,
        bot_status=status.bot_status,
        code=status.code,
        sub_code=status.sub_code,
        message=status.message,
        attempt=status.attempt,
        at=status.updated_at,
    )
    changes = [*history, change]
    if len(changes) > MOST_CHANGES:
        changes = [*changes[: MOST_CHANGES // 2], *changes[len(changes) - MOST_CHANGES // 2 :]]
    return msgspec.structs.replace(status, history=changes)


def state_event(status: BotStatus, name: str, custom_attributes: dict[str, Any]) -> dict[str, Any]:
    """The event ``name`` (MeetStream's, such as ``bot.joining``) of a change of state."""
    return {
        "event": name,
        "bot_id": status.bot_id,
        "bot_status": status.bot_status,
        "message": status.message,
        "status_code": status_code(status.bot_status),
        "code": status.code,
        "sub_code": status.sub_code,
        "state": status.state,
        "reason": status.reason,
        **_common(status, custom_attributes),
    }


def pause_event(status: BotStatus, custom_attributes: dict[str, Any]) -> dict[str, Any]:
    """``recording.paused``, or ``recording.processing`` once it goes on: Recall.ai's events of a recording."""
    code = "paused" if status.paused else "processing"
    return {
        "event": f"recording.{code}",
        "bot_id": status.bot_id,
        "bot_status": status.bot_status,
        "message": "The recording is paused" if status.paused else "The recording goes on",
        "status_code": 200,
        "code": code,
        "sub_code": None,
        "state": status.state,
        "reason": status.reason,
        **_common(status, custom_attributes),
    }


def endpoint_event(
    status: BotStatus, change: EndpointChange, custom_attributes: dict[str, Any]
) -> dict[str, Any]:
    """``realtime_endpoint.running``, ``.done`` or ``.failed``: Recall.ai's events of an endpoint of live streams."""
    shown = f"Live streams to endpoint {change.number}: {change.code}"
    return {
        "event": f"{REALTIME_ENDPOINT}.{change.code}",
        "bot_id": status.bot_id,
        "bot_status": status.bot_status,
        "message": f"{shown} ({change.message})" if change.message else shown,
        "status_code": 500 if change.code == ENDPOINT_FAILED else 200,
        "code": change.code,
        "sub_code": change.sub_code,
        "state": status.state,
        "reason": status.reason,
        "endpoint": msgspec.to_builtins(change),
        **_common(status, custom_attributes),
    }


def audio_event(status: BotStatus, custom_attributes: dict[str, Any]) -> dict[str, Any]:
    """``audio.processed``: the document of audio streams is there."""
    return {
        "event": "audio.processed",
        "bot_id": status.bot_id,
        "bot_status": status.bot_status,
        "status": "success",
        "audio_status": AUDIO_SUCCESS,
        "message": "Audio streams are ready",
        "status_code": 200,
        **_common(status, custom_attributes),
    }


def video_event(status: BotStatus, custom_attributes: dict[str, Any]) -> dict[str, Any]:
    """``video.processed``: all video files that there will be are there; ``status`` says whether any could be kept."""
    failed = status.video_status == VIDEO_FAILED
    return {
        "event": "video.processed",
        "bot_id": status.bot_id,
        "bot_status": status.bot_status,
        "status": "failed" if failed else "success",
        "video_status": status.video_status,
        "message": "The video streams could not be kept" if failed else "Video streams are ready",
        "status_code": 500 if failed else 200,
        **_common(status, custom_attributes),
    }


def invalid_job_event(
    body_hash: str, bot_id: str | None, names: Words, problem: str, at: float
) -> dict[str, Any]:
    """The event for an invalid job; ``problem`` is the error message, which names the field."""
    return {
        "event": names.event,
        "bot_id": bot_id,
        "bot_status": names.bot_status,
        "message": problem,
        "status_code": 400,
        "code": names.code,
        "sub_code": names.sub_code,
        "state": State.FATAL,
        "reason": Reason.INVALID_JOB,
        "attempt": 0,
        "sequence": 0,
        "idempotency_key": f"invalid-{body_hash}",
        "updated_at": iso_utc(at),
        "timestamp": iso_utc(at),
        "custom_attributes": {},
    }


def delayed_event(job: Job, why: str, seconds: float, key: str, at: float) -> dict[str, Any]:
    """The event of a job that cannot be run now and is tried again in ``seconds``.

    ``why`` is one line; ``key`` makes the event's idempotency key unique. ``at`` is now, in Unix seconds.
    """
    message = (
        f"The bot cannot be run now and is tried again: {printable(job.redactor().text(redact(why)), 500)}"
    )
    return {**_delayed(job, message, key, at), "retry_at": iso_utc(at + seconds)}


def upload_delayed_event(job: Job, attempt: int, sequence: int, at: float) -> dict[str, Any]:
    """The event of a recording that cannot be uploaded, while its worker stays and goes on trying; ``at`` in Unix seconds."""
    message = "The recording is complete and waits for its upload"
    event = _delayed(job, message, f"upload-{attempt}", at)
    return {**event, "attempt": attempt, "sequence": sequence}


def _delayed(job: Job, message: str, key: str, at: float) -> dict[str, Any]:
    return {
        "event": "bot.delayed",
        "bot_id": job.bot_id,
        "message": message,
        "attempt": 0,
        "sequence": 0,
        "idempotency_key": f"{job.bot_id}-delayed-{key}",
        "updated_at": iso_utc(at),
        "timestamp": iso_utc(at),
        "custom_attributes": job.custom_attributes,
    }


def speaker_totals(manifest: Manifest) -> list[SpeakerTotal]:
    """One entry per participant, in the manifest's order."""
    return [
        SpeakerTotal(
            participant_name=person.participant_name,
            participant_id=person.participant_id,
            speech_seconds=round(sum(segment.speech_seconds for segment in person.segments()), 4),
            segments=sum(1 for _ in person.segments()),
            packets=person.packets(),
        )
        for person in manifest.participants
    ]


def packet_counters(manifest: Manifest) -> dict[str, float]:
    """Packets by fate over all participants, and the packets without a known speaker."""
    total = msgspec.structs.asdict(manifest.packets())
    counters = {f"packets_{fate}": float(count) for fate, count in total.items()}
    return {**counters, "packets_unattributed": float(manifest.recording.unattributed_packets)}


def video_counters(manifest: Manifest) -> dict[str, float]:
    """Files and frames of all videos; none where no video was asked for."""
    if manifest.video_streams is msgspec.UNSET:
        return {}
    segments = [segment for _, segment in manifest.video_segments()]
    return {
        "video_files": float(len(segments)),
        "video_bytes": float(sum(segment.size_bytes for segment in segments)),
        "video_frames": float(sum(segment.frames for segment in segments)),
        "video_frames_lost": float(sum(segment.lost for segment in segments)),
    }


def result_event(result: Result) -> dict[str, Any]:
    """The result as an event of at most LARGEST_EVENT bytes: fields that do not fit are emptied, ``files`` first."""
    event: dict[str, Any] = msgspec.to_builtins(result)
    for field in ("files", "speakers", "warnings", "ignored", "custom_attributes", "detail"):
        if len(ascii_json(event)) <= LARGEST_EVENT:
            break
        event[field] = type(event[field])()
        event["shortened"] = True
    return event


def _common(status: BotStatus, custom_attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        "attempt": status.attempt,
        "sequence": status.sequence,
        "idempotency_key": f"{status.bot_id}-{status.sequence}",
        "updated_at": status.updated_at,
        "timestamp": status.updated_at,
        "custom_attributes": custom_attributes,
    }
