"""A paused recording: no packet of a pause is on the tape or in a file, all others are, and nothing moves."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from itertools import pairwise
from math import inf
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from fixtures.replica.comparison.recording import read_stem
from fixtures.replica.voices import load_voice
from tests.support.deafness import report
from tests.support.streams import Stream, tape
from tests.support.tape_samples import video_batch, video_frame
from tests.support.tapes import STARTED_AT
from worker.jobs.second_try import replay_twice
from worker.lifecycle.media_state import MediaMonitor
from worker.manifest.schema import Holes, Manifest
from worker.platforms.registry import Platform
from worker.recording.deafness_watch import DeafnessWatch
from worker.recording.pause_gate import COPIES_REACH, LATEST_DELIVERY, GatedEvent, PauseGate
from worker.recording.recorder import Recorder
from worker.rendering.deferred import DeferredRenderer
from worker.rendering.renderer import Renderer
from worker.rendering.replay import replay
from worker.tape.events import (
    Batch,
    Frame,
    FrameBatch,
    RecordingEnded,
    RecordingPaused,
    RecordingResumed,
    RecordingStarted,
    TapeEvent,
    VideoBatch,
    VideoFrame,
)
from worker.tape.writer import TapeWriter

SECONDS = 14.0
PEOPLE = (101, 102)
JITTER = 0.1
"""Seconds by which a packet's place may differ from its arrival here."""
SHORTEST = 0.3
"""Seconds; stretches of speech with less silence between them count as one."""
CODED, RED = "audio/opus", "audio/red"
Logged = list[tuple[TapeEvent, float]]
Pauses = list[tuple[float, float]]


def payload(person: int, number: int) -> bytes:
    """An Opus packet of 20 ms that no other is like."""
    return b"\xf8" + bytes([person, *number.to_bytes(2, "big"), 7]) * 8


def with_copies(frames: list[Frame]) -> Iterator[Frame]:
    """The same packets in RED, each with a copy of the one before (RFC 2198)."""
    yield msgspec.structs.replace(frames[0], mime_type=RED, payload=b"\x6f" + frames[0].payload)
    for before, frame in pairwise(frames):
        offset = (frame.timestamp - before.timestamp) & 0xFFFF_FFFF
        header = b"\xef" + (offset << 10 | len(before.payload)).to_bytes(3, "big") + b"\x6f"
        yield msgspec.structs.replace(frame, mime_type=RED, payload=header + before.payload + frame.payload)


def speech(mime_type: str, delay: float) -> list[Frame]:
    """Both talk all the time, each in a slot."""
    frames: list[Frame] = []
    for slot, person in enumerate(PEOPLE):
        packets = [payload(person, number) for number in range(int(SECONDS * 50))]
        spoken = Stream(slot, 6666 + slot).frames(0.5, SECONDS - 1, [person], packets, delay=delay)
        frames += with_copies(spoken) if mime_type == RED else spoken
    return frames


def recorded(
    platform: str, frames: list[Frame], pauses: Pauses, delivery: float, recognized: float = 0.0
) -> Logged:
    """What is on the tape of a bot that is paused for each of ``pauses`` (seconds of meeting time, inf: until the end), where
    the page delivers its batches ``delivery`` seconds late, and the call is recognized ``recognized`` seconds after its begin.
    """
    now = 0.0
    logged: Logged = []
    gate = PauseGate(lambda event: logged.append((event, now)), lambda: now)
    steps: list[tuple[float, int, TapeEvent]] = []
    for event in tape(platform, SECONDS, frames):
        if isinstance(event, FrameBatch | VideoBatch):
            steps.append((max(each.arrival for each in event.frames) + delivery, 2, event))
        else:
            steps.append((event.at + recognized * isinstance(event, RecordingStarted), 0, event))
    for start, end in pauses:
        steps.append((STARTED_AT + start, 1, RecordingPaused(at=STARTED_AT + start)))
        if end < inf:
            steps.append((STARTED_AT + end, 1, RecordingResumed(at=STARTED_AT + end)))
    for at, _, event in sorted(steps, key=lambda step: step[:2]):
        now = at
        if isinstance(event, FrameBatch | VideoBatch):
            gate.take(event)
            continue
        logged.append((event, now))
        if isinstance(event, RecordingPaused):
            gate.close(event.at)
        if isinstance(event, RecordingResumed):
            gate.open(event.at)
    end = next(index for index, (event, _) in enumerate(logged) if isinstance(event, RecordingEnded))
    return [*logged[:end], *logged[end + 1 :], logged[end]]


def rendered(events: Logged, folder: Path) -> Manifest:
    renderer = DeferredRenderer(lambda platform: Renderer(folder, platform, mix=False))
    for event, logged in events:
        renderer.feed(event, logged)
    return renderer.finish()


def packets(stem: Path) -> set[str]:
    """The hashes of a stem's packets of speech."""
    return {packet.sha256 for packet in read_stem(stem) if not packet.silent}


def hashes(payloads: set[bytes]) -> set[str]:
    return {sha256(each).hexdigest() for each in payloads}


moments = st.lists(
    st.integers(0, int(SECONDS * 20)).map(lambda tick: tick / 20), min_size=1, max_size=6, unique=True
)


@pytest.mark.parametrize("mime_type", [CODED, RED])
@pytest.mark.parametrize("platform", Platform)
@given(
    moments=moments,
    delay=st.sampled_from([0.0, 0.013]),
    delivery=st.sampled_from([0.0, 0.4, 3.0]),
    recognized=st.sampled_from([0.0, 6.0]),
)
@example(moments=[3.0, 5.0, 5.1, 9.0], delay=0.013, delivery=0.4, recognized=6.0)
@example(moments=[9.2, 9.55, 9.75, 10.6, 12.4], delay=0.013, delivery=3.0, recognized=0.0)
@example(moments=[0.0, 2.0, 11.0], delay=0.0, delivery=3.0, recognized=0.0)
@settings(
    max_examples=10,
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
def test_no_packet_of_a_pause_is_recorded_and_all_others_are_at_their_places(
    platform: Platform,
    mime_type: str,
    moments: list[float],
    delay: float,
    delivery: float,
    recognized: float,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    bounds = [*sorted(moments), inf]
    pauses = [(bounds[index], bounds[index + 1]) for index in range(0, len(bounds) - 1, 2)]
    frames = speech(mime_type, delay)
    events = recorded(platform, frames, pauses, delivery, recognized)
    folder = tmp_path_factory.mktemp("paused")
    manifest = rendered(events, folder)

    def is_paused(frame: Frame) -> bool:
        return any(STARTED_AT + start <= frame.arrival < STARTED_AT + end for start, end in pauses)

    kept_away = {own(frame) for frame in frames if is_paused(frame)}
    wanted = {own(frame) for frame in frames if not is_paused(frame)}
    on_tape = [frame for event, _ in events if isinstance(event, FrameBatch) for frame in event.frames]
    assert {own(frame) for frame in on_tape} == wanted
    everything = b"|".join(frame.payload for frame in on_tape)
    assert not [each for each in kept_away if each in everything]
    files = set().union(*(packets(folder / segment.url) for _, segment in manifest.segments()))
    assert files == hashes(wanted)
    assert manifest.packets().lost == 0
    assert manifest.recording.duration_seconds == SECONDS
    assert manifest.recording.complete
    expected = [(start, min(end, SECONDS)) for start, end in pauses if start < SECONDS]
    assert list(manifest.recording.pauses or ()) == expected
    for _, segment in manifest.segments():
        assert segment.duration_seconds == SECONDS
        for start, end in segment.intervals:
            for first, last in expected:
                shared = min(end, last) - max(start, first)
                assert shared < JITTER or last - first < SHORTEST


def own(frame: Frame) -> bytes:
    """The packet's own audio, without the copy of another before it."""
    return frame.payload[-len(payload(0, 0)) :]


@pytest.mark.parametrize("is_killed", [False, True], ids=["ended", "killed"])
@pytest.mark.parametrize("platform", Platform)
def test_a_paused_tape_gives_the_same_bytes_live_in_replay_and_in_recovery(
    platform: Platform, is_killed: bool, tmp_path: Path
) -> None:
    aria = [packet.payload for packet in load_voice("aria").speech][:400]
    frames = [
        *Stream(0, 6666).frames(1.0, SECONDS - 1, PEOPLE[:1], aria),
        *Stream(1, 6667).frames(2.0, SECONDS - 2, PEOPLE[1:], aria[200:], delay=0.013),
    ]
    pauses = [(-1.0, 2.0), (4.0, 6.0), (6.1, 9.0), (11.0, inf)]
    now = 0.0
    with TapeWriter(tmp_path / "tape") as tape_writer:
        renderer = DeferredRenderer(lambda platform: Renderer(tmp_path / "live", platform))
        recorder = Recorder(tape_writer, renderer, lambda: now)
        for event, logged in recorded(platform, frames, pauses, 0.4, recognized=3.0):
            now = logged
            if not (is_killed and isinstance(event, RecordingEnded)):
                recorder.take(event)
        recorder.finish()
    assert recorder.error is None
    replay(tmp_path / "tape", tmp_path / "replay", partial(Renderer, tmp_path / "replay"))
    replay_twice(tmp_path / "tape", tmp_path / "recovery")
    live, replayed, recovered = (bytes_of(tmp_path / each) for each in ("live", "replay", "recovery"))
    assert live == replayed == recovered
    assert {"audio.wav", "audio_streams.json"} < live.keys()


def bytes_of(folder: Path) -> dict[str, bytes]:
    """All files of a recording, by their paths in it."""
    files = [each for each in folder.rglob("*") if each.is_file()]
    return {each.relative_to(folder).as_posix(): each.read_bytes() for each in files}


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "unlisted"])
@pytest.mark.parametrize("seed", [4, 10])
@pytest.mark.parametrize("platform", Platform)
def test_no_packet_at_the_edge_of_a_pause_is_a_copy(
    platform: Platform, seed: int, listed: bool, tmp_path: Path
) -> None:
    """Where the network delays packets, the clocks of the two sides of a pause differ."""
    rng = random.Random(seed)
    frames = []
    for each in speech(CODED, 0.0):
        delay = 0.06 * rng.random() + 0.25 * (rng.random() < 0.05)
        csrcs = each.csrcs if listed else ()
        frames.append(msgspec.structs.replace(each, arrival=each.arrival + delay, csrcs=csrcs))
    manifest = rendered(recorded(platform, frames, [(4.0, 4.2)], 0.2), tmp_path)
    wanted = {own(each) for each in frames if not 4.0 <= each.arrival - STARTED_AT < 4.2}
    files = [packets(tmp_path / segment.url) for _, segment in manifest.segments()]
    assert len(files) == len(PEOPLE)
    assert set().union(*files) == hashes(wanted)
    assert manifest.packets().duplicate == 0
    assert not [each for each in manifest.recording.warnings if "second track" in each]


def test_the_page_that_delivers_too_late_is_not_believed_during_a_pause() -> None:
    passed: list[GatedEvent] = []
    gate = PauseGate(passed.append, lambda: STARTED_AT + 4 + LATEST_DELIVERY + 0.1)
    gate.close(STARTED_AT + 4)
    frames = Stream(0, 1).frames(1.0, 2.0, [101], [payload(101, 1)])
    late, later = FrameBatch(1, 0, 3, frames), FrameBatch(1, 1, 4, frames[:7])
    for batch in (late, later, FrameBatch(1, 2, 4, []), FrameBatch(2, 0, 1, [])):
        gate.take(batch)
    gate.open(STARTED_AT + 10)
    gate.take(FrameBatch(1, 3, 5, []))
    # Each batch counts what its document has dropped so far.
    assert passed == [
        FrameBatch(1, 0, 53, []),
        FrameBatch(1, 1, 61, []),
        FrameBatch(1, 2, 61, []),
        FrameBatch(2, 0, 1, []),
        FrameBatch(1, 3, 62, []),
    ]


def test_what_comes_too_late_is_a_hole_in_the_manifest(tmp_path: Path) -> None:
    frames = speech(CODED, 0.0)
    events = recorded("google_meet", frames, [(6.0, 13.0)], LATEST_DELIVERY + 1)
    on_tape = {own(each) for event, _ in events if isinstance(event, FrameBatch) for each in event.frames}
    missing = [each for each in frames if each.arrival < STARTED_AT + 6 and own(each) not in on_tape]
    manifest = rendered(events, tmp_path)
    assert isinstance(manifest.recording.holes, Holes)
    assert manifest.recording.holes.frames_dropped == len(missing) > 0
    assert not manifest.recording.complete


def test_copies_are_left_out_only_right_after_a_pause() -> None:
    passed: list[GatedEvent] = []
    gate = PauseGate(passed.append, lambda: STARTED_AT)
    gate.close(STARTED_AT + 4)
    gate.open(STARTED_AT + 5)
    packets = [payload(101, number) for number in range(400)]
    frames = list(with_copies(Stream(0, 1).frames(0.0, 8.0, [101], packets)))
    gate.take(FrameBatch(1, 0, 0, frames))
    (batch,) = passed
    assert isinstance(batch, FrameBatch)
    for frame in batch.frames:
        after = frame.arrival - STARTED_AT - 5
        whole = next(each for each in frames if each.sequence == frame.sequence)
        assert (frame == whole) == (not 0 <= after < COPIES_REACH)


@given(st.lists(st.floats(0, 100), max_size=6).map(sorted), st.lists(st.floats(-1, 101), max_size=30))
def test_a_paused_recording_gets_no_video(bounds: list[float], arrivals: list[float]) -> None:
    passed: list[GatedEvent] = []
    kept_away: list[Batch] = []
    gate = PauseGate(passed.append, lambda: STARTED_AT)
    gate.observers.append(kept_away.append)
    for number, bound in enumerate(bounds):
        (gate.open if number % 2 else gate.close)(STARTED_AT + bound)
    frames = [video_frame(number, STARTED_AT + each) for number, each in enumerate(arrivals)]
    gate.take(VideoBatch(7, 3, 2, frames))

    def is_paused(frame: VideoFrame) -> bool:
        return sum(STARTED_AT + bound <= frame.arrival for bound in bounds) % 2 == 1

    (batch,) = passed
    assert batch == VideoBatch(7, 3, 2, [each for each in frames if not is_paused(each)])
    assert [each for away in kept_away for each in away.frames] == [
        each for each in frames if is_paused(each)
    ]


def test_video_and_audio_that_come_too_late_are_counted_apart() -> None:
    passed: list[GatedEvent] = []
    gate = PauseGate(passed.append, lambda: STARTED_AT + 4 + LATEST_DELIVERY + 0.1)
    gate.close(STARTED_AT + 4)
    gate.take(video_batch(0, STARTED_AT, frames=3, dropped=2))
    gate.take(FrameBatch(7, 0, 0, Stream(0, 1).frames(1.0, 2.0, [101], [payload(101, 1)])))
    gate.take(video_batch(1, STARTED_AT, frames=0, dropped=2))
    assert passed == [VideoBatch(7, 0, 5, []), FrameBatch(7, 0, 50, []), VideoBatch(7, 1, 5, [])]


def test_what_is_kept_away_is_seen_as_media_and_a_pause_is_no_deafness() -> None:
    """Silence, the roster's rules and the page's loss are judged by what arrives, deafness by the page's own counts."""
    media, now = MediaMonitor(), STARTED_AT
    gate = PauseGate(lambda event: media.observe(event, now), lambda: now)
    gate.observers.append(lambda batch: media.observe(batch, now))
    take = DeafnessWatch(gate.take).take
    gate.close(STARTED_AT)
    packets = [payload(101, number) for number in range(50)]
    for second in range(30):
        now = STARTED_AT + second + 1
        take(FrameBatch(1, second, 0, Stream(0, 1).frames(second, second + 1, [101], packets)))
        take(report(now, received=50 * (second + 1), tapped=50 * (second + 1)))
    assert (media.now.last_frame, media.now.last_speech, media.now.sources) == (now, now, {101: now})
    assert media.now.alive
    assert (media.now.deaf_since, media.now.missed_since) == (None, None)
