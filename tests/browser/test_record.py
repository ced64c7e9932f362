"""The command ``meetstems record`` in a real Chromium, against the replica."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from fixtures.replica.server import Replica
from tests.support.record_process import Command, assert_complete, contents, events_of, frames_in, meeting
from worker.cli import main as cli
from worker.tape.events import RecordingStarted, StateChanged, TapeEvent


def in_waiting_room(events: list[TapeEvent]) -> bool:
    return any(isinstance(event, StateChanged) and event.state == "waiting_room" for event in events)


def recording_speech(events: list[TapeEvent]) -> bool:
    return frames_in(events) > 50 and any(isinstance(event, RecordingStarted) for event in events)


async def test_a_meeting_is_recorded_to_its_end_and_replays_to_the_same_bytes(tmp_path: Path) -> None:
    output = tmp_path / "out"
    scenario = meeting(5, consent_modal=True, recording_notice=True)
    async with Replica(scenario, tmp_path / "truth.jsonl") as replica:
        command = await Command.record(replica, output, "--bot-name", "Note Taker")
        done = await command.finish()
        assert replica.bot_name == "Note Taker"
        assert await replica.wait_ended() == "host_ended"
    assert (done.exit_code, done.err) == (0, [])
    manifest = assert_complete(output)
    assert [person.participant_name for person in manifest.participants] == ["Ada Ray", "Ben Oak"]
    assert manifest.recording.bot_name == "Note Taker"
    assert manifest.recording.ended_reason == "meeting_ended"
    assert manifest.recording.complete
    assert 4.5 < manifest.recording.duration_seconds < 20
    for text in (
        "in the waiting room",
        "recording",
        "Ada Ray",
        "Ben Oak",
        "lobby to first packet",
        "CPU, Chromium",
    ):
        assert text in done.out

    assert cli.main(["replay", str(output / "tape"), "--output", str(tmp_path / "again")]) == 0
    assert contents(tmp_path / "again") == contents(output)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_the_recording_in_order(tmp_path: Path, number: signal.Signals) -> None:
    async with Replica(meeting(60), tmp_path / "truth.jsonl") as replica:
        command = await Command.record(replica, tmp_path / "out")
        await command.until_on_tape(recording_speech)
        command.process.send_signal(number)
        done = await command.finish()
        assert await replica.wait_ended() == "left"
    assert (done.exit_code, done.err) == (0, [])
    manifest = assert_complete(tmp_path / "out")
    assert (manifest.recording.ended_reason, manifest.recording.ended_detail) == ("interrupted", number.name)


async def test_a_signal_in_the_waiting_room_leaves_no_files(tmp_path: Path) -> None:
    async with Replica(meeting(60, lobby=60), tmp_path / "truth.jsonl") as replica:
        command = await Command.record(replica, tmp_path / "out")
        await command.until_on_tape(in_waiting_room)
        command.process.send_signal(signal.SIGINT)
        done = await command.finish()
    assert (done.exit_code, done.err) == (
        3,
        ["meetstems: not recorded: The bot was told to leave (interrupted: SIGINT)"],
    )
    assert contents(tmp_path / "out") == {}


async def test_a_killed_chromium_leaves_files_that_are_complete_up_to_the_kill(tmp_path: Path) -> None:
    async with Replica(meeting(60), tmp_path / "truth.jsonl") as replica:
        command = await Command.record(replica, tmp_path / "out")
        await command.until_on_tape(recording_speech)
        os.kill(command.chromium(), signal.SIGKILL)
        done = await command.finish()
    assert done.exit_code == 1
    assert len(done.err) == 1
    assert done.err[0].startswith(
        "meetstems: browser_died: Chromium ended unexpectedly; the files are complete up to 0:0"
    )
    manifest = assert_complete(tmp_path / "out")
    assert manifest.recording.ended_reason == "browser_died"
    assert manifest.participants[0].participant_name == "Ada Ray"
    assert manifest.participants[0].streams[0].segments[0].packets.received > 20


async def test_a_killed_worker_leaves_a_tape_with_all_frames(tmp_path: Path) -> None:
    async with Replica(meeting(60), tmp_path / "truth.jsonl") as replica:
        command = await Command.record(replica, tmp_path / "out")
        await command.until_on_tape(recording_speech)
        command.process.kill()
        await command.finish()
    assert cli.main(["replay", str(tmp_path / "out" / "tape"), "--output", str(tmp_path / "again")]) == 0
    manifest = assert_complete(tmp_path / "again")
    assert not manifest.recording.complete
    received = sum(person.streams[0].segments[0].packets.received for person in manifest.participants)
    assert received == frames_in(events_of(tmp_path / "out"))


async def test_a_bot_that_is_denied_leaves_and_exits_with_3(tmp_path: Path) -> None:
    async with Replica(meeting(60, lobby=60), tmp_path / "truth.jsonl") as replica:
        command = await Command.record(replica, tmp_path / "out")
        await command.until_on_tape(in_waiting_room)
        replica.deny()
        done = await command.finish()
    assert done.exit_code == 3
    assert len(done.err) == 1
    assert done.err[0].startswith(
        "meetstems: not recorded: Somebody in the meeting denied the bot's request to join (denied_by_host: "
    )
    assert set(contents(tmp_path / "out")) == {"failure/page.html", "failure/screenshot.png"}


async def test_a_bot_that_is_removed_finishes_its_files(tmp_path: Path) -> None:
    async with Replica(meeting(60), tmp_path / "truth.jsonl") as replica:
        command = await Command.record(replica, tmp_path / "out")
        await command.until_on_tape(recording_speech)
        replica.remove_bot()
        done = await command.finish()
    assert (done.exit_code, done.err) == (0, [])
    assert assert_complete(tmp_path / "out").recording.ended_reason == "removed"


async def test_a_call_that_does_not_exist_exits_with_3(tmp_path: Path) -> None:
    async with Replica(meeting(60), tmp_path / "truth.jsonl") as replica:
        command = await Command.record(replica, tmp_path / "out", url="https://meet.google.com/zzz-zzzz-zzz")
        done = await command.finish()
    assert done.exit_code == 3
    assert done.err[0].startswith("meetstems: not recorded: There is no such meeting (meeting_not_found: ")


async def test_max_duration_ends_the_recording(tmp_path: Path) -> None:
    async with Replica(meeting(60), tmp_path / "truth.jsonl") as replica:
        command = await Command.record(replica, tmp_path / "out", "--max-duration", "2.5")
        done = await command.finish()
        assert await replica.wait_ended() == "left"
    assert (done.exit_code, done.err) == (0, [])
    recording = assert_complete(tmp_path / "out").recording
    assert recording.ended_reason == "max_duration"
    assert 2.4 < recording.duration_seconds < 20
