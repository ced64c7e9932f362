"""MeetStream's get_audio_streams and get_recording_streams documents for a bot, with URLs that anybody can open for ten minutes
(pure).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from worker.contracts.status import (
    AUDIO_IN_PROGRESS,
    AUDIO_SUCCESS,
    VIDEO_IN_PROGRESS,
    VIDEO_SUCCESS,
    BotStatus,
)
from worker.manifest.assemble import NOBODY_SPOKE
from worker.manifest.filenames import video_stream_id
from worker.manifest.schema import Manifest, Segment, Summary, VideoStreams

NOBODY_SHOWN: Final = "No per-participant video streams available for this bot."

URL_SECONDS: Final = 600
"""Seconds for which a URL is valid: ten minutes, as MeetStream's."""

Presign = Callable[[str, str], str]
"""Takes a file's path relative to the document and the name to save it as; returns a URL."""


def streams_document(status: BotStatus, manifest: Manifest | None, presign: Presign) -> dict[str, Any]:
    """The document: in progress, ready with fresh URLs, or without streams. The URLs are secrets and must not be logged.

    ``manifest`` is the bot's audio_streams.json, None if there is none.
    """
    if status.audio_status != AUDIO_SUCCESS:
        return {
            "bot_id": status.bot_id,
            "audio_status": AUDIO_IN_PROGRESS,
            "message": f"Audio streams are not ready yet: {status.message}",
        }
    if manifest is None:
        return {
            "bot_id": status.bot_id,
            "audio_status": AUDIO_SUCCESS,
            "audio_streams_available": False,
            "message": f"{NOBODY_SPOKE} {status.message}." if status.state == "fatal" else NOBODY_SPOKE,
            "participants": [],
            "summary": {"total_participants": 0, "total_segments": 0},
        }
    document: dict[str, Any] = msgspec.to_builtins(_with_urls(manifest, presign))
    return document


def recording_streams_document(
    status: BotStatus, manifest: Manifest | None, presign: Presign
) -> dict[str, Any]:
    """The document of cameras and screen shares: in progress, ready with fresh URLs, or without streams. The URLs are secrets.

    ``manifest`` is the bot's audio_streams.json, None if there is none. ``participants`` are those with a camera,
    ``screenshares`` the presenters, each with ``streams`` as in the document of the audio; a presenter has the ``segments``
    themselves, too. A segment has our ``start_seconds``, in meeting time, beside MeetStream's fields.
    """
    if status.audio_status != AUDIO_SUCCESS or status.video_status == VIDEO_IN_PROGRESS:
        return {
            "bot_id": status.bot_id,
            "video_status": VIDEO_IN_PROGRESS,
            "message": f"Video streams are not ready yet: {status.message}",
        }
    streams = (manifest.video_streams or []) if manifest is not None else []
    by_kind: dict[str, list[dict[str, Any]]] = {"webcam": [], "screenshare": []}
    for stream in streams:
        segments = _shown_segments(stream, presign)
        person = {
            "participant_name": stream.participant_name,
            "participant_id": stream.participant_id,
            "is_host": stream.is_host,
            "streams": [
                {
                    "stream_id": video_stream_id(stream.participant_name, stream.segments[0].filename),
                    "segments": segments,
                }
            ]
            if stream.segments
            else [],
        }
        by_kind.setdefault(stream.kind, []).append(
            {**person, "segments": segments} if stream.kind == "screenshare" else person
        )
    document: dict[str, Any] = {
        "bot_id": status.bot_id,
        "video_status": status.video_status or VIDEO_SUCCESS,
        "recording_streams_available": bool(streams),
        "participants": by_kind["webcam"],
        "screenshares": by_kind["screenshare"],
        "summary": {
            "total_participants": len(by_kind["webcam"]),
            "total_screenshares": len(by_kind["screenshare"]),
            "total_segments": sum(len(stream.segments) for stream in streams),
        },
    }
    return document if streams else {**document, "message": NOBODY_SHOWN}


def mixed_only(manifest: Manifest) -> Manifest:
    """The manifest for a job that asks for no separate files: without participants, with the mix."""
    return msgspec.structs.replace(
        manifest,
        audio_streams_available=False,
        message=NOBODY_SPOKE,
        participants=[],
        summary=Summary(total_participants=0, total_segments=0),
    )


def _with_urls(manifest: Manifest, presign: Presign) -> Manifest:
    participants = [
        person.with_segments(lambda segment: _with_url(segment, presign)) for person in manifest.participants
    ]
    return msgspec.structs.replace(manifest, participants=participants, video_streams=msgspec.UNSET)


def _with_url(segment: Segment, presign: Presign) -> Segment:
    return msgspec.structs.replace(segment, url=presign(segment.url, segment.filename))


def _shown_segments(stream: VideoStreams, presign: Presign) -> list[dict[str, Any]]:
    return [
        {
            "segment_index": segment.segment_index,
            "url": presign(segment.url, segment.filename),
            "filename": segment.filename,
            "duration_seconds": segment.duration_seconds,
            "width": segment.width,
            "height": segment.height,
            "codec": segment.codec,
            "start_seconds": segment.start_seconds,
        }
        for segment in stream.segments
    ]
