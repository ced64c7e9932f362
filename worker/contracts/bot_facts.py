"""What is known of a bot, and from which the documents of both vendors are made (pure)."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, Final

import msgspec

from worker.contracts.job import Job
from worker.contracts.status import (
    AUDIO_SUCCESS,
    REALTIME_ENDPOINT,
    VIDEO_FAILED,
    VIDEO_IN_PROGRESS,
    BotStatus,
    EndpointChange,
    StatusChange,
)
from worker.iso_time import iso_utc
from worker.manifest.schema import Manifest
from worker.states import State

_KINDS: Final = uuid.UUID("6e4f6f5b-7f0a-4d3c-9d0e-5c1f5a3f7a11")
_FREE_BITS: Final = (1 << 128) - 1 - (0xF << 76) - (0x3 << 62)
"""The bits of a UUID that say neither its version nor its variant (RFC 9562, section 4)."""


class BotFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A bot as the store has it. ``created_at`` is in Unix seconds.

    ``status`` is bot.json, None before a worker has the job. ``manifest`` is audio_streams.json, None where there is none, or
    where it was not asked for. ``is_dispatched``: workers can receive the job, so it can no longer be changed.
    ``media_deleted_at`` is when all that was recorded was deleted (Unix seconds), None: it was not; ``media_expired``: because
    its retention was over; ``started_before``: the manifest's ``started_at`` before that. ``deleted_kinds``: the kinds of
    artifacts (worker.contracts.recall_documents.ARTIFACTS) that were deleted by themselves, and when (Unix seconds); the
    manifest is without them. ``artifact_metadata`` are what users noted about artifacts, by their kind.
    """

    job: Job
    created_at: float
    is_dispatched: bool
    status: BotStatus | None = None
    manifest: Manifest | None = None
    media_deleted_at: float | None = None
    media_expired: bool = False
    started_before: str | None = None
    deleted_kinds: dict[str, float] = {}
    artifact_metadata: dict[str, dict[str, Any]] = {}

    @property
    def bot_id(self) -> str:
        """The bot's id."""
        return self.job.bot_id

    @property
    def history(self) -> list[StatusChange]:
        """The states so far."""
        return self.status.history if self.status is not None else []

    @property
    def endpoint_changes(self) -> list[EndpointChange]:
        """The states that endpoints of live streams entered so far."""
        return self.status.realtime_endpoints if self.status is not None else []

    @property
    def is_over(self) -> bool:
        """Whether the bot has ended and its files are final."""
        return self.status is not None and self.status.state in {State.DONE, State.FATAL}

    @property
    def has_audio(self) -> bool:
        """Whether the document of the audio streams is final."""
        return self.status is not None and self.status.audio_status == AUDIO_SUCCESS

    @property
    def has_video(self) -> bool:
        """Whether the document of the audio streams is final with its videos, also if there are none."""
        return self.has_audio and self.status is not None and self.status.video_status != VIDEO_IN_PROGRESS

    @property
    def video_failed(self) -> bool:
        """Whether somebody showed a video, and no file of it could be kept."""
        return self.status is not None and self.status.video_status == VIDEO_FAILED

    @property
    def is_in_call(self) -> bool:
        """Whether a worker has the bot, and it has not ended."""
        return self.status is not None and not self.is_over

    def at(self, state: State) -> str | None:
        """When the bot first entered ``state`` (ISO 8601, UTC); None: never."""
        return next((change.at for change in self.history if change.state == state), None)

    @property
    def started_at(self) -> str | None:
        """When the recording began (ISO 8601, UTC); None: there is none."""
        if self.manifest is not None:
            return self.manifest.recording.started_at
        return self.started_before or self.at(State.IN_CALL_RECORDING)

    @property
    def expires_at(self) -> float | None:
        """When what was recorded is due for deletion, in Unix seconds; None before the bot has ended, and if it is kept."""
        if self.status is None or self.job.retention is None or not self.is_over:
            return None
        ended = self.history[-1].at if self.history else self.status.updated_at
        return datetime.fromisoformat(ended).timestamp() + self.job.retention

    @property
    def created(self) -> str:
        """``created_at`` in ISO 8601."""
        return iso_utc(self.created_at)

    @property
    def metadata(self) -> dict[str, Any]:
        """Recall.ai's ``metadata`` or MeetStream's ``custom_attributes``."""
        return self.job.custom_attributes


def related_id(kind: str, bot_id: str) -> str | None:
    """The id of the one recording, or the one artifact, of ``kind`` that a bot has; None if the bot's id is no UUID.

    A UUID of the same version: the bot's own, with its free bits changed by a constant of the kind. So it stays the same
    without being stored, and the same change leads back to the bot (``bot_of``).
    """
    try:
        own = uuid.UUID(bot_id)
    except ValueError:
        return None
    return str(uuid.UUID(int=own.int ^ (uuid.uuid5(_KINDS, kind).int & _FREE_BITS)))


def endpoint_id(number: int, bot_id: str) -> str | None:
    """The id of a bot's endpoint of live streams; as ``related_id``, which leads back to the bot with ``endpoint_kind``."""
    return related_id(endpoint_kind(number), bot_id)


def endpoint_kind(number: int) -> str:
    """The kind, for ``related_id`` and ``bot_of``, of a bot's endpoint with this number."""
    return f"{REALTIME_ENDPOINT}_{number}"


bot_of: Final = related_id
"""The id of the bot whose recording, or artifact, of ``kind`` has this id."""
