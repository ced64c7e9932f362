from __future__ import annotations

import msgspec
import pytest

from tests.support.job_parts import job
from tests.support.sample_manifests import meeting, recorded, someone
from worker.contracts.job import MAX_ATTRIBUTES_BYTES
from worker.contracts.status import (
    LARGEST_EVENT,
    MOST_CHANGES,
    BotStatus,
    OutcomeKind,
    Result,
    ResultFile,
    audio_event,
    bot_status,
    delayed_event,
    invalid_job_event,
    packet_counters,
    result_event,
    speaker_totals,
    state_event,
    with_change,
)
from worker.contracts.streams_document import mixed_only, streams_document
from worker.contracts.vendor_words import words
from worker.delivery.queue_text import ascii_json
from worker.jobs.job_outcome import JobOutcome, make_result
from worker.manifest.merge import merge_attempts
from worker.manifest.schema import Manifest
from worker.platforms.registry import Platform
from worker.reasons import Reason
from worker.states import State

AT = 1_790_000_000.25


def status(
    state: State = State.IN_CALL_RECORDING, reason: Reason | None = None, **changes: object
) -> BotStatus:
    made = bot_status(job(), state, reason, words(state, reason, Platform.GOOGLE_MEET), 2, 2003, AT)
    return msgspec.structs.replace(made, **changes)


def test_a_delayed_job_is_reported_with_the_time_of_its_next_try() -> None:
    event = delayed_event(job(custom_attributes={"order": "7"}), "no Chromium", 60.0, "m-1-2", AT)
    assert event == {
        "event": "bot.delayed",
        "bot_id": "bot-1",
        "message": "The bot cannot be run now and is tried again: no Chromium",
        "retry_at": "2026-09-21T14:14:20.250Z",
        "attempt": 0,
        "sequence": 0,
        "idempotency_key": "bot-1-delayed-m-1-2",
        "updated_at": "2026-09-21T14:13:20.250Z",
        "timestamp": "2026-09-21T14:13:20.250Z",
        "custom_attributes": {"order": "7"},
    }


@pytest.mark.parametrize(
    ("why", "secret"),
    [
        ("cannot load https://user:Pa55word@proxy.example:3128/", "Pa55word"),
        ("GET https://s3.example/b/k?X-Amz-Signature=abcdef0123456789&X-Amz-Date=1", "abcdef0123456789"),
        ("Authorization: Bearer abc123def456", "abc123def456"),
        ("credentials AKIAABCDEFGHIJKLMNOP are wrong", "AKIAABCDEFGHIJKLMNOP"),
    ],
)
def test_a_delay_is_explained_without_secrets_on_one_line(why: str, secret: str) -> None:
    message = delayed_event(job(), f"line one\n{why}\x1b[31m" + "x" * 9000, 60.0, "m-1", AT)["message"]
    assert secret not in message
    assert "\n" not in message
    assert "\x1b" not in message
    assert len(message) < 600


def test_a_state_event_has_both_vendors_names_and_a_sequence_number() -> None:
    event = state_event(status(State.LEAVING, Reason.MEETING_ENDED), "bot.leaving", {"order": "7"})
    assert event == {
        "event": "bot.leaving",
        "bot_id": "bot-1",
        "bot_status": "Leaving",
        "message": "The meeting has ended",
        "status_code": 200,
        "code": "call_ended",
        "sub_code": "call_ended_by_host",
        "state": "leaving",
        "reason": "meeting_ended",
        "attempt": 2,
        "sequence": 2003,
        "idempotency_key": "bot-1-2003",
        "updated_at": "2026-09-21T14:13:20.250Z",
        "timestamp": "2026-09-21T14:13:20.250Z",
        "custom_attributes": {"order": "7"},
    }


def test_audio_processed_has_meetstreams_fields() -> None:
    event = audio_event(status(), {})
    assert {name: event[name] for name in ("event", "status", "audio_status", "status_code")} == {
        "event": "audio.processed",
        "status": "success",
        "audio_status": "Success",
        "status_code": 200,
    }


def test_the_event_of_an_invalid_job_has_the_error_as_its_message() -> None:
    event = invalid_job_event(
        "abc", None, words(State.FATAL, Reason.INVALID_JOB, None), "job: bot_name: 7; expected text", AT
    )
    assert event["idempotency_key"] == "invalid-abc"
    assert event["message"] == "job: bot_name: 7; expected text"
    assert event["bot_status"] == "Error"


def test_speaker_totals_add_up_all_segments() -> None:
    merged = merge_attempts(
        [
            recorded(1, 0.0, 10.0, someone(1, "Ada Lovelace", (1.0, 2.0))),
            recorded(2, 12.0, 10.0, someone(1, "Ada Lovelace", (3.0, 5.0))),
        ]
    )
    (ada,) = speaker_totals(merged)
    assert (ada.speech_seconds, ada.segments, ada.packets.received) == (3.0, 2, 150)
    assert packet_counters(merged)["packets_received"] == 150.0


def result(manifest: Manifest | None, files: int = 1, **fields: object) -> Result:
    return make_result(
        job(**fields),
        JobOutcome(OutcomeKind.RECORDED, State.DONE, Reason.MEETING_ENDED, "The host ended the meeting."),
        manifest,
        files=[ResultFile(key=f"bots/bot-1/{number:060d}", size=1) for number in range(files)],
        tape_bytes=10,
        tape_parts=2,
        audio_streams=None,
        attempt=1,
        sequence=1009,
        at=AT,
    )


def test_result_event_of_a_long_result_leaves_out_its_files_first() -> None:
    short = result_event(result(meeting(3, 60.0)))
    assert "shortened" not in short
    assert msgspec.convert(short, Result).outcome == "recorded"
    long = result_event(result(meeting(3, 60.0), files=5000))
    assert len(msgspec.json.encode(long)) <= LARGEST_EVENT
    assert (long["files"], len(long["speakers"]), long["shortened"]) == ([], 3, True)


def test_result_event_of_names_beyond_ascii_is_short_enough_as_it_is_sent() -> None:
    attributes = {"note": "🎙" * (MAX_ATTRIBUTES_BYTES // 12 - 10)}
    long = result_event(result(meeting(3, 60.0), files=1800, custom_attributes=attributes))
    assert len(msgspec.json.encode(long)) <= len(ascii_json(long)) <= LARGEST_EVENT
    short = result(meeting(3, 60.0))
    for changes in ({"detail": "字" * 50_000}, {"warnings": ["é" * 80_000]}, {"detail": "字" * 100_000}):
        value = msgspec.structs.replace(short, **changes)
        event = result_event(value)
        assert len(ascii_json(event)) <= LARGEST_EVENT
        assert event["outcome"] == "recorded"
        assert event["shortened"] is True


def presign(url: str, filename: str) -> str:
    return f"https://bucket/{url}?as={filename}&X-Amz-Signature=1"


def test_streams_document_before_success_is_in_progress() -> None:
    document = streams_document(status(), meeting(2, 60.0), presign)
    assert document["audio_status"] == "in_progress"
    assert set(document) == {"bot_id", "audio_status", "message"}


def test_streams_document_on_success_has_fresh_urls() -> None:
    document = streams_document(
        status(State.DONE, Reason.MEETING_ENDED, audio_status="Success"), meeting(2, 60.0), presign
    )
    assert document["audio_streams_available"]
    (segment,) = document["participants"][0]["streams"][0]["segments"]
    assert segment["url"] == presign(f"streams/{segment['filename']}", segment["filename"])
    assert segment["codec"] == "opus"


def test_streams_document_of_a_job_without_separate_files_has_no_participants() -> None:
    full = meeting(2, 60.0)
    document = streams_document(
        status(State.DONE, Reason.MEETING_ENDED, audio_status="Success"), mixed_only(full), presign
    )
    assert msgspec.convert(document["recording"], type(full.recording)) == full.recording
    del document["recording"]
    assert document == {
        "bot_id": full.bot_id,
        "audio_status": "Success",
        "audio_streams_available": False,
        "message": "No per-participant audio streams available for this bot.",
        "participants": [],
        "summary": {"total_participants": 0, "total_segments": 0},
    }


def test_streams_document_without_speech_says_why_there_are_no_streams() -> None:
    silent = streams_document(
        status(State.DONE, audio_status="Success"), merge_attempts([recorded(1, 0.0, 10.0)]), presign
    )
    assert silent["audio_streams_available"] is False
    assert "message" in silent
    refused = streams_document(
        status(State.FATAL, Reason.DENIED_BY_HOST, audio_status="Success"), None, presign
    )
    assert (refused["audio_streams_available"], refused["participants"]) == (False, [])
    assert "denied the bot's request" in refused["message"]


def test_a_long_history_keeps_its_first_and_its_last_states() -> None:
    changed = status()
    for number in range(3 * MOST_CHANGES):
        changed = with_change(status(updated_at=f"{number:04d}"), changed.history)
    numbers = [int(change.at) for change in changed.history]
    assert len(numbers) == MOST_CHANGES
    assert numbers[:100] == list(range(100))
    assert numbers[100:] == list(range(500, 600))
