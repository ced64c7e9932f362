"""Documents of Recall.ai's API about a bot, its recording and what was made of it (pure).

A bot has one recording, of all its attempts together, and one artifact of each kind. Source: Recall.ai's API reference and its
guides "How to get Separate Audio per Participant" and "Download Schemas" (docs.recall.ai).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from worker.contracts.bot_facts import BotFacts, related_id, speakers, speech
from worker.contracts.vendor_words import CALL_ENDED, DONE, FATAL
from worker.iso_time import iso_utc
from worker.manifest.schema import Manifest, ParticipantStreams
from worker.platforms.links import parse_link
from worker.platforms.registry import Platform
from worker.states import State

RECORDING: Final = "recording"
AUDIO_SEPARATE: Final = "audio_separate"
AUDIO_MIXED: Final = "audio_mixed"
VIDEO_SEPARATE: Final = "video_separate"
VIDEO_MIXED: Final = "video_mixed"
PARTICIPANT_EVENTS: Final = "participant_events"
MEETING_METADATA: Final = "meeting_metadata"
TRANSCRIPT: Final = "transcript"

ARTIFACTS: Final = (
    AUDIO_SEPARATE,
    AUDIO_MIXED,
    PARTICIPANT_EVENTS,
    MEETING_METADATA,
    VIDEO_SEPARATE,
    VIDEO_MIXED,
    TRANSCRIPT,
)
"""Kinds of artifacts that can be listed. The last three are never there yet, so their lists are empty."""

SHORTCUTS: Final = (VIDEO_MIXED, TRANSCRIPT, PARTICIPANT_EVENTS, MEETING_METADATA, AUDIO_MIXED)
"""Kinds that a recording's ``media_shortcuts`` name. Recall.ai leaves out separate audio and video there."""

SEPARATE_FORMAT: Final = "webm"
MIXED_FORMAT: Final = "wav"
"""What the files are. Recall.ai has raw, ogg and mp3; a file that is named what it is not could not be read."""

PARTS: Final = "parts"
EVENTS: Final = "events"
SPEAKER_TIMELINE: Final = "speaker_timeline"
PARTICIPANTS: Final = "participants"
"""Documents behind download URLs."""

_REPORTED_ONCE: Final = frozenset({CALL_ENDED, DONE, FATAL})

DocumentUrl = Callable[[str], str]
"""Takes PARTS, EVENTS, SPEAKER_TIMELINE, PARTICIPANTS or AUDIO_MIXED; returns the URL of this document, or of the mix."""
FileUrl = Callable[[str, str], str]
"""Takes a file's path relative to the manifest and the name to save it as; returns a URL."""


def bot_document(facts: BotFacts, url: DocumentUrl) -> dict[str, Any]:
    """A Bot."""
    body = facts.job.body
    return {
        "id": facts.bot_id,
        "meeting_url": meeting_url_document(facts),
        "bot_name": facts.job.bot_name,
        "join_at": None if facts.job.join_at is None else iso_utc(facts.job.join_at),
        "recording_config": body.get("recording_config") or {},
        "automatic_leave": body.get("automatic_leave") or {},
        "chat": body.get("chat"),
        "metadata": facts.metadata,
        "status_changes": status_changes(facts),
        "recordings": [] if (recording := recording_document(facts, url)) is None else [recording],
        "calendar_meetings": [],
        "slack_team": None,
        "ignored": facts.job.ignored,
    }


def status_changes(facts: BotFacts) -> list[dict[str, Any]]:
    """The states in order. ``call_ended``, ``done`` and ``fatal`` are there once: the end of the last attempt."""
    changes: list[dict[str, Any]] = []
    for change in facts.history:
        entry = {
            "code": change.code,
            "message": change.message,
            "created_at": change.at,
            "sub_code": change.sub_code,
        }
        if change.code in _REPORTED_ONCE:
            changes = [each for each in changes if each["code"] != change.code]
        changes.append(entry)
    return changes


def status_code(facts: BotFacts) -> str | None:
    """The code of the last change; None before the first one."""
    changes = status_changes(facts)
    return changes[-1]["code"] if changes else None


def meeting_url_document(facts: BotFacts) -> dict[str, Any]:
    """The link as an object: what Recall.ai reads from it."""
    code = parse_link(facts.job.meeting_url).address.code
    if facts.job.platform is Platform.GOOGLE_MEET:
        return {"meeting_id": code, "platform": "google_meet"}
    is_thread = code.startswith("19:")
    return {
        "platform": "microsoft_teams",
        "meeting_id": None if is_thread else code,
        "meeting_password": None,
        "organizer_id": None,
        "tenant_id": None,
        "message_id": None,
        "thread_id": code if is_thread else None,
        "business_meeting_id": None,
        "business_meeting_password": None,
    }


def recording_document(facts: BotFacts, url: DocumentUrl) -> dict[str, Any] | None:
    """A recording; None before there is one. Fields without a value are left out where Recall.ai's samples expect a text."""
    started = facts.at(State.IN_CALL_RECORDING)
    if facts.manifest is not None:
        started = facts.manifest.recording.started_at
    if started is None or facts.status is None:
        return None
    shortcuts = {kind: artifact_document(facts, kind, url) for kind in SHORTCUTS}
    document = {
        "id": related_id(RECORDING, facts.bot_id),
        "created_at": started,
        "started_at": started,
        "expires_at": None,
        "status": _status(facts),
        "media_shortcuts": shortcuts,
        "metadata": {},
    }
    if (ended := facts.at(State.LEAVING)) is not None:
        document["completed_at"] = ended
    return document


def full_recording_document(facts: BotFacts, url: DocumentUrl) -> dict[str, Any] | None:
    """A recording as it is listed by itself."""
    recording = recording_document(facts, url)
    if recording is None:
        return None
    return {
        **recording,
        "realtime_endpoints": [],
        "bot": {"id": facts.bot_id, "metadata": facts.metadata},
        "desktop_sdk_upload": None,
    }


def artifact_document(facts: BotFacts, kind: str, url: DocumentUrl) -> dict[str, Any] | None:
    """The bot's artifact of ``kind``; None if there is none, or none was asked for. Its URLs are None until it is done."""
    recording = facts.manifest.recording if facts.manifest else None
    started = recording.started_at if recording else facts.at(State.IN_CALL_RECORDING)
    if started is None or facts.status is None or not _is_made(facts, kind):
        return None
    ready = url if facts.has_audio and facts.manifest is not None else None
    data, form = _data(facts, kind, ready)
    document: dict[str, Any] = {
        "id": related_id(kind, facts.bot_id),
        "recording": {"id": related_id(RECORDING, facts.bot_id), "metadata": {}},
        "created_at": started,
        "status": _status(facts),
        "metadata": {},
        "data": data,
    }
    return document if form is None else {**document, "format": form}


def parts_document(facts: BotFacts, file_url: FileUrl) -> list[dict[str, Any]]:
    """The files of ``audio_separate``: one part for each segment of a participant."""
    if facts.manifest is None:
        return []
    return [
        {
            "id": number * 1000 + index,
            "participant": _participant(number, person, facts.manifest),
            "start_timestamp": _timestamp(facts.manifest, segment.start_seconds),
            "duration": segment.duration_seconds,
            "download_url": file_url(segment.url, segment.filename),
        }
        for number, person in speakers(facts.manifest)
        for index, segment in enumerate(person.segments())
    ]


def participants_document(facts: BotFacts) -> list[dict[str, Any]]:
    """Those who were heard."""
    if facts.manifest is None:
        return []
    return [_participant(number, person, facts.manifest) for number, person in speakers(facts.manifest)]


def speaker_timeline_document(facts: BotFacts) -> list[dict[str, Any]]:
    """Who spoke when."""
    if facts.manifest is None:
        return []
    return [
        {
            "participant": _participant(number, person, facts.manifest),
            "start_timestamp": _timestamp(facts.manifest, start),
            "end_timestamp": _timestamp(facts.manifest, end),
        }
        for start, end, number, person, _ in speech(facts.manifest)
    ]


def events_document(facts: BotFacts) -> list[dict[str, Any]]:
    """When people began and stopped to speak. Who joined and left is not kept."""
    if facts.manifest is None:
        return []
    return [
        {
            "id": str(index),
            "action": action,
            "participant": _participant(number, person, facts.manifest),
            "timestamp": _timestamp(facts.manifest, at),
            "data": None,
        }
        for index, (at, action, number, person) in enumerate(_moments(facts.manifest))
    ]


def _is_made(facts: BotFacts, kind: str) -> bool:
    config = facts.job.body.get("recording_config") or {}
    match kind:
        case "audio_separate":
            return facts.job.separate_audio
        case "audio_mixed":
            return facts.manifest is None or facts.manifest.recording.mixed_audio is not None
        case "participant_events" | "meeting_metadata":
            # Recall.ai makes them unless the body says null.
            return not isinstance(config, Mapping) or config.get(kind, {}) is not None
        case _:
            return False


def _data(facts: BotFacts, kind: str, url: DocumentUrl | None) -> tuple[dict[str, Any], str | None]:
    match kind:
        case "audio_separate":
            return {"download_url": url and url(PARTS)}, SEPARATE_FORMAT
        case "audio_mixed":
            return {"download_url": url and url(AUDIO_MIXED)}, MIXED_FORMAT
        case "participant_events":
            return {
                "participant_events_download_url": url and url(EVENTS),
                "speaker_timeline_download_url": url and url(SPEAKER_TIMELINE),
                "participants_download_url": url and url(PARTICIPANTS),
            }, None
        case _:
            return {"title": None, "zoom": None}, None


def _status(facts: BotFacts) -> dict[str, Any]:
    """Processing, or paused, until the files are final; failed where the bot ended without a recording."""
    assert facts.status is not None
    ended = "done" if facts.manifest is not None else "failed"
    is_paused = facts.status.paused and facts.status.state == State.IN_CALL_RECORDING
    code = ended if facts.has_audio else "paused" if is_paused else "processing"
    sub_code = facts.status.sub_code if code == "failed" else None
    return {"code": code, "sub_code": sub_code, "updated_at": facts.status.updated_at}


def _participant(number: int, person: ParticipantStreams, manifest: Manifest) -> dict[str, Any]:
    return {
        "id": number,
        "name": person.participant_name,
        "is_host": person.is_host,
        "platform": "unknown",
        "extra_data": {manifest.recording.platform: {"participant_id": person.participant_id}},
        "email": None,
    }


def _timestamp(manifest: Manifest, seconds: float) -> dict[str, Any]:
    """``seconds`` of meeting time, which counts from the state in_call_recording on."""
    moment = datetime.fromisoformat(manifest.recording.started_at) + timedelta(seconds=seconds)
    return {"absolute": iso_utc(moment.timestamp()), "relative": round(seconds, 4)}


def _moments(manifest: Manifest) -> list[tuple[float, str, int, ParticipantStreams]]:
    turns = speech(manifest)
    moments = [(start, "speech_on", number, person) for start, _, number, person, _ in turns]
    moments += [(end, "speech_off", number, person) for _, end, number, person, _ in turns]
    return sorted(moments, key=lambda moment: moment[:3])
