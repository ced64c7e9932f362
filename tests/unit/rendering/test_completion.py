"""Each of a recording's files fails alone."""

from __future__ import annotations

import errno
import wave
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import av
import msgspec
import numpy as np
import pytest

from fixtures.replica.comparison.recording import read_stem
from fixtures.replica.voices import load_voice
from tests.support.tapes import STARTED_AT, Talker, feed_all, synthetic_tape
from tests.support.video_streams import encoded
from tests.support.video_tapes import ListedSources, batches, sent, use_sources, with_video
from worker.audio.mixer import Mixer, Sums
from worker.audio.wav import WavWriter
from worker.audio.webm import WebmWriter
from worker.manifest.meeting_log import MeetingCollector
from worker.manifest.schema import Manifest
from worker.platforms.registry import Platform
from worker.recording.recorder import Recorder
from worker.rendering import completion, mix_file
from worker.rendering.completion import Completion
from worker.rendering.deferred import DeferredRenderer
from worker.rendering.missing_video import MissingVideo
from worker.rendering.renderer import Renderer
from worker.rendering.replay import RenderingError, replay
from worker.rendering.video_recording import VideoRecording
from worker.stems import stem_file
from worker.stems.jitter_buffer import Packet
from worker.stems.placement import SlotPlacement
from worker.stems.speaker_track import SpeakerTrack, SpeechSink
from worker.tape.events import FrameBatch, RecordingEnded, VideoBatch, VideoRequested
from worker.tape.writer import TapeWriter
from worker.video.codecs import VideoCodec

TWO = [
    Talker(csrc=101, slot=0, turns=[(0.5, 14.0)], payloads=[p.payload for p in load_voice("aria").speech]),
    Talker(csrc=102, slot=1, turns=[(2.0, 13.0)], payloads=[p.payload for p in load_voice("bruno").speech]),
]
SECONDS = 15.0
FULL = OSError(errno.ENOSPC, "No space left on device", "/work/attempt/streams/x.webm")


def render(output: Path) -> tuple[Manifest, Exception | None]:
    deferred = DeferredRenderer(lambda platform: Renderer(output, platform))
    feed_all(deferred, synthetic_tape(TWO, SECONDS))
    return deferred.finish(), deferred.failure


def fails(error: Exception) -> Callable[..., NoReturn]:
    def fail(*_: object) -> NoReturn:
        raise error

    return fail


def files(output: Path) -> dict[str, bytes]:
    return {
        path.relative_to(output).as_posix(): path.read_bytes() for path in output.rglob("*") if path.is_file()
    }


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, bytes]:
    """All files of a rendering without a failure."""
    manifest, failure = render(tmp_path / "whole")
    assert failure is None
    assert manifest.recording.incomplete_files is msgspec.UNSET
    assert manifest.recording.warnings == []
    return files(tmp_path / "whole")


def written(output: Path) -> Manifest:
    return msgspec.json.decode((output / "audio_streams.json").read_bytes(), type=Manifest)


def check(
    output: Path, whole: dict[str, bytes], incomplete: list[str], warning: str, *, fails: bool = True
) -> tuple[Manifest, dict[str, bytes]]:
    """The rendering's files but for ``incomplete`` ones, manifest and timeline are as without a failure.

    ``fails``: these files are ones that make a recording.
    """
    manifest, failure = render(output)
    assert (failure is not None) == fails
    assert written(output) == manifest
    assert manifest.recording.incomplete_files == incomplete
    (said,) = manifest.recording.warnings
    assert said == warning
    assert "/work" not in said
    found = files(output)
    for name in whole.keys() - {"audio_streams.json", "timeline.html", *incomplete}:
        assert found[name] == whole[name], f"{name} is another one"
    return manifest, found


@pytest.mark.parametrize("error", [FULL, av.error.InvalidDataError(1, "no"), ValueError("no"), MemoryError()])
def test_a_stem_that_fails_is_silent_from_there(
    error: Exception, tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Breaking(WebmWriter):
        def __init__(self, path: Path) -> None:
            super().__init__(path)
            self._breaks = path.name == "source-1.webm"

        def write(self, position: int, samples: int, payload: bytes) -> None:
            if self._breaks and position >= 240_000:
                raise error
            super().write(position, samples, payload)

    monkeypatch.setattr(stem_file, "WebmWriter", Breaking)
    why = {OSError: "No space left on device", MemoryError: "MemoryError"}.get(type(error), "no")
    name = next(name for name in sorted(whole) if name.startswith("streams/Unknown_2"))
    manifest, _ = check(
        tmp_path / "out",
        whole,
        [name],
        f"The file of Unknown 2 ends at 5.0 s or before: it could not be written ({why}).",
    )
    assert len(manifest.participants) == 2
    (tmp_path / "before.webm").write_bytes(whole[name])
    before = read_stem(tmp_path / "before.webm")
    left = read_stem(tmp_path / "out" / name)
    assert left == before[: len(left)]
    assert left[-1].position < 240_000


def test_a_stem_that_cannot_be_closed_keeps_what_is_in_it(
    tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Breaking(WebmWriter):
        def __init__(self, path: Path) -> None:
            super().__init__(path)
            self._breaks = path.name == "source-0.webm"

        def close(self) -> None:
            super().close()
            if self._breaks:
                raise FULL

    monkeypatch.setattr(stem_file, "WebmWriter", Breaking)
    name = next(name for name in sorted(whole) if name.startswith("streams/Unknown_1"))
    _, found = check(
        tmp_path / "out",
        whole,
        [name],
        "The file of Unknown 1 may lack its end: it could not be completed (No space left on device).",
    )
    assert found[name] == whole[name]


def test_a_stem_that_cannot_be_created_is_named_in_no_stream(
    tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_file(path: Path) -> WebmWriter:
        if path.name == "source-0.webm":
            raise OSError(errno.EMFILE, "Too many open files")
        return WebmWriter(path)

    monkeypatch.setattr(stem_file, "WebmWriter", open_file)
    manifest, failure = render(tmp_path / "out")
    assert isinstance(failure, OSError)
    assert [len(person.streams) for person in manifest.participants] == [1]
    assert manifest.recording.incomplete_files == ["streams/source-0.webm"]
    assert manifest.recording.warnings == [
        "There is no file of Unknown 1: it could not be created (Too many open files)."
    ]
    found = files(tmp_path / "out")
    assert found["audio.wav"] == whole["audio.wav"]
    for _, segment in manifest.segments():
        assert segment.url in found


@pytest.mark.parametrize("error", [FULL, ValueError("no")])
def test_a_mix_that_fails_ends_there(
    error: Exception, tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Breaking(WavWriter):
        """Has no room at 2.0 s, and room again afterwards."""

        calls = 0

        def write(self, samples: Sums) -> None:
            self.calls += 1
            if self.calls == 3:
                raise error
            super().write(samples)

    monkeypatch.setattr(mix_file, "WavWriter", Breaking)
    why = "No space left on device" if error is FULL else "no"
    warning = f"The mixed audio ends at 2.0 s: it could not be written ({why})."
    manifest, found = check(tmp_path / "out", whole, ["audio.wav"], warning)
    assert manifest.recording.mixed_audio == "audio.wav"
    with wave.open(str(tmp_path / "out" / "audio.wav")) as mix:
        assert mix.getnframes() == 96_000
    assert found["audio.wav"][80:] == whole["audio.wav"][80 : 80 + 2 * 96_000]


def test_a_mix_that_cannot_be_closed_costs_neither_manifest_nor_names(
    tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []

    class Breaking(WavWriter):
        def close(self) -> None:
            super().close()
            seen.append(set(files(tmp_path / "out")))
            raise ValueError("a length that does not fit")

    monkeypatch.setattr(mix_file, "WavWriter", Breaking)
    warning = "The mixed audio ends at 15.0 s: it could not be written (a length that does not fit)."
    check(tmp_path / "out", whole, ["audio.wav"], warning)
    assert seen == [whole.keys() - {"timeline.html"}], "manifest and names come before the mix is closed"


def test_a_mix_that_cannot_be_created_is_left_out(
    tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mix_file, "WavWriter", fails(FULL))
    warning = "There is no mixed audio: it could not be created (No space left on device)."
    manifest, found = check(tmp_path / "out", whole, ["audio.wav"], warning)
    assert manifest.recording.mixed_audio is None
    assert "audio.wav" not in found


@pytest.mark.parametrize("error", [FULL, ValueError("no")])
def test_a_timeline_that_cannot_be_written_is_lost_alone(
    error: Exception, tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion, "timeline_html", fails(error))
    why = "No space left on device" if error is FULL else "no"
    warning = f"There is no timeline: it could not be written ({why})."
    _, found = check(tmp_path / "out", whole, ["timeline.html"], warning, fails=False)
    assert "timeline.html" not in found


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "Permission denied"), ValueError("null byte")])
def test_a_stem_that_cannot_be_renamed_is_listed_under_the_name_that_it_has(
    error: Exception, tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def refuse_one(self: Path, target: Path) -> Path:
        if self.name == "source-1.webm":
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse_one)
    manifest, failure = render(tmp_path / "out")
    assert failure is None
    assert manifest.recording.warnings != []
    found = files(tmp_path / "out")
    for _, segment in manifest.segments():
        assert segment.url in found
        assert segment.url == f"streams/{segment.filename}"
    assert {segment.filename for _, segment in manifest.segments()} >= {"source-1.webm"}
    assert found["audio.wav"] == whole["audio.wav"]


def test_a_manifest_that_cannot_be_written_costs_no_other_file(
    tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, content: bytes) -> None:
        if path.name == "audio_streams.json":
            raise FULL
        path.write_bytes(content)

    monkeypatch.setattr(completion, "replace_file", refuse)
    with pytest.raises(OSError, match="No space left"):
        render(tmp_path / "out")
    found = files(tmp_path / "out")
    assert found.keys() == whole.keys() - {"audio_streams.json"}
    for name in found:
        assert found[name] == whole[name]


@pytest.mark.parametrize("error", [FULL, ValueError("no"), MemoryError()])
def test_a_list_of_participants_that_cannot_be_written_costs_no_other_file(
    error: Exception, tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion, "encode_meeting", fails(error))
    why = {OSError: "No space left on device", MemoryError: "MemoryError"}.get(type(error), "no")
    warning = f"There is no list of participants and messages: it could not be written ({why})."
    _, found = check(tmp_path / "out", whole, ["meeting.json"], warning, fails=False)
    assert "meeting.json" not in found


@pytest.mark.parametrize("error", [FULL, ValueError("no"), MemoryError()])
def test_a_manifest_that_cannot_be_made_costs_no_other_file(
    error: Exception, tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion, "assemble_manifest", fails(error))
    with pytest.raises(type(error)):
        render(tmp_path / "out")
    found = files(tmp_path / "out")
    assert found["audio.wav"] == whole["audio.wav"]
    streams = [content for name, content in sorted(whole.items()) if name.startswith("streams/")]
    assert [found[f"streams/source-{number}.webm"] for number in range(2)] == streams


@pytest.mark.parametrize("error", [FULL, EOFError(), ValueError("no")])
def test_a_mix_that_cannot_be_completed_is_lost_alone(
    error: Exception, tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mixer, "close", fails(error))
    why = {OSError: "No space left on device", EOFError: "EOFError"}.get(type(error), "no")
    warning = f"The mixed audio may lack its end: it could not be completed ({why})."
    check(tmp_path / "out", whole, ["audio.wav"], warning)


@pytest.mark.parametrize("error", [ConnectionResetError(104, "reset"), RuntimeError("reset")])
def test_a_live_stream_that_fails_costs_neither_files_nor_other_streams(
    error: Exception, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    heard: list[int] = []

    class Failing:
        def speak(self, position: int, samples: int, payload: bytes) -> None:
            if position >= 240_000:
                raise error

        def conceal(self, position: int, samples: int) -> None:
            """Nothing is lost."""

    class Hearing(Failing):
        def speak(self, position: int, samples: int, payload: bytes) -> None:
            heard.append(position)

    class Sinks:
        def __init__(self, open_sink: Callable[[], SpeechSink]) -> None:
            self._open_sink = open_sink

        def open_source(self, source: int) -> SpeechSink:
            return self._open_sink() if source == 101 else Failing()

    deferred = DeferredRenderer(
        lambda platform: Renderer(tmp_path / "out", platform, sinks=[Sinks(Failing), Sinks(Hearing)])
    )
    feed_all(deferred, synthetic_tape(TWO, SECONDS))
    manifest = deferred.finish()
    assert deferred.failure is None, "the files are complete"
    assert manifest.recording.warnings == [
        *["A live stream of Unknown 1 ended early (reset)."],
        *["A live stream of Unknown 2 ended early (reset)."] * 2,
    ]
    assert len(heard) == 675
    found = files(tmp_path / "out")
    for name in whole.keys() - {"audio_streams.json", "timeline.html"}:
        assert found[name] == whole[name]


def test_a_live_stream_that_fails_at_a_loss_gets_nothing_more() -> None:
    class File:
        def write(self, position: int, samples: int, payload: bytes) -> None:
            """Any packet."""

        def be_silent(self, position: int, samples: int) -> None:
            """Any silence."""

    class Failing(File):
        spoken = 0

        def speak(self, position: int, samples: int, payload: bytes) -> None:
            self.spoken += 1

        def conceal(self, position: int, samples: int) -> None:
            raise ValueError("no")

    sink = Failing()
    track = SpeakerTrack(File(), [sink])
    track.speak(0, 960, b"speech")
    track.conceal(960)
    track.speak(1_920, 960, b"speech")
    assert (sink.spoken, len(track.failures)) == (1, 1)


def test_a_packet_that_cannot_be_placed_is_lost_alone(
    tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    place = SlotPlacement.place

    def break_one(self: SlotPlacement, packet: Packet) -> None:
        if packet.csrc == 102:
            raise IndexError("index out of range")
        place(self, packet)

    monkeypatch.setattr(SlotPlacement, "place", break_one)
    manifest, _ = render(tmp_path / "out")
    assert manifest.recording.warnings == ["550 packets were left out after internal errors."]
    assert len(caplog.records) == 1
    name = next(name for name in sorted(whole) if name.startswith("streams/Unknown_1"))
    assert files(tmp_path / "out")[name] == whole[name]


def write_tape(folder: Path) -> None:
    with TapeWriter(folder) as tape:
        for event in synthetic_tape(TWO, SECONDS):
            tape.write(
                event, event.frames[-1].arrival if isinstance(event, FrameBatch | VideoBatch) else event.at
            )


def test_replay_tells_which_error_cost_a_file(
    tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tape(tmp_path / "tape")
    monkeypatch.setattr(Mixer, "close", fails(FULL))
    replayed = replay(
        tmp_path / "tape", tmp_path / "out", lambda platform: Renderer(tmp_path / "out", platform)
    )
    assert replayed.failure is FULL
    assert replayed.manifest.recording.incomplete_files == ["audio.wav"]


@pytest.mark.parametrize("error", [av.error.InvalidDataError(1, "no"), IndexError("no"), MemoryError()])
def test_replay_raises_one_kind_of_error_for_all_of_a_renderers(error: Exception, tmp_path: Path) -> None:
    write_tape(tmp_path / "tape")

    class Breaking(Renderer):
        def finish(self) -> Manifest:
            raise error

    with pytest.raises(RenderingError, match=r"cannot be written: (no|MemoryError)$") as raised:
        replay(tmp_path / "tape", tmp_path / "out", lambda platform: Breaking(tmp_path / "out", platform))
    assert raised.value.__cause__ is error


@pytest.mark.parametrize(
    ("owner", "step", "incomplete", "is_error"),
    [
        (Mixer, "close", "audio.wav", True),
        (completion, "timeline_html", "timeline.html", False),
        (completion, "encode_meeting", "meeting.json", False),
    ],
)
def test_a_recorder_reports_an_incomplete_file_beside_the_manifest(
    owner: object,
    step: str,
    incomplete: str,
    is_error: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(owner, step, fails(FULL))
    now = 0.0
    recorder = Recorder(
        TapeWriter(tmp_path / "tape"),
        DeferredRenderer(lambda platform: Renderer(tmp_path / "out", platform)),
        lambda: now,
    )
    for event in synthetic_tape(TWO, SECONDS):
        now = event.frames[-1].arrival if isinstance(event, FrameBatch | VideoBatch) else event.at
        recorder.take(event)
        assert recorder.error is None
        if isinstance(event, RecordingEnded):
            break
    manifest = recorder.finish()
    assert manifest is not None
    assert manifest.recording.incomplete_files == [incomplete]
    assert recorder.error is (FULL if is_error else None)


ADDITIONS = [
    *((completion, step) for step in ("timeline_html", "encode_meeting")),
    *((MeetingCollector, step) for step in ("begin", "observe", "log")),
    *((MissingVideo, step) for step in ("observe", "take", "warnings")),
    *((VideoRecording, step) for step in ("observe", "take", "close", "name_files", "streams", "warnings")),
    (VideoRecording, "incomplete_files"),
    (Renderer, "_warnings"),
    (Completion, "_stem_failures"),
    (Completion, "_mix_failures"),
]
"""Steps of what repeats a recording or adds to it."""


@pytest.mark.parametrize("error", [FULL, ValueError("no")], ids=["full", "fault"])
@pytest.mark.parametrize(("owner", "step"), ADDITIONS, ids=[step for _, step in ADDITIONS])
def test_what_adds_to_a_recording_fails_alone(
    owner: object, step: str, error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_sources(monkeypatch, lambda: ListedSources({}))
    shown = sent(encoded(VideoCodec.VP8), VideoCodec.VP8, 11, begin=2.0)
    asked = VideoRequested(at=STARTED_AT - 20)
    heard = iter(synthetic_tape(TWO, SECONDS))
    events = list(with_video([next(heard), asked, *heard], batches(shown)))
    assert any(isinstance(event, VideoBatch) for event in events)

    def rendered(output: Path) -> tuple[Manifest, dict[str, bytes]]:
        renderer = DeferredRenderer(lambda platform: Renderer(output, platform))
        feed_all(renderer, events)
        manifest = renderer.finish()
        assert renderer.failure is None
        assert written(output) == manifest
        return manifest, files(output)

    manifest, whole = rendered(tmp_path / "whole")
    assert any(name.startswith("video/") for name in whole)
    monkeypatch.setattr(owner, step, fails(error))
    broken, found = rendered(tmp_path / "out")
    if step != "incomplete_files":
        assert set(broken.recording.warnings) - set(manifest.recording.warnings), "nothing says so"
    assert broken.participants == manifest.participants
    assert broken.recording.duration_seconds == manifest.recording.duration_seconds
    for name in whole:
        if name == "audio.wav" or name.startswith("streams/"):
            assert found[name] == whole[name], f"{name} is another one"
    lost = {"timeline_html": {"timeline.html"}, "encode_meeting": {"meeting.json"}, "log": {"meeting.json"}}
    additions = {"timeline.html", "meeting.json"} - lost.get(step, set())
    assert additions <= found.keys()


def test_a_platform_with_one_mix_fails_alone_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Breaking(WebmWriter):
        def write(self, position: int, samples: int, payload: bytes) -> None:
            if position >= 240_000:
                raise FULL
            super().write(position, samples, payload)

    monkeypatch.setattr(stem_file, "WebmWriter", Breaking)
    output = tmp_path / "out"
    one = Renderer(output, Platform.MICROSOFT_TEAMS)
    feed_all(one, synthetic_tape(TWO[:1], SECONDS))
    manifest = one.finish()
    assert isinstance(one.failure, OSError)
    assert manifest.recording.warnings == [
        "The file of Unknown 1 ends at 5.0 s or before: it could not be written (No space left on device)."
    ]
    with wave.open(str(output / "audio.wav")) as mix:
        samples = np.frombuffer(mix.readframes(mix.getnframes()), "<i2")
    assert len(samples) == SECONDS * 48_000
    assert samples[12 * 48_000 : 13 * 48_000].any()
