"""What is missing on a tape, or never came from the page, is in the manifest, apart from the network's losses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import pytest

from fixtures.replica.voices import load_voice
from tests.support.tapes import STARTED_AT, Talker, synthetic_tape, with_log_times
from worker.manifest.merge import RecordedAttempt, merge_attempts
from worker.manifest.recording_facts import SessionFacts
from worker.manifest.schema import Holes, Manifest, Recording
from worker.rendering.deferred import HELD_SECONDS, DeferredRenderer
from worker.rendering.renderer import Renderer
from worker.rendering.replay import replay
from worker.rendering.timeline.page import timeline_html
from worker.tape.events import (
    AudioPathSeen,
    FrameBatch,
    PageDropped,
    PageEvent,
    PageFault,
    RecordingEnded,
    RecordingStarted,
    TapDeaf,
    TapeEvent,
    VideoRoomChanged,
    WorkerEvent,
)
from worker.tape.reader import TapeDamage
from worker.tape.writer import TapeWriter

NO_HOLES = msgspec.UNSET


def events() -> list[TapeEvent]:
    payloads = [packet.payload for packet in load_voice("aria").speech]
    return list(synthetic_tape([Talker(csrc=7, slot=0, turns=[(0.5, 18.0)], payloads=payloads)], 20.0))


def batches() -> list[FrameBatch]:
    return [event for event in events() if isinstance(event, FrameBatch)]


def written(folder: Path, taken: Iterable[TapeEvent]) -> Path:
    with TapeWriter(folder / "tape", part_seconds=4.0) as tape:
        for event, logged in with_log_times(taken):
            tape.write(event, logged)
    return folder / "tape"


def replayed(tape: Path, output: Path) -> Manifest:
    return replay(tape, output, lambda platform: Renderer(output, platform, mix=False)).manifest


def rendered(tape: Path, output: Path) -> Recording:
    return replayed(tape, output).recording


def live(output: Path, taken: Iterable[TapeEvent]) -> Recording:
    renderer = DeferredRenderer(lambda platform: Renderer(output, platform, mix=False))
    for event, logged in with_log_times(taken):
        renderer.feed(event, logged)
    return renderer.finish().recording


def remove(part: Path) -> None:
    part.unlink()


def truncate(part: Path) -> None:
    part.write_bytes(part.read_bytes()[:-3000])


def flip(part: Path) -> None:
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 0xFF
    part.write_bytes(content)


def test_a_whole_tape_has_no_holes(tmp_path: Path) -> None:
    recording = rendered(written(tmp_path, events()), tmp_path / "files")
    assert (recording.complete, recording.holes, recording.warnings) == (True, NO_HOLES, [])


@pytest.mark.parametrize(
    ("damage", "text"),
    [(remove, "1 parts are missing, the first is part 2"), (truncate, "torn"), (flip, "damaged")],
)
def test_a_damaged_part_makes_the_recording_incomplete(
    damage: Callable[[Path], None], text: str, tmp_path: Path
) -> None:
    tape = written(tmp_path, events())
    damage(tape / "part-000002.mcap")
    recording = rendered(tape, tmp_path / "files")
    assert not recording.complete
    assert isinstance(recording.holes, Holes)
    assert recording.holes.tape_damages >= 1
    assert len([warning for warning in recording.warnings if text in warning]) == 1


def test_what_is_no_sound_leaves_the_recording_complete() -> None:
    facts = SessionFacts()
    facts.damage = [TapeDamage("part-000001.mcap: 1 messages cannot be read", sound=False)]
    assert facts.holes is None
    assert "The tape cannot be read in full: part-000001.mcap: 1 messages cannot be read." in facts.warnings()
    facts.damage.append(TapeDamage("part-000002.mcap: is damaged", sound=True))
    assert facts.holes == Holes(tape_damages=1)


@pytest.mark.parametrize("torn", [True, False])
def test_a_torn_end_is_no_hole(torn: bool, tmp_path: Path) -> None:
    tape = written(tmp_path, events()[:-1])
    last = sorted(tape.iterdir())[-1]
    if torn:
        last.write_bytes(last.read_bytes()[:-100])
    recording = rendered(tape, tmp_path / "files")
    assert (recording.complete, recording.holes) == (False, NO_HOLES)
    assert recording.warnings == ["The tape ends without an end of the recording: the recorder was cut off."]


def without(numbers: set[int]) -> list[TapeEvent]:
    return [event for event in events() if not (isinstance(event, FrameBatch) and event.sequence in numbers)]


@pytest.mark.parametrize(("numbers", "missing"), [({0}, 1), ({3, 4, 90}, 3), ({5}, 1)])
def test_missing_batches_are_reported_live_and_in_replay(
    numbers: set[int], missing: int, tmp_path: Path
) -> None:
    taken = without(numbers)
    recording = live(tmp_path / "live", taken)
    assert recording.holes == Holes(batches_missing=missing)
    assert not recording.complete
    things = "1 batch" if missing == 1 else f"{missing} batches"
    assert recording.warnings == [f"{things} of frames are missing on the tape."]
    assert rendered(written(tmp_path, taken), tmp_path / "files") == recording


def test_frames_that_the_page_dropped_are_counted_apart_from_the_networks_losses(tmp_path: Path) -> None:
    dropped = [
        msgspec.structs.replace(event, dropped=0 if event.sequence < 50 else 12)
        if isinstance(event, FrameBatch)
        else event
        for event in events()
    ]
    recording = live(tmp_path / "live", dropped)
    assert recording.holes == Holes(frames_dropped=12)
    assert recording.warnings == ["The page had to drop 12 frames of audio."]
    lost = [
        msgspec.structs.replace(event, frames=event.frames[1:])
        if isinstance(event, FrameBatch) and event.sequence == 50
        else event
        for event in events()
    ]
    by_network = live(tmp_path / "lost", lost)
    assert (by_network.complete, by_network.holes) == (True, NO_HOLES)


def test_what_was_missing_before_the_recording_is_no_hole(tmp_path: Path) -> None:
    began = 15.0
    start = RecordingStarted(at=STARTED_AT + began)
    late = without({2, 3, 4})
    before = [each for each in late if isinstance(each, FrameBatch) and each.frames[-1].arrival < start.at]
    after = [each for each in late if isinstance(each, FrameBatch) and each.frames[-1].arrival >= start.at]
    before[2] = msgspec.structs.replace(before[2], dropped=0)
    before[3:] = [msgspec.structs.replace(each, dropped=9) for each in before[3:]]
    after = [msgspec.structs.replace(each, dropped=9) for each in after]
    assert began > HELD_SECONDS
    recording = live(tmp_path, [late[0], *before, start, *after, late[-1]])
    assert (recording.complete, recording.holes) == (True, NO_HOLES)


def test_what_is_missing_after_the_end_is_no_hole(tmp_path: Path) -> None:
    (ended,) = [event for event in events() if isinstance(event, RecordingEnded)]
    late = FrameBatch(1, 10_000, 77, [])
    recording = live(tmp_path, [*events()[:-1], ended, late])
    assert (recording.complete, recording.holes) == (True, NO_HOLES)


def test_batches_are_counted_by_document(tmp_path: Path) -> None:
    other = [FrameBatch(2, number, 0, []) for number in range(3)]
    mixed = [*events()[:40], *other, *events()[40:]]
    assert live(tmp_path, mixed).holes is NO_HOLES


def test_an_empty_batch_before_the_recording_is_not_missed(tmp_path: Path) -> None:
    taken = events()
    begin = next(index for index, event in enumerate(taken) if isinstance(event, RecordingStarted))
    first = batches()[0]
    empty = FrameBatch(first.document, 0, 0, [])
    shifted = [
        msgspec.structs.replace(event, sequence=event.sequence + 1)
        if isinstance(event, FrameBatch)
        else event
        for event in taken
    ]
    assert live(tmp_path, [*shifted[:begin], empty, *shifted[begin:]]).holes is NO_HOLES


def test_holes_of_several_attempts_are_added(tmp_path: Path) -> None:
    attempts = []
    for number, numbers in enumerate(({3}, set[int](), {4, 5})):
        folder = tmp_path / str(number)
        tape = written(folder, without(numbers))
        attempts.append(RecordedAttempt(number, replayed(tape, folder / "files"), f"attempts/{number}"))
    assert merge_attempts(attempts).recording.holes == Holes(batches_missing=3)


def test_the_timeline_says_that_sound_is_missing(tmp_path: Path) -> None:
    manifest = replayed(written(tmp_path, without({7})), tmp_path / "files")
    assert "This recording is incomplete: sound is missing in between" in timeline_html(manifest)


def deaf(document: int, receiver: int) -> TapDeaf:
    return TapDeaf(at=1.0, document=document, receiver=receiver, packets_received=100, frames_tapped=0)


def test_a_recording_with_a_deaf_receiver_is_not_complete(tmp_path: Path) -> None:
    """The others' speech is there; nobody would miss what was not heard."""
    begun, started, *rest = without(set())
    assert isinstance(started, RecordingStarted)
    findings = [msgspec.structs.replace(deaf(1, receiver), at=started.at) for receiver in (0, 0, 2)]
    tape = written(tmp_path, [begun, started, *findings, *rest])
    manifest = replayed(tape, tmp_path / "files")
    assert manifest.recording.holes == Holes(receivers_deaf=2)
    assert not manifest.recording.complete


def dropped(what: str, count: int) -> PageDropped:
    return PageDropped(at=1.0, document=1, what=what, count=count)


def fault(where: str) -> PageFault:
    return PageFault(at=1.0, document=1, where=where, message="x is undefined")


@pytest.mark.parametrize(
    ("events", "warnings"),
    [
        ([], []),
        ([deaf(1, 0), deaf(1, 0)], ["1 receiver got packets that never reached the tap."]),
        ([deaf(1, 0), deaf(1, 1), deaf(2, 0)], ["3 receivers got packets that never reached the tap."]),
        (
            [dropped("messages", 2), dropped("frames", 1), dropped("messages", 5)],
            ["The page had to drop 1 frames.", "The page had to drop 7 messages."],
        ),
        (
            [fault("tiles"), fault("hooks"), fault("tiles")],
            ["1 fault in the page's hooks.", "2 faults in the page's tiles."],
        ),
        (
            [
                RecordingStarted(at=100.0),
                *(VideoRoomChanged(at=at, left=False) for at in (99.0, 100.5)),
                *(VideoRoomChanged(at=at, left=True) for at in (103.0, 104.0)),
                VideoRoomChanged(at=150.25, left=False),
            ],
            [
                "Video was left out from 0.0 s to 3.0 s: the disk was nearly full.",
                "Video was left out from 50.2 s on: the disk was nearly full.",
            ],
        ),
        (
            [AudioPathSeen(at=1.0, document=1, path=path) for path in ("receivers", "encoded", "receivers")],
            ["The page took the encoded audio itself: speakers may be missing or mixed."],
        ),
    ],
)
def test_what_is_missing_or_doubtful_is_said(
    events: list[PageEvent | WorkerEvent], warnings: list[str]
) -> None:
    facts = SessionFacts()
    for event in [*events, RecordingEnded(at=9.0, reason="meeting_ended")]:
        facts.observe(event)
    assert facts.warnings() == warnings
