"""What both vendors call our states and reasons.

MeetStream's words are those of its guide "Webhook Events" (docs.meetstream.ai), Recall.ai's those of "Bot Webhooks" and
"Bot Sub Codes" (docs.recall.ai). Neither set is closed: both vendors may add to theirs.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, NamedTuple

CALL_ENDED: Final = "call_ended"
DONE: Final = "done"
FATAL: Final = "fatal"


class Words(NamedTuple):
    """One change of state in both vendors' words.

    ``bot_status`` and ``event`` (``bot.joining``) are MeetStream's; ``code`` and ``sub_code`` are Recall.ai's, whose event is
    ``bot.`` and the code. ``message`` is plain English.
    """

    bot_status: str
    event: str
    code: str
    sub_code: str | None
    message: str


class Outcome(NamedTuple):
    """How a bot ended, in Recall.ai's words: ``code`` is ``call_ended`` or ``fatal``."""

    code: str
    sub_code: str | None


class _Reason(NamedTuple):
    """Why it is over. ``code`` is the one that carries Recall.ai's ``sub_code``; ``bot_status`` and ``event`` are how
    MeetStream sums it up where nothing was recorded, or not to the end."""

    bot_status: str
    event: str
    code: str
    sub_code: str | None
    message: str


def _ended(sub_code: str | None, message: str) -> _Reason:
    return _Reason("Done", "bot.done", CALL_ENDED, sub_code, message)


def _broke(message: str, sub_code: str = "bot_errored") -> _Reason:
    return _Reason("Error", "bot.failed", FATAL, sub_code, message)


STATES: Final = MappingProxyType(
    {
        "joining": Words("Joining", "bot.joining", "joining_call", None, "Bot is joining the meeting"),
        "waiting_room": Words(
            "InWaitingRoom", "bot.in_waiting_room", "in_waiting_room", None, "Bot is in the waiting room"
        ),
        "in_call_not_recording": Words(
            "InMeeting", "bot.inmeeting", "in_call_not_recording", None, "Bot is in the meeting"
        ),
        "in_call_recording": Words(
            "Recording", "bot.recording", "in_call_recording", None, "Bot is recording the meeting"
        ),
        "leaving": Words("Leaving", "bot.leaving", CALL_ENDED, None, "Bot is leaving the meeting"),
        "stopped": Words("Stopped", "bot.stopped", CALL_ENDED, None, "Bot has left the meeting"),
        "done": Words("Done", "bot.done", DONE, None, "Bot is done"),
        "fatal": Words("Error", "bot.failed", FATAL, "bot_errored", "Bot failed"),
    }
)
"""``stopped`` is MeetStream's alone: it tells this before the files are finished. Recall.ai has nothing between
``call_ended`` and ``done``."""

REASONS: Final = MappingProxyType(
    {
        # the call went its way
        "meeting_ended": _ended("call_ended_by_host", "The meeting has ended"),
        "removed": _ended("bot_kicked_from_call", "The bot was removed from the meeting"),
        "max_duration": _ended("timeout_exceeded_in_call_recording", "The longest duration was recorded"),
        "interrupted": _ended("bot_received_leave_call", "The bot was told to leave"),
        "drained": _ended("bot_received_leave_call", "The bot left because its worker was told to stop"),
        # the bot was not let in
        "denied_by_host": _Reason(
            "Denied",
            "bot.denied",
            CALL_ENDED,
            "bot_kicked_from_waiting_room",
            "Somebody in the meeting denied the bot's request to join",
        ),
        "waiting_room_timeout": _Reason(
            "NotAllowed",
            "bot.notallowed",
            CALL_ENDED,
            "timeout_exceeded_waiting_room",
            "Nobody let the bot in from the waiting room in time",
        ),
        "meeting_not_found": _broke("There is no such meeting", "meeting_not_found"),
        "blocked_by_platform": _Reason(
            "NotAllowed",
            "bot.notallowed",
            FATAL,
            "google_meet_bot_blocked",
            "The platform does not let the bot join",
        ),
        "sign_in_required": _Reason(
            "NotAllowed",
            "bot.notallowed",
            FATAL,
            "meeting_requires_sign_in",
            "The meeting admits only people who are signed in",
        ),
        # something broke
        "page_not_loaded": _broke("The meeting's page does not load"),
        "page_not_understood": _broke("The meeting's page showed neither a waiting room nor a call"),
        "connection_lost": _broke("The connection to the meeting was lost"),
        "page_hung": _broke("The meeting's page stopped answering"),
        "tap_deaf": _broke("Audio arrived but could not be captured"),
        "browser_died": _broke("The browser ended unexpectedly"),
        "tape_failed": _broke("The recording could not be written"),
        "internal_error": _broke("The bot failed by an error of its own"),
        "worker_lost": _broke("The bot's worker was lost"),
        "lease_lost": _broke("Another worker took over the bot"),
        "oom_soft_limit": _broke("The recording ended early because memory ran short"),
        "disk_full": _broke("The recording ended early because the disk is full"),
        "invalid_job": _broke("The job cannot be done as it is worded"),
        "too_many_attempts": _broke("The job was tried too often"),
    }
)

_NEVER_IN_THE_CALL: Final = MappingProxyType(
    {
        "meeting_ended": _broke("The meeting had ended before the bot was in it", "meeting_ended"),
        "removed": _Reason(
            "Denied",
            "bot.denied",
            CALL_ENDED,
            "bot_kicked_from_waiting_room",
            "The bot was removed before it was in the meeting",
        ),
    }
)
"""Reasons that mean something else where the state is ``fatal``: nothing was recorded."""

_FAILED: Final = frozenset({"Error", "Denied", "NotAllowed"})


def words(state: str, reason: str) -> Words:
    """Both vendors' words for entering ``state``; ``reason`` counts for leaving, stopped, done and fatal.

    Never raises: an unknown reason gets the state's general words, an unknown state its own name.
    """
    general = STATES.get(state)
    if general is None:
        return Words(state, f"bot.{state}", state, None, f"Bot is in state {state}")
    if state == "fatal":
        return _fatal(general, reason)
    known = REASONS.get(reason)
    if known is None or state not in ("leaving", "stopped", "done"):
        return general
    if state == "done":
        return general._replace(message=known.message)
    sub_code = known.sub_code if known.code == CALL_ENDED else None
    if state == "leaving" and reason == "removed":
        return Words("Stopped", "bot.kicked", CALL_ENDED, sub_code, known.message)
    return general._replace(sub_code=sub_code, message=known.message)


def outcome(state: str, reason: str) -> Outcome:
    """The code and sub-code that tell why a bot ended in ``state``, for counting: Recall.ai's ``done`` itself carries none."""
    known = REASONS.get(reason)
    if state == "fatal":
        known = _NEVER_IN_THE_CALL.get(reason, known)
        return Outcome(known.code, known.sub_code) if known else Outcome(FATAL, "bot_errored")
    return Outcome(CALL_ENDED, known.sub_code if known and known.code == CALL_ENDED else None)


def status_code(bot_status: str) -> int:
    """MeetStream's ``status_code`` beside a ``bot_status``: 500 for Error, Denied and NotAllowed, else 200."""
    return 500 if bot_status in _FAILED else 200


def _fatal(general: Words, reason: str) -> Words:
    """Recall.ai tells a refusal by ``call_ended`` and then ends with ``done``; its ``fatal`` is for what broke."""
    known = _NEVER_IN_THE_CALL.get(reason) or REASONS.get(reason)
    if known is None:
        return general
    if known.code == FATAL:
        return Words(*known)
    return Words(known.bot_status, known.event, DONE, None, known.message)
