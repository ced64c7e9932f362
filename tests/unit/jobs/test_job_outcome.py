from __future__ import annotations

import errno
from collections.abc import Sequence

import msgspec
import pytest

from tests.support.job_parts import AT, JOB, result_of
from tests.support.sample_manifests import recorded, someone
from worker.contracts.parse_job import parse_job
from worker.contracts.status import OutcomeKind, packet_counters, speaker_totals
from worker.jobs.job_outcome import (
    JobOutcome,
    announcement_of,
    endpoint_warnings,
    error_reason,
    given_up,
    judge,
    make_result,
)
from worker.lifecycle.ending import Ending
from worker.manifest.merge import RecordedAttempt
from worker.manifest.schema import Announcement
from worker.reasons import Reason
from worker.recording.outcome import RecordingOutcome
from worker.states import State
from worker.tape.errors import TapeWriteError

RECORDED = recorded(1, 0.0, 10.0)
EIO = OSError(errno.EIO, "Input/output error")


def ended(
    reason: Reason, error: Exception | None = None, *, admitted: bool = False
) -> tuple[Ending, RecordingOutcome]:
    ending = Ending(reason, "detail", AT)
    return ending, RecordingOutcome(ending, admitted, None, error, None, None, None)


@pytest.mark.parametrize(
    ("reason", "heard", "kind", "state"),
    [
        (Reason.MEETING_ENDED, True, OutcomeKind.RECORDED, State.DONE),
        (Reason.INTERRUPTED, True, OutcomeKind.RECORDED, State.DONE),
        (Reason.DRAINED, True, OutcomeKind.FAILED, State.FATAL),
        (Reason.DENIED_BY_HOST, False, OutcomeKind.NOT_ADMITTED, State.FATAL),
        (Reason.WAITING_ROOM_TIMEOUT, True, OutcomeKind.RECORDED, State.DONE),
        (Reason.BROWSER_DIED, True, OutcomeKind.FAILED, State.FATAL),
        (Reason.OOM_SOFT_LIMIT, True, OutcomeKind.FAILED, State.FATAL),
        (Reason.PAGE_NOT_LOADED, False, OutcomeKind.FAILED, State.FATAL),
    ],
)
@pytest.mark.parametrize("admitted", [False, True])
def test_reason_and_recording_decide_the_outcome(
    reason: Reason, heard: bool, kind: OutcomeKind, state: State, admitted: bool
) -> None:
    ending, last = ended(reason, admitted=admitted and kind is not OutcomeKind.NOT_ADMITTED)
    before = [RECORDED] if heard else []
    assert judge(before, ending, [last]) == JobOutcome(kind, state, reason, "detail")


def test_a_bot_that_was_in_the_call_but_might_not_record_is_done_without_a_recording() -> None:
    ending, last = ended(Reason.RECORDING_DENIED, admitted=True)
    assert judge([], ending, [last]) == JobOutcome(
        OutcomeKind.NOT_RECORDED, State.DONE, Reason.RECORDING_DENIED, "detail"
    )


def test_a_bot_whose_last_attempt_was_refused_was_not_admitted() -> None:
    _, first = ended(Reason.PAGE_HUNG, admitted=True)
    ending, last = ended(Reason.DENIED_BY_HOST)
    assert judge([], ending, [first, last]).kind is OutcomeKind.NOT_ADMITTED
    _, first = ended(Reason.PAGE_HUNG)
    ending, last = ended(Reason.RECORDING_DENIED, admitted=True)
    assert judge([], ending, [first, last]).kind is OutcomeKind.NOT_RECORDED


def test_an_error_fails_the_job_for_every_reason() -> None:
    ending, last = ended(Reason.MEETING_ENDED, EIO, admitted=True)
    for before in ([], [RECORDED]):
        assert judge(before, ending, [last]) == JobOutcome(
            OutcomeKind.FAILED, State.FATAL, Reason.TAPE_FAILED, str(EIO)
        )


def test_only_the_last_attempts_error_counts() -> None:
    _, first = ended(Reason.PAGE_HUNG, EIO)
    ending, last = ended(Reason.MEETING_ENDED)
    assert judge([RECORDED], ending, [first, last]).kind is OutcomeKind.RECORDED


@pytest.mark.parametrize(
    ("named", "reason", "kind"),
    [
        ("meeting_ended", Reason.MEETING_ENDED, OutcomeKind.RECORDED),
        ("disk_full", Reason.DISK_FULL, OutcomeKind.FAILED),
        ("a reason of a later version", Reason.WORKER_LOST, OutcomeKind.RECORDED),
    ],
)
def test_a_job_that_was_not_attempted_again_ended_as_its_last_recording(
    named: str, reason: Reason, kind: OutcomeKind
) -> None:
    earlier = [recorded(1, 0.0, 10.0, reason="page_hung"), recorded(2, 12.0, 10.0, reason=named)]
    outcome = judge(earlier, None, [])
    assert (outcome.kind, outcome.reason) == (kind, reason)
    assert outcome.detail == earlier[-1].manifest.recording.ended_detail


@pytest.mark.parametrize("before", [[], [RECORDED]])
def test_a_bot_that_was_too_late_to_join_failed(before: list[RecordedAttempt]) -> None:
    ending = Ending(Reason.TOO_LATE, "4000 s after it was due, 3600 s are allowed", AT)
    outcome = judge(before, ending, [])
    assert outcome == JobOutcome(OutcomeKind.FAILED, State.FATAL, Reason.TOO_LATE, ending.detail)


def test_giving_up_is_a_failure() -> None:
    assert given_up() == JobOutcome(
        OutcomeKind.FAILED,
        State.FATAL,
        Reason.TOO_MANY_ATTEMPTS,
        "the job's worker was lost each time",
    )


def caused_by(cause: BaseException) -> TapeWriteError:
    error = TapeWriteError("tape: cannot write")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_error_reason_finds_a_full_disk_behind_other_errors(number: int) -> None:
    full = OSError(number, "full")
    for error in (full, caused_by(full), caused_by(caused_by(full))):
        for reason in (Reason.MEETING_ENDED, Reason.TAPE_FAILED, Reason.BROWSER_DIED):
            assert error_reason(error, reason) is Reason.DISK_FULL


@pytest.mark.parametrize("error", [EIO, caused_by(EIO), ValueError("28"), caused_by(ValueError("28"))])
def test_error_reason_is_why_the_recording_was_cut_off_or_else_that_the_tape_failed(
    error: Exception,
) -> None:
    assert error_reason(error, Reason.BROWSER_DIED) is Reason.BROWSER_DIED
    assert error_reason(error, Reason.TAPE_FAILED) is Reason.TAPE_FAILED
    assert error_reason(error, Reason.MEETING_ENDED) is Reason.TAPE_FAILED


def test_a_result_without_a_recording_has_the_tapes_counters_only() -> None:
    assert msgspec.to_builtins(result_of(OutcomeKind.NOT_ADMITTED, Reason.DENIED_BY_HOST)) == {
        "event": "bot.result",
        "bot_id": "bot-1",
        "vendor": "meetstream",
        "outcome": "not_admitted",
        "state": "fatal",
        "reason": "denied_by_host",
        "detail": "detail",
        "bot_status": "Denied",
        "status_code": 500,
        "code": "done",
        "sub_code": None,
        "message": "Somebody in the meeting denied the bot's request to join",
        "attempt": 4,
        "sequence": 4009,
        "idempotency_key": "bot-1-result",
        "updated_at": "2026-09-21T14:13:20.250Z",
        "started_at": None,
        "duration_seconds": 0.0,
        "audio_streams": None,
        "files": [{"key": "bots/bot-1/a.webm", "size": 3}],
        "speakers": [],
        "counters": {"tape_bytes": 10.0, "tape_parts": 2.0, "attempts": 4.0},
        "warnings": [],
        "ignored": ["video_required"],
        "custom_attributes": {"order": "7"},
        "announcement": None,
    }


def test_a_result_with_a_recording_takes_times_totals_and_warnings_from_its_manifest() -> None:
    whole = recorded(1, 0.5, 10.0, someone(1, "Ada Lovelace", (1.0, 2.0))).manifest
    manifest = msgspec.structs.replace(
        whole, recording=msgspec.structs.replace(whole.recording, warnings=["the mix is missing"])
    )
    result = result_of(OutcomeKind.RECORDED, manifest=manifest)
    assert (result.outcome, result.state, result.status_code) == ("recorded", "done", 200)
    assert (result.started_at, result.duration_seconds) == ("2026-11-21T09:30:00.500Z", 10.0)
    assert result.audio_streams == "bots/bot-1/audio_streams.json"
    assert result.warnings == ["the mix is missing"]
    assert result.speakers == speaker_totals(manifest)
    assert result.counters == {
        "tape_bytes": 10.0,
        "tape_parts": 2.0,
        "attempts": 4.0,
        **packet_counters(manifest),
    }


TOLD = Announcement(written_at="2026-11-26T08:00:00.000Z")
TOLD_LATER = Announcement(written_at="2026-11-26T09:00:00.000Z")
NO_CHAT = Announcement(written_at=None, failure="no_chat")
LEFT = Announcement(written_at=None, failure="left_before")
NEVER = Announcement(written_at=None, failure="recording_never_began")
UNKNOWN = Announcement(written_at=None, failure="unknown")
ANNOUNCING = msgspec.structs.replace(JOB, announcement="I record this.")


def recorded_with(announcement: Announcement | None) -> RecordedAttempt:
    attempt = recorded(1, 0.0, 10.0)
    recording = msgspec.structs.replace(
        attempt.manifest.recording, announcement=announcement or msgspec.UNSET
    )
    return attempt._replace(manifest=msgspec.structs.replace(attempt.manifest, recording=recording))


@pytest.mark.parametrize(
    ("earlier", "own", "announced_at", "expected"),
    [
        ([TOLD], [], None, TOLD),
        ([TOLD], [TOLD_LATER], None, TOLD),
        ([NO_CHAT], [TOLD], None, TOLD),
        ([TOLD], [NO_CHAT], None, TOLD),
        ([NO_CHAT], [LEFT], None, LEFT),
        ([NO_CHAT], [None], None, NO_CHAT),
        ([None], [], None, UNKNOWN),
        ([], [], None, NEVER),
        ([], [NEVER], None, NEVER),
        ([None], [], TOLD.written_at, TOLD),
        ([NO_CHAT], [], TOLD.written_at, TOLD),
        ([TOLD_LATER], [], TOLD.written_at, TOLD_LATER),
    ],
)
def test_an_announcement_in_one_attempt_counts_for_all(
    earlier: Sequence[Announcement | None],
    own: Sequence[Announcement | None],
    announced_at: str | None,
    expected: Announcement,
) -> None:
    before = [recorded_with(each) for each in earlier]
    outcomes = [
        RecordingOutcome(Ending(Reason.REMOVED, "", AT), True, None, None, None, None, None, each)
        for each in own
    ]
    assert announcement_of(ANNOUNCING, before, outcomes, announced_at) == expected
    assert announcement_of(JOB, before, outcomes, announced_at) is None


@pytest.mark.parametrize(
    ("announcement", "warnings"),
    [
        (None, []),
        (TOLD, []),
        (NEVER, []),
        (NO_CHAT, ["The announcement was not written into the chat: the page offered no chat."]),
        (LEFT, ["The announcement was not written into the chat: the bot left the call before."]),
        (
            UNKNOWN,
            [
                "The announcement was not written into the chat: the worker was lost before it noted whether it did."
            ],
        ),
        (
            Announcement(written_at=None, failure="of a later version"),
            ["The announcement was not written into the chat: of a later version."],
        ),
    ],
)
def test_a_recording_that_was_not_announced_has_a_warning(
    announcement: Announcement | None, warnings: list[str]
) -> None:
    outcome = JobOutcome(OutcomeKind.RECORDED, State.DONE, Reason.REMOVED, "")
    result = make_result(
        JOB,
        outcome,
        RECORDED.manifest,
        files=[],
        tape_bytes=0,
        tape_parts=0,
        audio_streams=None,
        attempt=1,
        sequence=1,
        at=AT,
        announcement=announcement,
    )
    assert result.announcement == announcement
    assert result.warnings == [*RECORDED.manifest.recording.warnings, *warnings]


def test_a_results_detail_has_no_passcode() -> None:
    link = "https://teams.microsoft.com/meet/123?p=Xk7mQ2"
    job = parse_job(msgspec.json.encode({"bot_id": "bot-1", "meeting_link": link}), lambda: "other")
    error = OSError(f"no {link} but Xk7mQ2")
    outcome = judge([], *ended_with(error))
    result = make_result(
        job,
        outcome,
        None,
        files=[],
        tape_bytes=0,
        tape_parts=0,
        audio_streams=None,
        attempt=1,
        sequence=1,
        at=AT,
    )
    assert result.detail == "no https://teams.microsoft.com/meet/123?*** but xxxxxx"


def ended_with(error: Exception) -> tuple[Ending, Sequence[RecordingOutcome]]:
    ending, outcome = ended(Reason.TAPE_FAILED, error)
    return ending, [outcome]


def test_recordings_that_cannot_be_read_again_are_a_failure() -> None:
    """Their end was read from the tape, but recovery found nothing that it could render."""
    outcome = judge([], None, [])
    assert (outcome.kind, outcome.reason) == (OutcomeKind.FAILED, Reason.WORKER_LOST)


def test_a_live_stream_that_was_left_out_is_a_warning_that_repeats_no_value() -> None:
    endpoint = {"type": "webhook", "url": "https://x.example/", "metadata": {"order": "s3cret", "n": 7}}
    body = {"meeting_url": JOB.meeting_url, "recording_config": {"realtime_endpoints": [endpoint]}}
    (warning,) = endpoint_warnings(parse_job(msgspec.json.encode(body), lambda: "b1"), [])
    assert warning.startswith("A live stream was left out: recording_config.realtime_endpoints.0.metadata: ")
    assert "s3cret" not in warning
