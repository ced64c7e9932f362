from __future__ import annotations

import asyncio
import errno
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from tests.support.event_sinks import ListSink
from tests.support.job_parts import context_with
from tests.support.memory_store import MemoryStore
from tests.support.tapes import Talker, synthetic_tape
from worker.audio.mixer import Sums
from worker.audio.wav import WavWriter
from worker.delivery.bucket_layout import bot_keys
from worker.delivery.tape_upload import TapeUpload
from worker.jobs.attempt import AttemptPlan, _render_again, run_attempt
from worker.jobs.second_try import replay_twice
from worker.lifecycle.ending import Ending
from worker.manifest.schema import Manifest
from worker.monitoring.logs import LogTail
from worker.platforms.links import parse_link
from worker.reasons import Reason
from worker.recording.outcome import RecordingOutcome, RecordingRequest
from worker.rendering import completion, mix_file
from worker.rendering.deferred import NothingRecordedError
from worker.rendering.renderer import Renderer
from worker.rendering.replay import RenderingError
from worker.tape.events import FrameBatch, RecordingEnded, TapeEvent, TapeStarted, VideoBatch
from worker.tape.writer import TapeWriter

SPEECH = [bytes([0xF8, number, 7]) * 20 for number in range(50)]
FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    with TapeWriter(tmp_path / "recording" / "tape") as writer:
        for event in synthetic_tape([Talker(csrc=1001, slot=0, turns=[(0.5, 11.0)], payloads=SPEECH)], 12.0):
            writer.write(
                event, event.frames[-1].arrival if isinstance(event, FrameBatch | VideoBatch) else event.at
            )
    return tmp_path / "recording" / "tape"


class NoReports:
    """Of an attempt in which nothing is reported."""

    def announced(self, at: float) -> None:
        raise NotImplementedError

    def paused(self, paused: bool) -> None:
        raise NotImplementedError

    def recording_began(self, at: float) -> None:
        raise NotImplementedError


def written(output: Path) -> Manifest:
    return msgspec.json.decode((output / "audio_streams.json").read_bytes(), type=Manifest)


def test_one_try_is_enough_without_a_failure(tape: Path, tmp_path: Path) -> None:
    replayed = replay_twice(tape, tmp_path / "out")
    assert replayed.failure is None
    assert replayed.manifest == written(tmp_path / "out")
    assert (tmp_path / "out" / "audio.wav").is_file()


class FullDisk(WavWriter):
    """No disk has room for a mix."""

    error: Exception = FULL

    def write(self, samples: Sums) -> None:
        raise self.error


def test_without_room_the_second_try_goes_without_the_mix_and_says_so(
    tape: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mix_file, "WavWriter", FullDisk)
    replayed = replay_twice(tape, tmp_path / "out")
    assert replayed.failure is FULL
    recording = replayed.manifest.recording
    assert recording.mixed_audio is None
    assert recording.incomplete_files == ["audio.wav"]
    assert recording.warnings == [
        "There is no mixed audio: it could not be written (No space left on device)."
    ]
    assert replayed.manifest == written(tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "audio_streams.json",
        "meeting.json",
        "streams",
        "timeline.html",
    }


def test_another_failure_of_the_mix_leaves_the_first_try(
    tape: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mix_file, "WavWriter", FullDisk)
    monkeypatch.setattr(FullDisk, "error", ValueError("no"))
    replayed = replay_twice(tape, tmp_path / "out")
    assert isinstance(replayed.failure, ValueError)
    assert (tmp_path / "out" / "audio.wav").is_file()


@pytest.mark.parametrize("error", [FULL, MemoryError(), IndexError("no"), AssertionError()])
def test_a_rendering_that_breaks_is_tried_again_without_the_mix(
    error: Exception, tape: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = Renderer.feed

    def fail_with_a_mix(self: Renderer, event: TapeEvent, logged: float) -> None:
        if isinstance(event, RecordingEnded) and self._mixer is not None:
            raise error
        feed(self, event, logged)

    monkeypatch.setattr(Renderer, "feed", fail_with_a_mix)
    replayed = replay_twice(tape, tmp_path / "out")
    assert isinstance(replayed.failure, RenderingError)
    assert replayed.manifest.recording.incomplete_files == ["audio.wav"]
    assert len(list((tmp_path / "out" / "streams").iterdir())) == 1


def test_both_tries_may_fail(tape: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise FULL

    monkeypatch.setattr(completion, "replace_file", fail)
    with pytest.raises(RenderingError, match="No space left on device"):
        replay_twice(tape, tmp_path / "out")
    assert _render_again(tape.parent, tmp_path / "files") is None


def test_a_tape_without_a_recording_is_tried_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with TapeWriter(tmp_path / "recording" / "tape") as writer:
        writer.write(next(e for e in synthetic_tape([], 1.0) if isinstance(e, TapeStarted)), 1.0)
    with pytest.raises(NothingRecordedError):
        replay_twice(tmp_path / "recording" / "tape", tmp_path / "out")
    assert not caplog.records
    assert _render_again(tmp_path / "recording", tmp_path / "files") is None


@pytest.mark.parametrize("error", [RuntimeError("no"), OSError("no")])
def test_an_attempt_without_files_is_no_error(
    error: Exception, tape: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tape is uploaded: where rendering again fails, the job goes on."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("worker.jobs.attempt.replay_twice", fail)
    (tape.parent / "audio.wav").write_bytes(b"takes room")
    assert _render_again(tape.parent, tmp_path / "files") is None
    assert [path.name for path in tape.parent.iterdir()] == ["tape"]


async def test_an_attempt_whose_files_are_incomplete_is_rendered_again(
    tape: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replayed = replay_twice(tape, tmp_path / "whole")
    recording = msgspec.structs.replace(replayed.manifest.recording, incomplete_files=["audio.wav"])
    cut = msgspec.structs.replace(replayed.manifest, recording=recording)
    ending = Ending(Reason.MEETING_ENDED, "", 5.0)
    outcome = RecordingOutcome(ending, True, cut, FULL, None, None, None)

    async def attended(*_: object) -> RecordingOutcome:
        return outcome

    monkeypatch.setattr("worker.jobs.attempt.attend", attended)
    keys = bot_keys("", "bot-1").attempt(1)
    link = parse_link("https://meet.google.com/abc-defg-hij")
    request = RecordingRequest("bot-1", link, tape.parent, "Notes")
    stopped: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
    with closing(TapeUpload(MemoryStore(), keys)) as upload:
        plan = AttemptPlan(1, keys, request, LogTail())
        attempt = await run_attempt(
            plan, upload, context_with(ListSink()), lambda *_: None, NoReports(), stopped
        )
    assert attempt.manifest == replayed.manifest
    assert (attempt.files / "audio.wav").read_bytes() == (tmp_path / "whole" / "audio.wav").read_bytes()
    assert attempt.outcome.error is FULL
