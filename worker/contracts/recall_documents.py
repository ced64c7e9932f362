"""Documents of Recall.ai's API about a bot, its recording and what was made of it (pure).

A bot has one recording, of all its attempts together, and one artifact of each kind. Source: Recall.ai's API reference and its
guides "How to get Separate Audio per Participant", "How to get Separate Videos per Participant" and "Download Schemas"
(docs.recall.ai).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from worker.contracts.bot_facts import BotFacts, endpoint_id, related_id
from worker.contracts.live_fields import without_headers
from worker.contracts.meeting_documents import absolute, people, turns
from worker.contracts.recall_participant import participant_document
from worker.contracts.vendor_words import CALL_ENDED, DONE, FATAL
from worker.iso_time import iso_utc
from worker.manifest.meeting_schema import Meeting, Message, Person
from worker.manifest.merge_meetings import presenters, speakers
from worker.manifest.schema import Manifest, Recording
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
"""Kinds of artifacts that can be listed. The last two are never there yet, so their lists are empty."""

SHORTCUTS: Final = (VIDEO_MIXED, TRANSCRIPT, PARTICIPANT_EVENTS, MEETING_METADATA, AUDIO_MIXED)
"""Kinds that a recording's ``media_shortcuts`` name. Recall.ai leaves out separate audio and video there."""

RAW: Final = "raw"
MP3: Final = "mp3"
"""Forms that are made of the files when they are downloaded: 16-bit samples, 16 kHz, mono, little-endian; MP3."""
WEBM: Final = "webm"
WAV: Final = "wav"
"""What the files are, and what is given where neither is asked for."""

DELETED: Final = "deleted"
"""The status of a recording, and of its artifacts, after their deletion."""

MP4: Final = "mp4"
"""The form of separate video that is asked for; a file whose codec does not go into it is WEBM, and named so."""

PARTS: Final = "parts"
VIDEO_PARTS: Final = "video_parts"
EVENTS: Final = "events"
SPEAKER_TIMELINE: Final = "speaker_timeline"
PARTICIPANTS: Final = "participants"
"""Documents behind download URLs."""

_PART_STEP: Final = 100_000
"""Between the ids of two participants' parts, so that those of one count on from it."""

_REPORTED_ONCE: Final = frozenset({CALL_ENDED, DONE, FATAL})

DocumentUrl = Callable[[str], str]
"""Takes PARTS, VIDEO_PARTS, EVENTS, SPEAKER_TIMELINE, PARTICIPANTS or AUDIO_MIXED; returns the URL of this document, or of the
mix."""
FileUrl = Callable[[str, str, str], str]
"""Takes a file's path relative to the manifest, the name to save it as, and its form; returns a URL."""


def bot_document(facts: BotFacts, url: DocumentUrl) -> dict[str, Any]:
    """A Bot."""
    body = without_headers(facts.job.body)
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
    started = facts.started_at
    if started is None or facts.status is None:
        return None
    shortcuts = {kind: artifact_document(facts, kind, url) for kind in SHORTCUTS}
    document = {
        "id": related_id(RECORDING, facts.bot_id),
        "created_at": started,
        "started_at": started,
        "expires_at": None if facts.expires_at is None else iso_utc(facts.expires_at),
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
        "realtime_endpoints": endpoint_documents(facts),
        "bot": {"id": facts.bot_id, "metadata": facts.metadata},
        "desktop_sdk_upload": None,
    }


def endpoint_documents(facts: BotFacts) -> list[dict[str, Any]]:
    """The receivers of the bot's live streams, by number; none before there is a recording. Their URLs are not shown."""
    started = facts.started_at
    if started is None or facts.status is None:
        return []
    return [
        {
            "id": endpoint_id(endpoint.number, facts.bot_id),
            "recording": {"id": related_id(RECORDING, facts.bot_id), "metadata": {}},
            "created_at": started,
            "status": _endpoint_status(facts, endpoint.number, started),
            "metadata": endpoint.metadata,
            "type": endpoint.transport,
            "events": list(endpoint.events),
        }
        for endpoint in facts.job.live
    ]


def _endpoint_status(facts: BotFacts, number: int, started: str) -> dict[str, Any]:
    """That of its last change; processing until it is reached first."""
    if facts.media_deleted_at is not None:
        return {"code": DELETED, "sub_code": None, "updated_at": iso_utc(facts.media_deleted_at)}
    last = next((each for each in reversed(facts.endpoint_changes) if each.number == number), None)
    if last is None:
        return {"code": "processing", "sub_code": None, "updated_at": started}
    return {"code": last.code, "sub_code": last.sub_code, "updated_at": last.at}


def artifact_document(facts: BotFacts, kind: str, url: DocumentUrl) -> dict[str, Any] | None:
    """The bot's artifact of ``kind``; None if there is none, or none was asked for. Its URLs are None until it is done."""
    started = facts.started_at
    deleted_at = facts.deleted_kinds.get(kind)
    if started is None or facts.status is None or (deleted_at is None and not _is_made(facts, kind)):
        return None
    is_final = facts.has_video if kind == VIDEO_SEPARATE else facts.has_audio
    is_kept = facts.manifest is not None and not (kind == VIDEO_SEPARATE and facts.video_failed)
    ready = url if is_final and is_kept and deleted_at is None else None
    data, form = _data(facts, kind, ready)
    document: dict[str, Any] = {
        "id": related_id(kind, facts.bot_id),
        "recording": {"id": related_id(RECORDING, facts.bot_id), "metadata": {}},
        "created_at": started,
        "status": _status(facts, kind) if deleted_at is None else _deleted(deleted_at),
        "metadata": facts.artifact_metadata.get(kind, {}),
        "data": data,
    }
    return document if form is None else {**document, "format": form}


def parts_document(
    manifest: Manifest, meeting: Meeting, form: str, file_url: FileUrl
) -> list[dict[str, Any]]:
    """The files of ``audio_separate`` in ``form``: one part for each segment of a participant."""
    return [
        {
            "id": number * _PART_STEP + index,
            "participant": _participant(person, meeting),
            "start_timestamp": _timestamp(meeting, segment.start_seconds),
            "duration": segment.duration_seconds,
            "download_url": file_url(segment.url, named_as(segment.filename, form), form),
        }
        for number, (person, speaker) in enumerate(speakers(manifest, meeting), start=1)
        for index, segment in enumerate(speaker.segments())
    ]


def video_parts_document(
    manifest: Manifest, meeting: Meeting, file_url: Callable[[str, str], str]
) -> list[dict[str, Any]]:
    """The files of ``video_separate``: one part for each segment of a participant's camera or screen share.

    ``file_url`` takes a file's path relative to the manifest and the name to save it as; returns a URL.
    """
    return [
        {
            "id": number * _PART_STEP + index,
            "participant": _participant(person, meeting),
            "type": stream.kind,
            "start_timestamp": _timestamp(meeting, segment.start_seconds),
            "duration": segment.duration_seconds,
            "download_url": file_url(segment.url, segment.filename),
        }
        for number, (person, stream) in enumerate(presenters(manifest, meeting), start=1)
        for index, segment in enumerate(stream.segments)
    ]


def named_as(filename: str, form: str) -> str:
    """The name of a stem's file, or the mix's, in ``form``: ``Ada_abc123_0.webm`` → ``Ada_abc123_0.mp3``."""
    return f"{filename.rpartition('.')[0] or filename}.{form}"


def participants_document(meeting: Meeting) -> list[dict[str, Any]]:
    """Those who were in the call, also if they never spoke."""
    return [_participant(person, meeting) for person in people(meeting)]


def speaker_timeline_document(meeting: Meeting) -> list[dict[str, Any]]:
    """Who spoke when."""
    return [
        {
            "participant": _participant(turn.person, meeting),
            "start_timestamp": _timestamp(meeting, turn.start),
            "end_timestamp": _timestamp(meeting, turn.end),
        }
        for turn in turns(meeting)
    ]


def events_document(meeting: Meeting) -> list[dict[str, Any]]:
    """Who joined, left, changed their name, spoke, shared a screen, turned a camera on or off, or wrote, in order."""
    by_id = {person.id: person for person in meeting.participants}
    moments: list[tuple[float, str, Person, dict[str, Any] | None]] = []
    moments += [(each.at_seconds, each.action, by_id[each.person], None) for each in meeting.events]
    for turn in turns(meeting):
        moments += [(turn.start, "speech_on", turn.person, None), (turn.end, "speech_off", turn.person, None)]
    moments += [
        (each.at_seconds, "chat_message", _sender(each, by_id), {"text": each.text, "to": "everyone"})
        for each in meeting.messages
    ]
    return [
        {
            "id": str(index),
            "action": action,
            "participant": _participant(person, meeting),
            "timestamp": _timestamp(meeting, at),
            "data": data,
        }
        for index, (at, action, person, data) in enumerate(sorted(moments, key=lambda moment: moment[0]))
    ]


def _sender(message: Message, by_id: Mapping[int, Person]) -> Person:
    """Who wrote a message, also if the roster does not know them."""
    return by_id.get(message.person or 0) or Person(
        id=message.stranger, participant_id=None, name=message.name
    )


def separate_form(facts: BotFacts) -> str:
    """The form of the speakers' files that the create body asks for: RAW before MP3, else what they are, WEBM."""
    return _form(facts, AUDIO_SEPARATE, WEBM)


def mixed_form(facts: BotFacts) -> str:
    """The form of the mix that the create body asks for: RAW before MP3, else what it is, WAV."""
    return _form(facts, AUDIO_MIXED, WAV)


def _form(facts: BotFacts, kind: str, otherwise: str) -> str:
    config = _recording_config(facts)
    return next((form for form in (RAW, MP3) if config.get(f"{kind}_{form}") is not None), otherwise)


def _recording_config(facts: BotFacts) -> Mapping[str, Any]:
    config = facts.job.body.get("recording_config")
    return config if isinstance(config, Mapping) else {}


def _is_made(facts: BotFacts, kind: str) -> bool:
    match kind:
        case "audio_separate":
            return facts.job.separate_audio
        case "video_separate":
            return facts.job.separate_video
        case "audio_mixed":
            return facts.manifest is None or _has_mix(facts.manifest.recording)
        case "participant_events" | "meeting_metadata":
            # Recall.ai makes them unless the body says null.
            return _recording_config(facts).get(kind, {}) is not None
        case _:
            return False


def _has_mix(recording: Recording) -> bool:
    """Whether there is a mix of the recording, or of a part of it."""
    parts = recording.parts or []
    return recording.mixed_audio is not None or any(part.mixed_audio is not None for part in parts)


def _data(facts: BotFacts, kind: str, url: DocumentUrl | None) -> tuple[dict[str, Any], str | None]:
    match kind:
        case "audio_separate":
            return {"download_url": url and url(PARTS)}, separate_form(facts)
        case "video_separate":
            return {"download_url": url and url(VIDEO_PARTS)}, MP4
        case "audio_mixed":
            return {"download_url": url and url(AUDIO_MIXED)}, mixed_form(facts)
        case "participant_events":
            return {
                "participant_events_download_url": url and url(EVENTS),
                "speaker_timeline_download_url": url and url(SPEAKER_TIMELINE),
                "participants_download_url": url and url(PARTICIPANTS),
            }, None
        case _:
            return {"title": None, "zoom": None}, None


def _status(facts: BotFacts, kind: str = RECORDING) -> dict[str, Any]:
    """Processing, or paused, until the files are final; failed where the bot ended without a recording, or no video could be
    kept; deleted for ever."""
    assert facts.status is not None
    if facts.media_deleted_at is not None:
        return _deleted(facts.media_deleted_at)
    is_video = kind == VIDEO_SEPARATE
    ended = "failed" if facts.manifest is None or (is_video and facts.video_failed) else "done"
    is_paused = facts.status.paused and facts.status.state == State.IN_CALL_RECORDING
    is_final = facts.has_video if is_video else facts.has_audio
    code = ended if is_final else "paused" if is_paused else "processing"
    sub_code = facts.status.sub_code if code == "failed" else None
    return {"code": code, "sub_code": sub_code, "updated_at": facts.status.updated_at}


def _deleted(at: float) -> dict[str, Any]:
    return {"code": DELETED, "sub_code": None, "updated_at": iso_utc(at)}


def _participant(person: Person, meeting: Meeting) -> dict[str, Any]:
    return participant_document(
        person.id, person.name, meeting.platform, person.participant_id, is_host=person.is_host
    )


def _timestamp(meeting: Meeting, seconds: float) -> dict[str, Any]:
    """``seconds`` of meeting time, which counts from the state in_call_recording on."""
    return {"absolute": absolute(meeting, seconds), "relative": round(seconds, 4)}
