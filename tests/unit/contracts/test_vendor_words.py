from __future__ import annotations

import pytest

from worker.contracts.vendor_words import (
    PLATFORM_SUB_CODES,
    REASONS,
    STATES,
    OutcomeWords,
    outcome_words,
    status_code,
    words,
)
from worker.platforms.registry import Platform
from worker.reasons import Reason, read_reason
from worker.states import State

PLATFORMS = [*Platform, None]

BOT_STATUSES = {
    "Joining",
    "InWaitingRoom",
    "InMeeting",
    "Recording",
    "Leaving",
    "Stopped",
    "NotAllowed",
    "Denied",
    "Error",
    "Done",
}
EVENTS = {
    "bot.joining",
    "bot.in_waiting_room",
    "bot.inmeeting",
    "bot.recording",
    "bot.leaving",
    "bot.stopped",
    "bot.done",
    "bot.kicked",
    "bot.denied",
    "bot.notallowed",
    "bot.failed",
}
CODES = {
    "joining_call",
    "in_waiting_room",
    "in_call_not_recording",
    "in_call_recording",
    "call_ended",
    "done",
    "fatal",
}
SUB_CODES: dict[str, set[str | None]] = {
    "call_ended": {
        None,
        "call_ended_by_host",
        "call_ended_by_platform_idle",
        "call_ended_by_platform_max_length",
        "call_ended_by_platform_waiting_room_timeout",
        "timeout_exceeded_noone_joined",
        "timeout_exceeded_everyone_left",
        "timeout_exceeded_silence_detected",
        "timeout_exceeded_only_bots_detected_using_participant_names",
        "timeout_exceeded_only_bots_detected_using_participant_events",
        "timeout_exceeded_in_call_not_recording",
        "timeout_exceeded_recording_permission_denied",
        "timeout_exceeded_waiting_room",
        "timeout_exceeded_in_call_recording",
        "bot_kicked_from_call",
        "bot_kicked_from_waiting_room",
        "bot_received_leave_call",
    },
    "fatal": {
        "bot_errored",
        "meeting_not_found",
        "meeting_not_started",
        "meeting_requires_registration",
        "meeting_requires_sign_in",
        "meeting_link_expired",
        "meeting_link_invalid",
        "meeting_password_incorrect",
        "meeting_locked",
        "meeting_full",
        "meeting_ended",
        "google_meet_internal_error",
        "google_meet_sign_in_failed",
        "google_meet_sign_in_captcha_failed",
        "google_meet_bot_blocked",
        "microsoft_teams_call_dropped",
        "microsoft_teams_sign_in_failed",
        "microsoft_teams_captcha_detected",
        "microsoft_teams_bot_not_invited",
    },
}


def test_every_reason_has_vendor_words() -> None:
    assert set(REASONS) == set(Reason)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("reason", [None, *REASONS])
@pytest.mark.parametrize("state", STATES)
def test_words_are_among_those_of_the_vendors(
    state: State, reason: Reason | None, platform: Platform | None
) -> None:
    names = words(state, reason, platform)
    assert names.bot_status in BOT_STATUSES
    assert names.event in EVENTS
    assert names.code in CODES
    assert names.sub_code in SUB_CODES.get(names.code, {None})
    assert names.message


@pytest.mark.parametrize(
    ("state", "reason", "names"),
    [
        ("joining", "", ("Joining", "bot.joining", "joining_call", None)),
        ("waiting_room", "", ("InWaitingRoom", "bot.in_waiting_room", "in_waiting_room", None)),
        ("in_call_not_recording", "", ("InMeeting", "bot.inmeeting", "in_call_not_recording", None)),
        ("in_call_recording", "", ("Recording", "bot.recording", "in_call_recording", None)),
        ("leaving", "meeting_ended", ("Leaving", "bot.leaving", "call_ended", "call_ended_by_host")),
        ("leaving", "removed", ("Stopped", "bot.kicked", "call_ended", "bot_kicked_from_call")),
        ("leaving", "browser_died", ("Leaving", "bot.leaving", "call_ended", None)),
        ("stopped", "interrupted", ("Stopped", "bot.stopped", "call_ended", "bot_received_leave_call")),
        ("done", "meeting_ended", ("Done", "bot.done", "done", None)),
        ("done", "removed", ("Done", "bot.done", "done", None)),
        ("done", "interrupted", ("Done", "bot.done", "done", None)),
        ("fatal", "denied_by_host", ("Denied", "bot.denied", "done", None)),
        ("fatal", "waiting_room_timeout", ("NotAllowed", "bot.notallowed", "done", None)),
        ("fatal", "removed_from_waiting_room", ("Denied", "bot.denied", "done", None)),
        (
            "leaving",
            "everyone_left",
            ("Leaving", "bot.leaving", "call_ended", "timeout_exceeded_everyone_left"),
        ),
        ("fatal", "captcha", ("NotAllowed", "bot.notallowed", "fatal", "google_meet_sign_in_captcha_failed")),
        ("fatal", "interrupted", ("Done", "bot.done", "done", None)),
        ("fatal", "meeting_over", ("Error", "bot.failed", "fatal", "meeting_ended")),
        ("fatal", "meeting_not_found", ("Error", "bot.failed", "fatal", "meeting_not_found")),
        (
            "fatal",
            "blocked_by_platform",
            ("NotAllowed", "bot.notallowed", "fatal", "google_meet_bot_blocked"),
        ),
        ("fatal", "sign_in_required", ("NotAllowed", "bot.notallowed", "fatal", "meeting_requires_sign_in")),
        ("fatal", "worker_lost", ("Error", "bot.failed", "fatal", "bot_errored")),
    ],
)
def test_words_of_states_and_reasons(
    state: str, reason: str, names: tuple[str, str, str, str | None]
) -> None:
    assert words(State(state), read_reason(reason), Platform.GOOGLE_MEET)[:4] == names


def test_sub_codes_depend_on_the_platform() -> None:
    assert (
        words(State.FATAL, Reason.CAPTCHA, Platform.MICROSOFT_TEAMS).sub_code
        == "microsoft_teams_captcha_detected"
    )
    assert (
        outcome_words(State.FATAL, Reason.CAPTCHA, Platform.MICROSOFT_TEAMS).sub_code
        == "microsoft_teams_captcha_detected"
    )


def test_a_reason_before_leaving_changes_no_words() -> None:
    removed = words(State.JOINING, Reason.REMOVED, Platform.GOOGLE_MEET)
    assert removed == words(State.JOINING, None, Platform.GOOGLE_MEET)


@pytest.mark.parametrize(
    ("state", "reason", "counted"),
    [
        ("done", "meeting_ended", OutcomeWords("call_ended", "call_ended_by_host")),
        ("done", "disk_full", OutcomeWords("call_ended", None)),
        ("fatal", "denied_by_host", OutcomeWords("call_ended", "bot_kicked_from_waiting_room")),
        ("fatal", "blocked_by_platform", OutcomeWords("fatal", "google_meet_bot_blocked")),
        ("fatal", "meeting_over", OutcomeWords("fatal", "meeting_ended")),
    ],
)
def test_outcome_words_have_the_code_and_sub_code_of_the_reason(
    state: str, reason: str, counted: OutcomeWords
) -> None:
    assert outcome_words(State(state), Reason(reason), Platform.GOOGLE_MEET) == counted


def test_every_platform_has_sub_codes() -> None:
    assert set(PLATFORM_SUB_CODES) == set(Platform)


def test_status_code_is_500_for_failures_only() -> None:
    failed = {status for status in BOT_STATUSES if status_code(status) == 500}
    assert failed == {"Error", "Denied", "NotAllowed"}
    assert {status_code(status) for status in BOT_STATUSES - failed} == {200}
