"""Why a call was not told of its recording by the job's announcement (pure data)."""

from __future__ import annotations

from enum import StrEnum


class NotAnnounced(StrEnum):
    """The value is written to tapes, manifests and results."""

    NO_CHAT = "no_chat"
    """The page offers no chat: the host has closed it, or the guest may not write."""
    NOT_TAKEN = "not_taken"
    """The chat is there and did not take the message."""
    LEFT_BEFORE = "left_before"
    """The bot was out of the call before the message was written."""
    NEVER_RECORDED = "recording_never_began"
    """Nothing was recorded, so there was nothing to announce."""
    UNKNOWN = "unknown"
    """The worker was lost before it wrote down whether it announced."""
