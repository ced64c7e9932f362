"""Why a bot ends: every reason there is, as one typed code (pure). worker.contracts.vendor_words puts them into the vendors'
words."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """A reason's value stands on the tape, in ``bot.json``, in events, logs and metrics."""

    # The call went its way.
    MEETING_ENDED = "meeting_ended"
    ENDED_IDLE = "ended_idle"
    """The platform closed a call in which nothing went on ("Are you still there?")."""
    ENDED_TOO_LONG = "ended_too_long"
    """The platform closed the call at its own longest duration."""
    REMOVED = "removed"

    # Told or decided to leave.
    INTERRUPTED = "interrupted"
    DRAINED = "drained"
    MAX_DURATION = "max_duration"
    NOONE_JOINED = "noone_joined"
    EVERYONE_LEFT = "everyone_left"
    ONLY_BOTS_BY_NAMES = "only_bots_by_names"
    ONLY_BOTS_BY_EVENTS = "only_bots_by_events"
    SILENCE = "silence"
    NOT_RECORDING = "not_recording"
    """In the call, but what the recording waits for did not happen in time."""
    RECORDING_DENIED = "recording_denied"
    """Recording was not permitted within the time that the job allows for it."""

    # Not let in.
    DENIED_BY_HOST = "denied_by_host"
    REMOVED_FROM_WAITING_ROOM = "removed_from_waiting_room"
    WAITING_ROOM_TIMEOUT = "waiting_room_timeout"
    """Our own patience ended."""
    WAITING_ROOM_TIMEOUT_BY_PLATFORM = "waiting_room_timeout_by_platform"
    MEETING_NOT_STARTED = "meeting_not_started"
    """The host did not come while the bot waited."""
    MEETING_NOT_FOUND = "meeting_not_found"
    LINK_EXPIRED = "link_expired"
    LINK_INVALID = "link_invalid"
    PASSWORD_INCORRECT = "password_incorrect"
    MEETING_LOCKED = "meeting_locked"
    MEETING_FULL = "meeting_full"
    MEETING_OVER = "meeting_over"
    """It had ended before the bot came."""
    SIGN_IN_REQUIRED = "sign_in_required"
    SIGN_IN_FAILED = "sign_in_failed"
    """The account that the bot was given is not signed in any more."""
    REGISTRATION_REQUIRED = "registration_required"
    BLOCKED_BY_PLATFORM = "blocked_by_platform"
    CAPTCHA = "captcha"

    # Something broke.
    CONNECTION_FAILED = "connection_failed"
    """The page says that it could not connect."""
    CONNECTION_LOST = "connection_lost"
    CALL_ENCRYPTED = "call_encrypted"
    """End-to-end encryption: nothing that can be recorded arrives."""
    PAGE_NOT_LOADED = "page_not_loaded"
    PAGE_NOT_UNDERSTOOD = "page_not_understood"
    PAGE_HUNG = "page_hung"
    TAP_DEAF = "tap_deaf"
    BROWSER_DIED = "browser_died"
    TAPE_FAILED = "tape_failed"
    INTERNAL_ERROR = "internal_error"
    WORKER_LOST = "worker_lost"
    LEASE_LOST = "lease_lost"
    OOM_SOFT_LIMIT = "oom_soft_limit"
    DISK_FULL = "disk_full"
    INVALID_JOB = "invalid_job"
    TOO_MANY_ATTEMPTS = "too_many_attempts"


TRIED_AGAIN: Final = frozenset(
    {
        Reason.BROWSER_DIED,
        Reason.CONNECTION_FAILED,
        Reason.CONNECTION_LOST,
        Reason.PAGE_HUNG,
        Reason.PAGE_NOT_LOADED,
        Reason.TAP_DEAF,
    }
)
"""What a new Chromium may well put right. Who was refused, by a person or by the platform, does not ask again."""

TOLD_TO_STOP: Final = frozenset({Reason.DRAINED, Reason.INTERRUPTED})
"""Ends that the worker's own supervisor, or a person at its terminal, asked for."""

CUT_OFF: Final = frozenset(
    {
        Reason.BROWSER_DIED,
        Reason.CALL_ENCRYPTED,
        Reason.CONNECTION_FAILED,
        Reason.CONNECTION_LOST,
        Reason.DISK_FULL,
        Reason.INTERNAL_ERROR,
        Reason.LEASE_LOST,
        Reason.OOM_SOFT_LIMIT,
        Reason.PAGE_HUNG,
        Reason.PAGE_NOT_LOADED,
        Reason.PAGE_NOT_UNDERSTOOD,
        Reason.SIGN_IN_FAILED,
        Reason.TAP_DEAF,
        Reason.TAPE_FAILED,
    }
)
"""Ends that nobody wanted: the recording holds less than the meeting had, or nothing. All others are outcomes, not faults."""
