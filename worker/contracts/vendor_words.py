"""Both vendors' names for our states and reasons.

MeetStream's are from its guide "Webhook Events" (docs.meetstream.ai), Recall.ai's from "Bot Webhooks" and "Bot Sub Codes"
(docs.recall.ai). Both vendors may add to theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from worker.platforms.registry import Platform
from worker.reasons import Reason
from worker.states import State

CALL_ENDED: Final = "call_ended"
DONE: Final = "done"
FATAL: Final = "fatal"
BOT_ERRORED: Final = "bot_errored"


class Words(NamedTuple):
    """Both vendors' names for one change of state.

    ``bot_status`` and ``event`` (``bot.joining``) are MeetStream's; ``code`` and ``sub_code`` are Recall.ai's, whose event is
    ``bot.`` and the code. ``message`` is plain English.
    """

    bot_status: str
    event: str
    code: str
    sub_code: str | None
    message: str


class OutcomeWords(NamedTuple):
    """How a bot ended, with Recall.ai's names: ``code`` is ``call_ended`` or ``fatal``."""

    code: str
    sub_code: str | None


class EndWords(NamedTuple):
    """MeetStream's names for how a bot's visit ended: ``bot_event`` of the one event ``bot.stopped``, and the status."""

    bot_event: str
    bot_status: str
    message: str


class SubCodes(NamedTuple):
    """Recall.ai's sub-codes that name the platform."""

    sign_in_failed: str
    blocked: str
    captcha: str
    not_connected: str


_SubCode: TypeAlias = str | Callable[[SubCodes], str] | None
"""A sub-code, or a function that picks one of the platform's."""


class _Reason(NamedTuple):
    """Both vendors' names for one reason. ``code`` is the one that carries Recall.ai's ``sub_code``; ``bot_status`` and
    ``event`` are MeetStream's for a job that ends as ``fatal``."""

    bot_status: str
    event: str
    code: str
    sub_code: _SubCode
    message: str


def _ended(sub_code: str | None, message: str) -> _Reason:
    return _Reason("Done", "bot.done", CALL_ENDED, sub_code, message)


def _broke(message: str, sub_code: _SubCode = BOT_ERRORED) -> _Reason:
    return _Reason("Error", "bot.failed", FATAL, sub_code, message)


def _refused(sub_code: _SubCode, message: str) -> _Reason:
    return _Reason("NotAllowed", "bot.notallowed", FATAL, sub_code, message)


def _timeout(what: str, message: str) -> _Reason:
    return _ended(f"timeout_exceeded_{what}", message)


STATES: Final[Mapping[State, Words]] = MappingProxyType(
    {
        State.JOINING: Words("Joining", "bot.joining", "joining_call", None, "Bot is joining the meeting"),
        State.WAITING_ROOM: Words(
            "InWaitingRoom", "bot.in_waiting_room", "in_waiting_room", None, "Bot is in the waiting room"
        ),
        State.IN_CALL_NOT_RECORDING: Words(
            "InMeeting", "bot.inmeeting", "in_call_not_recording", None, "Bot is in the meeting"
        ),
        State.IN_CALL_RECORDING: Words(
            "Recording", "bot.recording", "in_call_recording", None, "Bot is recording the meeting"
        ),
        State.LEAVING: Words("Leaving", "bot.leaving", CALL_ENDED, None, "Bot is leaving the meeting"),
        State.STOPPED: Words("Stopped", "bot.stopped", CALL_ENDED, None, "Bot has left the meeting"),
        State.DONE: Words("Done", "bot.done", DONE, None, "Bot is done"),
        State.FATAL: Words("Error", "bot.failed", FATAL, "bot_errored", "Bot failed"),
    }
)
"""The states that are reported to users. Only MeetStream has ``stopped``, before the files are finished; Recall.ai has nothing
between ``call_ended`` and ``done``."""

_NOT_ADMITTED: Final = ("NotAllowed", "bot.notallowed")
_DENIED: Final = ("Denied", "bot.denied")

REASONS: Final[Mapping[Reason, _Reason]] = MappingProxyType(
    {
        # the call ended
        Reason.MEETING_ENDED: _ended("call_ended_by_host", "The meeting has ended"),
        Reason.ENDED_IDLE: _ended(
            "call_ended_by_platform_idle", "The platform ended the meeting because it was idle"
        ),
        Reason.ENDED_TOO_LONG: _ended(
            "call_ended_by_platform_max_length", "The platform ended the meeting at its maximum duration"
        ),
        Reason.REMOVED: _ended("bot_kicked_from_call", "The bot was removed from the meeting"),
        Reason.ENDED_UNKNOWN: _ended(
            None,
            "The platform ended the call for the bot, for a reason that its page does not show in known words",
        ),
        # the bot was asked to leave, or decided to
        Reason.INTERRUPTED: _ended("bot_received_leave_call", "The bot was told to leave"),
        Reason.DRAINED: _broke("The bot left because its worker was told to stop"),
        Reason.MAX_DURATION: _timeout("in_call_recording", "The maximum duration was recorded"),
        Reason.NOONE_JOINED: _timeout("noone_joined", "Nobody joined the meeting"),
        Reason.EVERYONE_LEFT: _timeout("everyone_left", "Everybody else had left the meeting"),
        Reason.ONLY_BOTS_BY_NAMES: _timeout(
            "only_bots_detected_using_participant_names", "Only bots were left in the meeting, by their names"
        ),
        Reason.ONLY_BOTS_BY_EVENTS: _timeout(
            "only_bots_detected_using_participant_events",
            "Only bots were left in the meeting: none of them ever spoke",
        ),
        Reason.SILENCE: _timeout("silence_detected", "Nobody spoke for too long"),
        Reason.NOT_RECORDING: _timeout(
            "in_call_not_recording", "The condition to start recording was not met in time"
        ),
        Reason.RECORDING_DENIED: _timeout("recording_permission_denied", "Recording was not permitted"),
        # the bot was not admitted
        Reason.DENIED_BY_HOST: _Reason(
            *_DENIED,
            CALL_ENDED,
            "bot_kicked_from_waiting_room",
            "Somebody in the meeting denied the bot's request to join",
        ),
        Reason.REMOVED_FROM_WAITING_ROOM: _Reason(
            *_DENIED, CALL_ENDED, "bot_kicked_from_waiting_room", "The bot was removed from the waiting room"
        ),
        Reason.WAITING_ROOM_TIMEOUT: _Reason(
            *_NOT_ADMITTED,
            CALL_ENDED,
            "timeout_exceeded_waiting_room",
            "Nobody let the bot in from the waiting room in time",
        ),
        Reason.WAITING_ROOM_TIMEOUT_BY_PLATFORM: _Reason(
            *_NOT_ADMITTED,
            CALL_ENDED,
            "call_ended_by_platform_waiting_room_timeout",
            "The platform gave up waiting for somebody to let the bot in",
        ),
        Reason.MEETING_NOT_STARTED: _refused(
            "meeting_not_started", "The host did not start the meeting in time"
        ),
        Reason.MEETING_NOT_FOUND: _broke("There is no such meeting", "meeting_not_found"),
        Reason.LINK_EXPIRED: _broke("The meeting's link has expired", "meeting_link_expired"),
        Reason.LINK_INVALID: _broke("The meeting's link is not valid", "meeting_link_invalid"),
        Reason.PASSWORD_INCORRECT: _broke("The meeting's passcode is wrong", "meeting_password_incorrect"),
        Reason.MEETING_LOCKED: _refused("meeting_locked", "The meeting is locked"),
        Reason.MEETING_FULL: _refused("meeting_full", "The meeting is full"),
        Reason.MEETING_OVER: _broke("The meeting had ended before the bot joined", "meeting_ended"),
        Reason.SIGN_IN_REQUIRED: _refused(
            "meeting_requires_sign_in", "The meeting admits only people who are signed in"
        ),
        Reason.SIGN_IN_FAILED: _broke("The bot's account is not signed in", lambda own: own.sign_in_failed),
        Reason.REGISTRATION_REQUIRED: _refused(
            "meeting_requires_registration", "The meeting admits only people who have registered"
        ),
        Reason.BLOCKED_BY_PLATFORM: _refused(
            lambda own: own.blocked, "The platform does not let the bot join"
        ),
        Reason.CAPTCHA: _refused(
            lambda own: own.captcha, "The platform asked for a captcha, which the bot does not solve"
        ),
        # something failed
        Reason.CONNECTION_FAILED: _broke(
            "The meeting's page could not connect", lambda own: own.not_connected
        ),
        Reason.CONNECTION_LOST: _broke("The connection to the meeting was lost"),
        Reason.CALL_ENCRYPTED: _broke("The meeting is encrypted from end to end and cannot be recorded"),
        Reason.PAGE_NOT_LOADED: _broke("The meeting's page did not load"),
        Reason.PAGE_NOT_UNDERSTOOD: _broke("The meeting's page showed neither a waiting room nor a call"),
        Reason.PAGE_HUNG: _broke("The meeting's page stopped answering"),
        Reason.TAP_DEAF: _broke("Audio arrived but could not be captured"),
        Reason.BROWSER_DIED: _broke("The browser ended unexpectedly"),
        Reason.TAPE_FAILED: _broke("The recording could not be written"),
        Reason.INTERNAL_ERROR: _broke("The bot failed because of an internal error"),
        Reason.WORKER_LOST: _broke("The bot's worker was lost"),
        Reason.LEASE_LOST: _broke("Another worker took over the bot"),
        Reason.OOM_SOFT_LIMIT: _broke("The recording ended early because memory ran short"),
        Reason.DISK_FULL: _broke("The recording ended early because the disk is full"),
        Reason.INVALID_JOB: _broke("The job is invalid"),
        Reason.TOO_MANY_ATTEMPTS: _broke("The job was tried too often"),
        Reason.TOO_LATE: _broke("No worker was able to join the meeting in time"),
    }
)
PLATFORM_SUB_CODES: Final[Mapping[Platform, SubCodes]] = MappingProxyType(
    {
        Platform.GOOGLE_MEET: SubCodes(
            sign_in_failed="google_meet_sign_in_failed",
            blocked="google_meet_bot_blocked",
            captcha="google_meet_sign_in_captcha_failed",
            not_connected="google_meet_internal_error",
        ),
        Platform.MICROSOFT_TEAMS: SubCodes(
            sign_in_failed="microsoft_teams_sign_in_failed",
            blocked="microsoft_teams_bot_not_invited",
            captcha="microsoft_teams_captcha_detected",
            not_connected="microsoft_teams_call_dropped",
        ),
    }
)

_FAILED: Final = frozenset({"Error", "Denied", "NotAllowed"})

_WITH_REASON: Final = frozenset({State.LEAVING, State.STOPPED, State.DONE, State.FATAL})


def words(state: State, reason: Reason | None, platform: Platform | None) -> Words:
    """Both vendors' names for entering ``state``, one of STATES; ``reason`` counts for leaving, stopped, done and fatal.

    ``platform`` is None if the job could not be read.
    """
    general = STATES[state]
    if reason is None or state not in _WITH_REASON:
        return general
    known, sub_code = REASONS[reason], _sub_code(reason, platform)
    if state is State.FATAL:
        return _fatal(known, sub_code)
    if state is State.DONE:
        return general._replace(message=known.message)
    sub_code = sub_code if known.code == CALL_ENDED else None
    if state is State.LEAVING and reason is Reason.REMOVED:
        return Words("Stopped", "bot.kicked", CALL_ENDED, sub_code, known.message)
    return general._replace(sub_code=sub_code, message=known.message)


def outcome_words(state: State, reason: Reason, platform: Platform) -> OutcomeWords:
    """The code and sub-code for why a bot ended in ``state``, for metrics: Recall.ai's ``done`` itself carries none."""
    code, sub_code = REASONS[reason].code, _sub_code(reason, platform)
    if state is State.FATAL:
        return OutcomeWords(code, sub_code)
    return OutcomeWords(CALL_ENDED, sub_code if code == CALL_ENDED else None)


def end_words(reason: Reason) -> EndWords:
    """MeetStream's names for the end of a visit, before the files are finished; its newest model has one end for all."""
    known = REASONS[reason]
    if reason is Reason.REMOVED:
        return EndWords("bot.kicked", "Stopped", known.message)
    if known.event == "bot.done":
        return EndWords("bot.stopped", "Stopped", known.message)
    return EndWords(known.event, known.bot_status, known.message)


def status_code(bot_status: str) -> int:
    """MeetStream's ``status_code`` beside a ``bot_status``: 500 for Error, Denied and NotAllowed, else 200."""
    return 500 if bot_status in _FAILED else 200


def _sub_code(reason: Reason, platform: Platform | None) -> str | None:
    sub_code = REASONS[reason].sub_code
    if not callable(sub_code):
        return sub_code
    return BOT_ERRORED if platform is None else sub_code(PLATFORM_SUB_CODES[platform])


def _fatal(known: _Reason, sub_code: str | None) -> Words:
    """Recall.ai reports a refusal by ``call_ended``, then ``done``; its ``fatal`` is for failures."""
    if known.code == FATAL:
        return Words(known.bot_status, known.event, FATAL, sub_code, known.message)
    return Words(known.bot_status, known.event, DONE, None, known.message)
