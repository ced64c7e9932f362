"""Documents of MeetStream's API about a bot (pure). Its own names are kept, also where they differ in style.

Source: MeetStream's API reference (docs.meetstream.ai) and its official client (PyPI, meetstream-sdk).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from worker.contracts.bot_facts import BotFacts
from worker.contracts.live_fields import without_headers
from worker.contracts.meeting_documents import absolute, sent_at, turns
from worker.contracts.recall_documents import VIDEO_SEPARATE
from worker.contracts.status import AUDIO_SUCCESS, VIDEO_FAILED, VIDEO_SUCCESS
from worker.iso_time import iso_utc
from worker.manifest.meeting_schema import Meeting, Person
from worker.manifest.schema import SAMPLE_RATE
from worker.platforms.registry import PLATFORMS

SCHEDULED: Final = "Scheduled"
"""The status of a bot that no worker has yet."""

_SAMPLE_BYTES: Final = 2
"""Bytes of a sample of the mix: 16 bits, mono."""

_STATUS: Final = {
    "in": (1, "in_meeting"),
    "out": (6, "not_in_meeting"),
    "removed": (7, "removed_from_meeting"),
    "waiting": (0, "waiting"),
}
"""The roster's status → Google Meet's own number for it, and its name (inference: MeetStream does not list the values)."""

_TIMELINE: Final = {
    "Joining": "Joining",
    "InWaitingRoom": "WaitingRoom",
    "InMeeting": "InMeeting",
    "Recording": "Recording",
    "Leaving": "Leaving",
    "Stopped": "Stopped",
    "NotAllowed": "BotNotAllowed",
    "Denied": "BotRejected",
    "Error": "Error",
    "Done": "Done",
}
"""``bot_status`` → its name in StatusTimeline."""


def status_name(facts: BotFacts) -> str:
    """The bot's ``bot_status``."""
    return facts.status.bot_status if facts.status is not None else SCHEDULED


def created_document(facts: BotFacts) -> dict[str, Any]:
    """The answer to create_bot, also when it is repeated."""
    return {
        "bot_id": facts.bot_id,
        "transcript_id": None,
        "meeting_url": facts.job.meeting_url,
        "status": "Active",
    }


def status_document(facts: BotFacts) -> dict[str, Any]:
    """The answer to status."""
    return {
        "bot_id": facts.bot_id,
        "status": status_name(facts),
        "custom_attributes": facts.metadata,
        "message": facts.status.message if facts.status is not None else "Bot is scheduled",
        "ignored": facts.job.ignored,
    }


def listed_document(facts: BotFacts) -> dict[str, Any]:
    """A bot in the list."""
    return {
        "bot_id": facts.bot_id,
        "bot_name": facts.job.bot_name,
        "meeting_url": facts.job.meeting_url,
        "platform": facts.job.platform,
        "status": status_name(facts),
        "created_at": facts.created,
        "custom_attributes": facts.metadata,
    }


def detail_document(facts: BotFacts) -> dict[str, Any]:
    """The answer to detail."""
    started, ended = facts.started_at, _end(facts)
    return {
        "bot_details": {
            "BotID": facts.bot_id,
            "BotUsername": facts.job.bot_name,
            "MeetingLink": facts.job.meeting_url,
            "Platform": PLATFORMS[facts.job.platform].title,
            "Status": status_name(facts),
            "StatusTimeline": _status_timeline(facts),
            "StartTime": started,
            "EndTime": ended,
            "Duration": _seconds_between(started, ended),
            "CreatedAt": facts.created,
            "LastUpdatedAt": facts.status.updated_at if facts.status is not None else facts.created,
            "AudioStatus": AUDIO_SUCCESS if facts.has_audio else "Pending",
            "TranscriptStatus": "Skipped",
            "ManifestStatus": AUDIO_SUCCESS if facts.has_audio else "Pending",
            "RequestPayload": {
                name: value for name, value in without_headers(facts.job.body).items() if name != "bot_id"
            },
            "transcript_id": None,
            "custom_attributes": facts.metadata,
            "caption_file": None,
            "participant_events": None,
            "ignored": facts.job.ignored,
        }
    }


def participants_document(meeting: Meeting) -> list[dict[str, Any]]:
    """Those who were in the call, also if they never spoke, and their screen shares; without the bot."""
    return [
        {
            "deviceId": _device_id(person),
            "displayName": person.display_name or person.name,
            "fullName": person.full_name or person.name,
            "profilePicture": None,
            "status": _STATUS.get(person.status, (0, "unknown"))[0],
            "humanized_status": _STATUS.get(person.status, (0, "unknown"))[1],
            "streamIds": person.stream_ids,
            "isHost": person.is_host,
            "lastUpdated": absolute(meeting, meeting.duration_seconds),
            "parentDeviceId": person.parent_id,
        }
        for person in meeting.participants
        if not person.is_bot
    ]


def chats_document(bot_id: str, meeting: Meeting | None) -> dict[str, Any]:
    """The messages of the chat in order, also the bot's own. MeetStream does not show the form of this answer."""
    by_id = {person.id: person for person in meeting.participants} if meeting is not None else {}
    chats = [
        {
            "message_id": message.message_id,
            "sender_id": _device_id(sender) if (sender := by_id.get(message.person or 0)) else None,
            "sender_name": message.name,
            "is_bot": sender is not None and sender.is_bot,
            "message": message.text,
            "timestamp": sent_at(meeting, message),
            "relative_seconds": message.at_seconds,
        }
        for message in (meeting.messages if meeting is not None else [])
        if meeting is not None
    ]
    return {"bot_id": bot_id, "chats": chats}


def speaker_timeline_document(meeting: Meeting, audio_url: str | None, audio_bytes: int) -> dict[str, Any]:
    """Who spoke where in the mix: ``timestamp`` in seconds of meeting time, bytes of the WAV's samples from ``startByte`` to
    before ``endByte``, counted from the first sample. ``audio_bytes`` is the size of the file, 0 without a mix."""
    chunks = [
        {
            "chunkIndex": index,
            "timestamp": turn.start,
            "sampleRate": SAMPLE_RATE,
            "speakerId": turn.person.participant_id or f"{turn.person.id}",
            "speakerName": turn.person.name,
            "startByte": _byte_at(turn.start),
            "endByte": _byte_at(turn.end),
        }
        for index, turn in enumerate(turns(meeting))
    ]
    return {
        "chunks": chunks,
        "lastUpdated": absolute(meeting, meeting.duration_seconds),
        "audioFilePath": audio_url,
        "totalFileSize": audio_bytes,
    }


def _device_id(person: Person) -> str:
    return person.participant_id or next(iter(person.stream_ids), f"{person.id}")


def _byte_at(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE) * _SAMPLE_BYTES


def _status_timeline(facts: BotFacts) -> dict[str, Any]:
    """The first time of each state."""
    timeline: dict[str, Any] = {SCHEDULED: _entry("Bot is scheduled", "Success", facts.created)}
    for change in facts.history:
        name = _TIMELINE.get(change.bot_status)
        if name is not None and name not in timeline:
            timeline[name] = _entry(change.message, "Success", change.at)
    if facts.status is not None and facts.has_audio:
        message = (
            "Audio streams are ready"
            if facts.manifest or facts.media_deleted_at
            else "There are no audio streams"
        )
        timeline["AudioProcessing"] = _entry(message, AUDIO_SUCCESS, facts.status.updated_at)
    if facts.status is not None and facts.job.separate_video and facts.has_video:
        timeline["VideoProcessing"] = _video_entry(facts, facts.status.updated_at)
    if facts.media_deleted_at is not None and facts.media_expired:
        at = iso_utc(facts.media_deleted_at)
        timeline["MediaExpired"] = _entry(
            "The recording was deleted at the end of its retention", "Success", at
        )
    return timeline


def _entry(message: str, status: str, timestamp: str) -> dict[str, Any]:
    return {"message": message, "status": status, "timestamp": timestamp}


def _video_entry(facts: BotFacts, at: str) -> dict[str, Any]:
    if facts.video_failed:
        return _entry("The video streams could not be kept", VIDEO_FAILED, at)
    shown = facts.manifest is not None and bool(facts.manifest.video_streams)
    is_deleted = facts.media_deleted_at is not None or VIDEO_SEPARATE in facts.deleted_kinds
    message = "Video streams are ready" if shown or is_deleted else "There are no video streams"
    return _entry(message, VIDEO_SUCCESS, at)


def _end(facts: BotFacts) -> str | None:
    return next((change.at for change in reversed(facts.history) if change.bot_status == "Leaving"), None)


def _seconds_between(start: str | None, end: str | None) -> float | None:
    if start is None or end is None:
        return None
    return round((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds(), 3)
