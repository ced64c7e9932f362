"""Faults during a recording, and the files that remain."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest

from fixtures.replica.meet.media import MeetingMedia
from fixtures.replica.server import Replica
from tests.support.record_process import (
    assert_complete,
    contents,
    events_of,
    frames_in,
    meeting,
    settings_for,
)
from worker.lifecycle import broken_capture
from worker.platforms.links import parse_link
from worker.platforms.registry import Platform
from worker.reasons import Reason
from worker.recording.observer import RecordingObserver
from worker.recording.outcome import RecordingOutcome, RecordingRequest
from worker.recording.session import record
from worker.rendering.deferred import OpenRenderer
from worker.rendering.progress import Progress
from worker.rendering.renderer import Renderer
from worker.rendering.replay import replay
from worker.states import State
from worker.tape.events import FrameBatch, RecordingEnded, StateChanged, TapeEvent
from worker.tape.writer import TapeWriter


class StateObserver(RecordingObserver):
    """Keeps the states, and notices when packets have arrived."""

    interval = 0.1

    def __init__(self) -> None:
        self.states: list[str] = []
        self.updates = 0
        self.packets_arrived = asyncio.Event()

    def state(self, state: State, reason: Reason | None = None) -> None:
        self.states.append(state)

    def update(self, progress: Progress) -> None:
        self.updates += 1
        if sum(speaker.packets_received for speaker in progress.speakers) > 20:
            self.packets_arrived.set()


async def recorded(
    replica: Replica, output: Path, observer: StateObserver, open_renderer: OpenRenderer | None = None
) -> RecordingOutcome:
    request = RecordingRequest("bot-1", parse_link(replica.meeting_url), output, "Notes")
    return await record(
        request,
        settings_for(replica),
        observer,
        open_renderer or (lambda platform: Renderer(output, platform)),
    )


class FailingRenderer(Renderer):
    """Fails as on a full disk after some batches."""

    def __init__(self, output: Path, platform: Platform, batches: int) -> None:
        super().__init__(output, platform)
        self._left = batches

    def feed(self, event: TapeEvent, logged: float) -> None:
        self._left -= isinstance(event, FrameBatch)
        if self._left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().feed(event, logged)


async def test_when_the_files_fail_the_tape_continues_and_can_be_replayed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    output = tmp_path / "out"
    async with Replica(meeting(4), tmp_path / "truth.jsonl") as replica:
        outcome = await recorded(
            replica, output, StateObserver(), lambda platform: FailingRenderer(output, platform, 5)
        )
    assert outcome.failed
    assert outcome.manifest is None
    assert isinstance(outcome.error, OSError)
    assert (
        "the files cannot be written: [Errno 28] No space left on device; the tape continues"
        in caplog.messages
    )
    assert not (output / "audio_streams.json").exists()

    replayed = replay(
        output / "tape", tmp_path / "again", lambda platform: Renderer(tmp_path / "again", platform)
    )
    assert replayed.warnings == []
    manifest = assert_complete(tmp_path / "again")
    assert manifest.recording.ended_reason == "meeting_ended"
    assert [person.participant_name for person in manifest.participants] == ["Ada Ray", "Ben Oak"]


async def test_when_the_tape_fails_the_recording_stops_and_finishes_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = TapeWriter._append
    batches = 0

    def fail_after_a_while(
        self: TapeWriter, topic: str, data: bytes, logged_at: float, *, gives_way: bool
    ) -> None:
        nonlocal batches
        batches += topic == "frames"
        if batches > 10:
            raise self._failed(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        append(self, topic, data, logged_at, gives_way=gives_way)

    monkeypatch.setattr(TapeWriter, "_append", fail_after_a_while)
    output, observer = tmp_path / "out", StateObserver()
    async with Replica(meeting(60), tmp_path / "truth.jsonl") as replica:
        outcome = await recorded(replica, output, observer)
        assert await replica.wait_ended() == "left"
    assert outcome.failed
    assert outcome.ending.reason == "tape_failed"
    assert str(outcome.error) == f"tape {output / 'tape'}: cannot write: No space left on device"
    assert observer.states[-2:] == ["leaving", "fatal"]
    manifest = assert_complete(output)
    assert manifest.recording.ended_reason == "tape_failed"
    received = sum(person.streams[0].segments[0].packets.received for person in manifest.participants)
    assert received == frames_in(events_of(output))


async def test_a_crashed_page_ends_the_recording_as_browser_died(tmp_path: Path) -> None:
    output, observer = tmp_path / "out", StateObserver()
    async with Replica(meeting(60), tmp_path / "truth.jsonl") as replica:
        recording = asyncio.create_task(recorded(replica, output, observer))
        await asyncio.wait_for(observer.packets_arrived.wait(), 30)
        crash_renderers()
        outcome = await recording
    assert outcome.failed
    assert outcome.ending.reason == "browser_died"
    assert assert_complete(output).recording.ended_reason == "browser_died"


async def test_a_lost_connection_ends_the_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output, observer = tmp_path / "out", StateObserver()
    monkeypatch.setattr(broken_capture, "DISCONNECTED_TIMEOUT", 1.0)
    truth = tmp_path / "truth.jsonl"
    media = MeetingMedia(meeting(60), truth)
    async with Replica(meeting(60), truth, media=media) as replica:
        recording = asyncio.create_task(recorded(replica, output, observer))
        await asyncio.wait_for(observer.packets_arrived.wait(), 30)
        await media.disconnect()
        outcome = await recording
        assert await replica.wait_ended() == "left"
    assert outcome.failed
    assert assert_complete(output).recording.ended_reason == "connection_lost"


def crash_renderers() -> None:
    """Kills Chromium's renderer processes, but not the browser itself."""
    import psutil

    for process in psutil.Process().children(recursive=True):
        if "--type=renderer" in process.cmdline():
            process.kill()


async def test_states_and_the_end_are_on_the_tape(tmp_path: Path) -> None:
    output, observer = tmp_path / "out", StateObserver()
    async with Replica(meeting(2, lobby=2.0), tmp_path / "truth.jsonl") as replica:
        outcome = await recorded(replica, output, observer)
    events = events_of(output)
    states = [event.state for event in events if isinstance(event, StateChanged)]
    assert states == [
        "joining",
        "waiting_room",
        "in_call_not_recording",
        "in_call_recording",
        "leaving",
        "done",
    ]
    assert observer.states == ["starting", *states]
    assert observer.updates > 5
    ends = [event for event in events if isinstance(event, RecordingEnded)]
    assert [(end.reason, end.at) for end in ends] == [("meeting_ended", outcome.ending.at)]
    assert outcome.first_packet_after is not None
    assert outcome.files_closed_after is not None
    assert 0 <= outcome.files_closed_after < 20
    assert outcome.cost is not None
    assert outcome.cost.chromium > 0


async def test_an_output_folder_that_is_not_empty_is_refused_before_joining(tmp_path: Path) -> None:
    from worker.rendering.output import OutputError

    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "audio.wav").write_text("precious")
    observer = StateObserver()
    async with Replica(meeting(60), tmp_path / "truth.jsonl") as replica:
        with pytest.raises(OutputError, match="is not empty"):
            await recorded(replica, tmp_path / "out", observer)
    assert observer.states == []
    assert contents(tmp_path / "out") == {"audio.wav": b"precious"}
