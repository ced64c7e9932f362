"""Documents of MeetStream's API about a bot (pure). Its own names are kept, also where they differ in style.

Source: MeetStream's API reference (docs.meetstream.ai) and its official client (PyPI, meetstream-sdk).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from worker.contracts.bot_facts import BotFacts, speech
from worker.contracts.status import AUDIO_SUCCESS
from worker.iso_time import iso_utc
from worker.manifest.schema import SAMPLE_RATE, Manifest
from worker.platforms.registry import PLATFORMS

SCHEDULED: Final = "Scheduled"
"""The status of a bot that no worker has yet."""

_SAMPLE_BYTES: Final = 2
"""Bytes of a sample of the mix: 16 bits, mono."""

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
            "RequestPayload": {name: value for name, value in facts.job.body.items() if name != "bot_id"},
            "transcript_id": None,
            "custom_attributes": facts.metadata,
            "caption_file": None,
            "participant_events": None,
            "ignored": facts.job.ignored,
        }
    }


def participants_document(manifest: Manifest) -> list[dict[str, Any]]:
    """Those who were heard. Who else was in the call is not kept."""
    return [
        {
            "deviceId": person.participant_id or person.streams[0].stream_id,
            "displayName": person.participant_name,
            "fullName": person.participant_name,
            "profilePicture": None,
            "status": "left",
            "humanized_status": "Left",
            "streamIds": [stream.stream_id for stream in person.streams],
            "lastUpdated": manifest.recording.started_at,
            "parentDeviceId": None,
        }
        for person in manifest.participants
    ]


def speaker_timeline_document(manifest: Manifest, audio_url: str | None, audio_bytes: int) -> dict[str, Any]:
    """Who spoke where in the mix: ``timestamp`` in seconds of meeting time, bytes of the WAV's samples from ``startByte`` to
    before ``endByte``, counted from the first sample. ``audio_bytes`` is the size of the file, 0 without a mix."""
    chunks = [
        {
            "chunkIndex": index,
            "timestamp": start,
            "sampleRate": SAMPLE_RATE,
            "speakerId": person.participant_id or f"{number}",
            "speakerName": person.participant_name,
            "startByte": _byte_at(start),
            "endByte": _byte_at(end),
        }
        for index, (start, end, number, person, _) in enumerate(speech(manifest))
    ]
    return {
        "chunks": chunks,
        "lastUpdated": manifest.recording.started_at,
        "audioFilePath": audio_url,
        "totalFileSize": audio_bytes,
    }


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
    if facts.media_deleted_at is not None and facts.media_expired:
        at = iso_utc(facts.media_deleted_at)
        timeline["MediaExpired"] = _entry(
            "The recording was deleted at the end of its retention", "Success", at
        )
    return timeline


def _entry(message: str, status: str, timestamp: str) -> dict[str, Any]:
    return {"message": message, "status": status, "timestamp": timestamp}


def _end(facts: BotFacts) -> str | None:
    return next((change.at for change in reversed(facts.history) if change.bot_status == "Leaving"), None)


def _seconds_between(start: str | None, end: str | None) -> float | None:
    if start is None or end is None:
        return None
    return round((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds(), 3)
