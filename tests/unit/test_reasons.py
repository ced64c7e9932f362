from __future__ import annotations

import pytest

from worker.reasons import _FAULTS, Fault, Reason, read_reason

FAULTS = {
    Fault.NOBODY: {
        "meeting_ended",
        "ended_idle",
        "ended_too_long",
        "removed",
        "ended_unknown",
        "interrupted",
        "max_duration",
        "noone_joined",
        "everyone_left",
        "only_bots_by_names",
        "only_bots_by_events",
        "silence",
        "not_recording",
        "recording_denied",
        "denied_by_host",
        "removed_from_waiting_room",
        "waiting_room_timeout",
        "waiting_room_timeout_by_platform",
        "meeting_not_started",
        "meeting_locked",
        "meeting_full",
    },
    Fault.USER: {
        "call_encrypted",
        "invalid_job",
        "link_expired",
        "link_invalid",
        "meeting_not_found",
        "meeting_over",
        "password_incorrect",
        "registration_required",
        "sign_in_failed",
        "sign_in_required",
    },
    Fault.PLATFORM: {
        "blocked_by_platform",
        "captcha",
        "connection_failed",
        "connection_lost",
        "page_not_loaded",
    },
    Fault.OURS: {
        "browser_died",
        "disk_full",
        "drained",
        "internal_error",
        "lease_lost",
        "oom_soft_limit",
        "page_hung",
        "page_not_understood",
        "tap_deaf",
        "tape_failed",
        "too_late",
        "too_many_attempts",
        "worker_lost",
    },
}
CUT_OFF = {
    "browser_died",
    "call_encrypted",
    "connection_failed",
    "connection_lost",
    "disk_full",
    "drained",
    "internal_error",
    "lease_lost",
    "oom_soft_limit",
    "page_hung",
    "page_not_loaded",
    "page_not_understood",
    "sign_in_failed",
    "tap_deaf",
    "tape_failed",
    "too_late",
    "too_many_attempts",
}
RETRIED = {
    "browser_died",
    "connection_failed",
    "connection_lost",
    "internal_error",
    "oom_soft_limit",
    "page_hung",
    "page_not_loaded",
    "tap_deaf",
}


@pytest.mark.parametrize("fault", Fault)
def test_each_reason_has_its_fault(fault: Fault) -> None:
    assert {reason.value for reason in Reason if reason.fault is fault} == FAULTS[fault]


def test_no_reason_has_two_faults() -> None:
    assert sum(len(reasons) for reasons in _FAULTS.values()) == len(frozenset().union(*_FAULTS.values()))


def test_every_reason_that_cuts_a_recording_off_is_a_fault() -> None:
    cut_off = {reason for reason in Reason if reason.is_cut_off}
    assert cut_off == CUT_OFF
    assert Fault.NOBODY not in {reason.fault for reason in cut_off}


def test_only_reasons_that_cut_a_recording_off_are_retried() -> None:
    retried = {reason for reason in Reason if reason.is_retried}
    assert retried == RETRIED
    assert retried < CUT_OFF


def test_only_signals_tell_a_bot_to_stop() -> None:
    assert {reason for reason in Reason if reason.is_told_to_stop} == {"drained", "interrupted"}


@pytest.mark.parametrize("reason", Reason)
def test_read_reason_reads_each_value(reason: Reason) -> None:
    assert read_reason(reason.value) is reason


@pytest.mark.parametrize("value", ["", "cut_off", "MEETING_ENDED", "a reason of a later version"])
def test_read_reason_gives_none_for_a_value_it_does_not_know(value: str) -> None:
    assert read_reason(value) is None
