"""The reasons why a bot ends. worker.contracts.vendor_words has the vendors' names for them."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Fault(StrEnum):
    """Who has to change something to prevent such an end."""

    NOBODY = "nobody"
    """An outcome of the meeting, or of what the job asked for."""
    USER = "user"
    """The sender of the job: its link, its account, the meeting's settings."""
    PLATFORM = "platform"
    OURS = "ours"


class Reason(StrEnum):
    """The value is written to the tape, ``bot.json``, events, logs and metrics."""

    # The call ended.
    MEETING_ENDED = "meeting_ended"
    ENDED_IDLE = "ended_idle"
    """The platform closed an inactive call ("Are you still there?")."""
    ENDED_TOO_LONG = "ended_too_long"
    """The platform closed the call at the platform's maximum duration."""
    REMOVED = "removed"
    ENDED_UNKNOWN = "ended_unknown"
    """The page shows that the call is over for the bot, in words that are not known."""

    # The bot was asked to leave, or decided to.
    INTERRUPTED = "interrupted"
    """A person's Ctrl-C, or a closed terminal: the job ends."""
    DRAINED = "drained"
    """A process manager stops the worker: another worker goes on with the job."""
    MAX_DURATION = "max_duration"
    NOONE_JOINED = "noone_joined"
    EVERYONE_LEFT = "everyone_left"
    ONLY_BOTS_BY_NAMES = "only_bots_by_names"
    ONLY_BOTS_BY_EVENTS = "only_bots_by_events"
    SILENCE = "silence"
    NOT_RECORDING = "not_recording"
    """In the call, but the condition to start recording was not met in time."""
    RECORDING_DENIED = "recording_denied"
    """Recording was not permitted within the time that the job allows for it."""

    # The bot was not admitted.
    DENIED_BY_HOST = "denied_by_host"
    REMOVED_FROM_WAITING_ROOM = "removed_from_waiting_room"
    WAITING_ROOM_TIMEOUT = "waiting_room_timeout"
    """The job's time limit was reached."""
    WAITING_ROOM_TIMEOUT_BY_PLATFORM = "waiting_room_timeout_by_platform"
    MEETING_NOT_STARTED = "meeting_not_started"
    """The host did not join while the bot waited."""
    MEETING_NOT_FOUND = "meeting_not_found"
    LINK_EXPIRED = "link_expired"
    LINK_INVALID = "link_invalid"
    PASSWORD_INCORRECT = "password_incorrect"
    MEETING_LOCKED = "meeting_locked"
    MEETING_FULL = "meeting_full"
    MEETING_OVER = "meeting_over"
    """It had ended before the bot joined."""
    SIGN_IN_REQUIRED = "sign_in_required"
    SIGN_IN_FAILED = "sign_in_failed"
    """The bot's account is no longer signed in."""
    REGISTRATION_REQUIRED = "registration_required"
    BLOCKED_BY_PLATFORM = "blocked_by_platform"
    CAPTCHA = "captcha"

    # Something failed.
    CONNECTION_FAILED = "connection_failed"
    """The page reports that it could not connect."""
    CONNECTION_LOST = "connection_lost"
    CALL_ENCRYPTED = "call_encrypted"
    """The call is encrypted from end to end and cannot be recorded."""
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
    TOO_LATE = "too_late"
    """The job's latest start had passed before a worker was able to join."""

    @property
    def is_cut_off(self) -> bool:
        """Whether this end was unintended, so that the recording is incomplete or empty."""
        return self in _CUT_OFF

    @property
    def is_retried(self) -> bool:
        """Whether a new Chromium may help. A bot that a person or the platform refused does not try again."""
        return self in _RETRIED

    @property
    def is_told_to_stop(self) -> bool:
        """Whether a signal asked for this end, from a process manager or a terminal."""
        return self in _TOLD_TO_STOP

    @property
    def fault(self) -> Fault:
        """Who can prevent this end."""
        return next((fault for fault, reasons in _FAULTS.items() if self in reasons), Fault.NOBODY)


_RETRIED: Final = frozenset(
    {
        Reason.BROWSER_DIED,
        Reason.CONNECTION_FAILED,
        Reason.CONNECTION_LOST,
        Reason.INTERNAL_ERROR,
        Reason.OOM_SOFT_LIMIT,
        Reason.PAGE_HUNG,
        Reason.PAGE_NOT_LOADED,
        Reason.TAP_DEAF,
    }
)

_TOLD_TO_STOP: Final = frozenset({Reason.DRAINED, Reason.INTERRUPTED})

_CUT_OFF: Final = frozenset(
    {
        Reason.BROWSER_DIED,
        Reason.CALL_ENCRYPTED,
        Reason.CONNECTION_FAILED,
        Reason.CONNECTION_LOST,
        Reason.DISK_FULL,
        Reason.DRAINED,
        Reason.INTERNAL_ERROR,
        Reason.LEASE_LOST,
        Reason.OOM_SOFT_LIMIT,
        Reason.PAGE_HUNG,
        Reason.PAGE_NOT_LOADED,
        Reason.PAGE_NOT_UNDERSTOOD,
        Reason.SIGN_IN_FAILED,
        Reason.TAP_DEAF,
        Reason.TAPE_FAILED,
        Reason.TOO_LATE,
        Reason.TOO_MANY_ATTEMPTS,
    }
)

_FAULTS: Final = {
    Fault.USER: frozenset(
        {
            Reason.CALL_ENCRYPTED,
            Reason.INVALID_JOB,
            Reason.LINK_EXPIRED,
            Reason.LINK_INVALID,
            Reason.MEETING_NOT_FOUND,
            Reason.MEETING_OVER,
            Reason.PASSWORD_INCORRECT,
            Reason.REGISTRATION_REQUIRED,
            Reason.SIGN_IN_FAILED,
            Reason.SIGN_IN_REQUIRED,
        }
    ),
    Fault.PLATFORM: frozenset(
        {
            Reason.BLOCKED_BY_PLATFORM,
            Reason.CAPTCHA,
            Reason.CONNECTION_FAILED,
            Reason.CONNECTION_LOST,
            Reason.PAGE_NOT_LOADED,
        }
    ),
    Fault.OURS: frozenset(
        {
            Reason.BROWSER_DIED,
            Reason.DISK_FULL,
            Reason.DRAINED,
            Reason.INTERNAL_ERROR,
            Reason.LEASE_LOST,
            Reason.OOM_SOFT_LIMIT,
            Reason.PAGE_HUNG,
            Reason.PAGE_NOT_UNDERSTOOD,
            Reason.TAP_DEAF,
            Reason.TAPE_FAILED,
            Reason.TOO_LATE,
            Reason.TOO_MANY_ATTEMPTS,
            Reason.WORKER_LOST,
        }
    ),
}


def read_reason(value: str) -> Reason | None:
    """The reason with this value, from a tape, a manifest or a result; None for one that this version does not know."""
    try:
        return Reason(value)
    except ValueError:
        return None
