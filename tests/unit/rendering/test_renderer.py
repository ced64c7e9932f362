"""Whole tapes, without a browser."""

import random
import wave
from collections.abc import Iterable
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import av
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.replica.comparison.recording import StemPacket, read_stem
from fixtures.replica.voices import load_voice
from tests.support.hearing_sinks import HearingSinks
from tests.support.tapes import STARTED_AT, Talker, feed_all, meant_places, synthetic_tape, with_log_times
from worker.audio.webm import OPENING, WebmWriter
from worker.iso_time import iso_utc
from worker.manifest.schema import Announcement, Manifest
from worker.platforms.registry import Platform
from worker.rendering.deferred import DeferredRenderer
from worker.rendering.renderer import Renderer
from worker.tape.events import (
    Announced,
    ChannelMessage,
    Frame,
    FrameBatch,
    RecordingEnded,
    RecordingStarted,
    RosterResponse,
    StateChanged,
    TapeEvent,
    TapeStarted,
    VideoBatch,
)


def payloads(voice: str) -> list[bytes]:
    return [packet.payload for packet in load_voice(voice).speech]


def render(events: Iterable[TapeEvent], output: Path, *, mix: bool = True) -> Manifest:
    renderer = DeferredRenderer(lambda platform: Renderer(output, platform, mix=mix))
    feed_all(renderer, events)
    return renderer.finish()


def spoken(manifest: Manifest, output: Path, csrc: int) -> list[StemPacket]:
    for person in manifest.participants:
        for stream in person.streams:
            if stream.segments[0].sources[0].csrc == csrc:
                return [each for each in read_stem(output / stream.segments[0].url) if not each.silent]
    raise AssertionError(f"no stem of {csrc}")


THREE = [
    Talker(csrc=101, slot=0, turns=[(0.5, 4.0), (7.0, 9.5)], payloads=payloads("aria")),
    Talker(csrc=102, slot=0, turns=[(4.2, 6.8)], payloads=payloads("bruno")),
    Talker(csrc=103, slot=1, turns=[(2.0, 8.0)], payloads=payloads("chiara")),
]


def test_each_speaker_gets_a_file_as_long_as_the_recording(tmp_path: Path) -> None:
    manifest = render(synthetic_tape(THREE, 10.0), tmp_path)
    assert manifest.summary.total_participants == 3
    assert [person.participant_name for person in manifest.participants] == [
        "Unknown 1",
        "Unknown 2",
        "Unknown 3",
    ]
    with wave.open(str(tmp_path / "audio.wav")) as mix:
        assert (mix.getframerate(), mix.getnchannels(), mix.getsampwidth()) == (48_000, 1, 2)
        assert mix.getnframes() == 480_000
    for person in manifest.participants:
        segment = person.streams[0].segments[0]
        assert segment.duration_seconds == 10.0
        with av.open(str(tmp_path / segment.url)) as container:
            assert sum(frame.samples for frame in container.decode(audio=0)) == 480_000
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "audio.wav",
        "audio_streams.json",
        "meeting.json",
        "streams",
        "timeline.html",
    ]
    assert len(list((tmp_path / "streams").iterdir())) == 3


def test_speech_is_in_its_speakers_file_at_its_place(tmp_path: Path) -> None:
    manifest = render(synthetic_tape(THREE, 10.0, jitter=0.01), tmp_path, mix=False)
    for talker in THREE:
        packets = spoken(manifest, tmp_path, talker.csrc)
        places = [start + 0.02 * n for start, end in talker.turns for n in range(round((end - start) / 0.02))]
        assert [each.position / 48_000 for each in packets] == pytest.approx(places, abs=0.005)


@pytest.mark.parametrize("mix", [True, False])
def test_sinks_receive_the_packets_of_each_sources_file(mix: bool, tmp_path: Path) -> None:
    one, other = HearingSinks(), HearingSinks()
    renderer = DeferredRenderer(lambda platform: Renderer(tmp_path, platform, mix=mix, sinks=[one, other]))
    feed_all(renderer, synthetic_tape(THREE, 10.0, jitter=0.01))
    manifest = renderer.finish()
    assert list(one.sources) == [101, 103, 102]
    for source, heard in one.sources.items():
        written = [(each.position, each.sha256) for each in spoken(manifest, tmp_path, source)]
        assert heard.packets == other.sources[source].packets
        assert [(place, sha256(payload).hexdigest()) for place, payload in heard.packets] == written


def test_speech_that_a_stalled_network_delivers_late_is_at_its_place(tmp_path: Path) -> None:
    """One slot's packets of eight seconds come at once; the other slot, and so the meeting, goes on meanwhile."""
    stalled, resumed = STARTED_AT + 2.0, STARTED_AT + 10.0
    talkers = [
        Talker(csrc=101, slot=0, turns=[(0.5, 12.0)], payloads=payloads("aria")),
        Talker(csrc=102, slot=1, turns=[(0.5, 12.0)], payloads=payloads("bruno")),
    ]
    frames = [
        frame
        for event in synthetic_tape(talkers, 14.0)
        if isinstance(event, FrameBatch)
        for frame in event.frames
    ]
    late = [
        msgspec.structs.replace(frame, arrival=resumed)
        if frame.csrcs == (101,) and stalled <= frame.arrival < resumed
        else frame
        for frame in frames
    ]
    late.sort(key=lambda frame: frame.arrival)
    others = [event for event in synthetic_tape([], 14.0) if not isinstance(event, FrameBatch)]
    batches = [FrameBatch(1, number, 0, [frame]) for number, frame in enumerate(late)]
    manifest = render([*others[:-1], *batches, others[-1]], tmp_path, mix=False)
    for talker in talkers:
        places = [packet.position / 48_000 for packet in spoken(manifest, tmp_path, talker.csrc)]
        assert places == pytest.approx(meant_places(talker), abs=0.005)


def test_the_manifest_lists_intervals_and_seconds_of_speech(tmp_path: Path) -> None:
    manifest = render(synthetic_tape(THREE, 10.0), tmp_path, mix=False)
    segment = manifest.participants[0].streams[0].segments[0]
    assert segment.intervals == [pytest.approx((0.5, 4.0), abs=0.005), pytest.approx((7.0, 9.5), abs=0.005)]
    assert segment.speech_seconds == pytest.approx(6.0, abs=0.01)
    assert segment.packets.received == 300


def test_two_renderings_are_the_same_to_the_byte(tmp_path: Path) -> None:
    events = list(synthetic_tape(THREE, 10.0, jitter=0.02))
    for name in ("a", "b"):
        render(events, tmp_path / name)
    files = [path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert len(files) == 7
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_speech_stays_in_place_for_half_an_hour_with_drifting_clocks_and_wraps(tmp_path: Path) -> None:
    seconds = 1_800.0
    talkers = []
    for number, (voice, ppm) in enumerate([("aria", 100.0), ("bruno", -100.0), ("chiara", 60.0)]):
        spurts = random.Random(number)
        turns, at = [], 1.0
        while at < seconds - 10:
            length = spurts.uniform(0.5, 9)
            turns.append((at, at + length))
            at += length + spurts.uniform(0.3, 6)
        talkers.append(Talker(csrc=number, slot=number, turns=turns, payloads=payloads(voice), ppm=ppm))
    manifest = render(synthetic_tape(talkers, seconds, jitter=0.005), tmp_path, mix=False)
    for talker in talkers:
        packets = spoken(manifest, tmp_path, talker.csrc)
        errors = [
            each.position / 48_000 - place for each, place in zip(packets, meant_places(talker), strict=True)
        ]
        assert max(map(abs, errors)) <= 0.02


def test_a_recording_without_speech_has_no_streams(tmp_path: Path) -> None:
    manifest = render(synthetic_tape([], 3.0), tmp_path)
    assert not manifest.audio_streams_available
    assert manifest.message == "No per-participant audio streams available for this bot."
    with wave.open(str(tmp_path / "audio.wav")) as mix:
        assert mix.getnframes() == 3 * 48_000


def test_frames_received_before_recording_started_is_fed_count_from_its_time(tmp_path: Path) -> None:
    """Batches arrive while the worker has not yet found that it is in the call."""
    events = list(synthetic_tape(THREE, 10.0))
    started = next(event for event in events if isinstance(event, RecordingStarted))
    events.remove(started)
    events.insert(30, RecordingStarted(at=STARTED_AT + 1.0))
    manifest = render(events, tmp_path, mix=False)
    assert spoken(manifest, tmp_path, 101)[0].position == 0
    assert spoken(manifest, tmp_path, 103)[0].position / 48_000 == pytest.approx(1.0, abs=0.005)
    assert manifest.recording.duration_seconds == pytest.approx(9.0, abs=0.005)


def test_a_tape_without_an_end_gives_an_incomplete_recording(tmp_path: Path) -> None:
    events = [event for event in synthetic_tape(THREE, 10.0) if not isinstance(event, RecordingEnded)][:60]
    last = max(frame.arrival for event in events if isinstance(event, FrameBatch) for frame in event.frames)
    manifest = render(events, tmp_path)
    assert not manifest.recording.complete
    assert manifest.recording.ended_reason == "cut_off"
    assert manifest.recording.duration_seconds == pytest.approx(last - STARTED_AT, abs=0.03)


def test_audio_without_a_source_is_kept_as_an_unknown_speaker(tmp_path: Path) -> None:
    events: list[TapeEvent] = []
    for event in synthetic_tape(THREE[:1], 10.0):
        if isinstance(event, FrameBatch):
            frames = [msgspec.structs.replace(frame, csrcs=(42,)) for frame in event.frames]
            events.append(FrameBatch(event.document, event.sequence, event.dropped, frames))
        else:
            events.append(event)
    manifest = render(events, tmp_path, mix=False)
    segment = manifest.participants[0].streams[0].segments[0]
    assert manifest.participants[0].participant_name == "Unknown 1"
    assert (segment.isolation, segment.sources[0].csrc, segment.packets.received) == ("mixed-only", None, 300)
    assert manifest.recording.unattributed_packets == 300


def parts(manifest: Manifest) -> list[list[tuple[float, float]]]:
    """The intervals of each stem, to a hundredth of a second."""
    return [
        [(round(start, 2), round(end, 2)) for start, end in segment.intervals]
        for _, segment in manifest.segments()
    ]


def later(event: TapeEvent, seconds: float, document: int = 1) -> TapeEvent:
    """The same event ``seconds`` later, frames in the given document."""
    if not isinstance(event, FrameBatch | VideoBatch):
        return msgspec.structs.replace(event, at=event.at + seconds)
    frames = [msgspec.structs.replace(frame, arrival=frame.arrival + seconds) for frame in event.frames]
    return msgspec.structs.replace(event, frames=frames, document=document)


def test_speech_after_a_lull_of_two_hours_without_an_event_is_recorded(tmp_path: Path) -> None:
    lull = 7_200.0
    renderer = Renderer(tmp_path, Platform.GOOGLE_MEET)
    events = list(with_log_times(synthetic_tape(THREE, 10.0)))
    for event, logged in events[:-1]:
        renderer.feed(event, logged)
    for event, logged in events[2:]:
        renderer.feed(later(event, lull, document=2), logged + lull)
    manifest = renderer.finish()
    assert manifest.recording.duration_seconds == lull + 10
    assert parts(manifest)[0] == [(0.5, 4.0), (7.0, 9.5), (lull + 0.5, lull + 4.0), (lull + 7.0, lull + 9.5)]
    with wave.open(str(tmp_path / "audio.wav")) as mix:
        assert mix.getnframes() == (lull + 10) * 48_000


def test_no_call_writes_more_than_a_bounded_part_of_a_long_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.rendering.renderer.SILENCE_AT_ONCE", 1_000)
    monkeypatch.setattr("worker.rendering.renderer.MIX_AT_ONCE", 100 * 48_000)
    written: list[int] = []
    mux_silence = WebmWriter._mux_silence

    def counted(writer: WebmWriter, position: int, samples: int) -> int:
        written.append(mux_silence(writer, position, samples))
        return written[-1]

    monkeypatch.setattr(WebmWriter, "_mux_silence", counted)
    events = list(with_log_times(synthetic_tape(THREE, 10.0)))
    end = RecordingEnded(at=STARTED_AT + 1_000, reason="meeting_ended")
    sizes = {}
    for name, pieces in (("in pieces", True), ("in one go", False)):
        output = tmp_path / name
        renderer = Renderer(output, Platform.GOOGLE_MEET)
        for event, logged in events[:-1]:
            renderer.feed(event, logged)
        renderer.feed(end, end.at)
        calls = 0
        while pieces:
            written.clear()
            more = renderer.write_due()
            calls += 1
            assert sum(written) <= 1_000 + 10
            if not more:
                break
        assert calls == 0 or calls > 3 * 1_000 / 0.12 / 1_000
        renderer.finish()
        sizes[name] = {
            path.relative_to(output): sha256(path.read_bytes()).digest()
            for path in output.rglob("*")
            if path.is_file()
        }
    assert sizes["in pieces"] == sizes["in one go"]


def test_no_event_creates_more_than_a_bounded_number_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """40 people begin to speak at the same moment, which must not stop the event loop; the files are as if it could."""
    together = [
        Talker(csrc=100 + number, slot=number, turns=[(1.0, 4.0)], payloads=payloads("aria"))
        for number in range(40)
    ]
    files = {}
    for name, at_once in (("bounded", 4 * OPENING), ("at once", 1 << 30)):
        monkeypatch.setattr("worker.rendering.renderer.SILENCE_AT_ONCE", at_once)
        output = tmp_path / name
        renderer = Renderer(output, Platform.GOOGLE_MEET)
        created = [0]
        for event, logged in with_log_times(synthetic_tape(together, 5.0)):
            renderer.feed(event, logged)
            created.append(len(list(output.rglob("*.webm"))))
        steps = [after - before for before, after in pairwise(created)]
        assert max(steps) == (4 if name == "bounded" else 40)
        assert created[-1] == 40
        renderer.finish()
        files[name] = {path.name: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    assert files["bounded"] == files["at once"]


@pytest.mark.parametrize("step", [6.0, 60.0, 7_200.0, -60.0])
def test_worker_events_with_times_of_another_clock_move_nothing(step: float, tmp_path: Path) -> None:
    renderer = Renderer(tmp_path, Platform.GOOGLE_MEET, mix=False)
    for event, logged in with_log_times(synthetic_tape(THREE, 10.0)):
        if isinstance(event, RecordingEnded):
            event = later(event, step)  # noqa: PLW2901
        renderer.feed(event, logged)
        if isinstance(event, FrameBatch):
            renderer.feed(StateChanged(at=logged + step, state="in_call_recording"), logged)
    manifest = renderer.finish()
    assert parts(manifest) == [[(0.5, 4.0), (7.0, 9.5)], [(2.0, 8.0)], [(4.2, 6.8)]]
    assert 9.4 <= manifest.recording.duration_seconds <= 11


@pytest.mark.parametrize("behind", [120.0, -120.0, -7_200.0])
def test_a_page_with_another_clock_loses_no_packet(behind: float, tmp_path: Path) -> None:
    renderer = Renderer(tmp_path, Platform.GOOGLE_MEET, mix=False)
    for event, logged in with_log_times(synthetic_tape(THREE, 10.0)):
        renderer.feed(later(event, -behind) if isinstance(event, FrameBatch) else event, logged)
    manifest = renderer.finish()
    assert manifest.recording.duration_seconds == 10
    assert [segment.packets.received for _, segment in manifest.segments()] == [300, 300, 130]
    for ours, true in zip(
        parts(manifest), [[(0.5, 4.0), (7.0, 9.5)], [(2.0, 8.0)], [(4.2, 6.8)]], strict=True
    ):
        for one, other in zip(ours, true, strict=True):
            assert one == pytest.approx(other, abs=0.1)


def test_packets_that_wait_for_a_busy_page_are_not_torn_apart_by_the_workers_events(tmp_path: Path) -> None:
    """The page delivers three seconds late; two packets that the network swapped are in different batches."""
    events = list(synthetic_tape(THREE[:1], 4.0))
    frames = [frame for event in events if isinstance(event, FrameBatch) for frame in event.frames]
    first, second = frames[40], frames[41]
    frames[40:42] = [
        msgspec.structs.replace(second, arrival=first.arrival),
        msgspec.structs.replace(first, arrival=second.arrival),
    ]
    renderer = Renderer(tmp_path, Platform.GOOGLE_MEET, mix=False)
    for event, logged in with_log_times(events[:2]):
        renderer.feed(event, logged)
    for number, frame in enumerate(frames):
        logged = frame.arrival + 3
        renderer.feed(FrameBatch(1, number, 0, [frame]), logged)
        renderer.feed(StateChanged(at=logged, state="in_call_recording"), logged)
    manifest = renderer.finish()
    assert manifest.packets().late == 0


frames = st.builds(
    Frame,
    receiver=st.integers(0, 2),
    ssrc=st.integers(0, 3),
    csrcs=st.lists(st.integers(0, 2**32 - 1), max_size=3).map(tuple),
    sequence=st.integers(0, 65_535),
    timestamp=st.integers(0, 2**32 - 1),
    payload_type=st.integers(0, 127),
    mime_type=st.sampled_from(["audio/opus", "audio/red", "audio/cn", ""]),
    audio_level=st.one_of(st.none(), st.floats(0, 1)),
    arrival=st.one_of(st.floats(), st.floats(STARTED_AT, STARTED_AT + 20)),
    captured=st.none(),
    payload=st.binary(max_size=30),
)


@given(batches=st.lists(st.lists(frames, max_size=12), max_size=8), channel=st.binary(max_size=80))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_garbage_is_rendered_without_an_error(
    batches: list[list[Frame]], channel: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    output = tmp_path_factory.mktemp("garbage")
    events: list[TapeEvent] = [
        TapeStarted(at=STARTED_AT, version=1, platform="google_meet", meeting_url="x", bot_name="b"),
        RecordingStarted(at=STARTED_AT),
        ChannelMessage(at=STARTED_AT, document=1, connection=0, label="collections", payload=channel),
        RosterResponse(at=STARTED_AT, document=1, url="x", payload=channel),
        *(FrameBatch(1, number, 0, batch) for number, batch in enumerate(batches)),
        RecordingEnded(at=STARTED_AT + 25, reason="meeting_ended"),
    ]
    renderer = Renderer(output, Platform.GOOGLE_MEET)
    for number, event in enumerate(events):
        renderer.feed(event, STARTED_AT + number)
    manifest = renderer.finish()
    assert manifest.recording.duration_seconds <= 26
    for person in manifest.participants:
        for stream in person.streams:
            read_stem(output / stream.segments[0].url)


CODECS = ["audio/opus"] * 6 + [
    "audio/red",
    "audio/CN",
    "audio/PCMU",
    "audio/telephone-event",
    "audio/OPUS",
    "",
]


def odd_payloads() -> st.SearchStrategy[bytes]:
    """Up to 1,500 bytes: any first two bytes, and lengths around those of the rules."""
    sizes = st.sampled_from([0, 1, 2, 3, 5, 50, 252, 1_274, 1_275, 1_276, 1_277, 1_498]) | st.integers(
        0, 1_498
    )
    start = st.tuples(st.integers(0, 255), st.integers(0, 255)).map(bytes) | st.sampled_from(
        [b"\x6f\x78", b"\x0d\x78", b"\xef\x0f"]
    )
    return st.builds(
        lambda head, size, fill: (head + bytes([fill]) * size)[: 2 + size], start, sizes, st.integers(0, 255)
    )


@given(
    sent=st.lists(
        st.tuples(
            st.sampled_from(CODECS),
            st.integers(0, 127),
            odd_payloads(),
            st.sampled_from([0, 120, 960, 960, 5_760]),
        ),
        min_size=1,
        max_size=40,
    ),
    platform=st.sampled_from(["google_meet", "microsoft_teams"]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_payload_costs_another_speaker_a_packet(
    sent: list[tuple[str, int, bytes, int]], platform: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    output = tmp_path_factory.mktemp("payloads")
    timestamp, hostile = 7, []
    for number, (mime_type, payload_type, payload, ticks) in enumerate(sent):
        timestamp += ticks
        arrival = STARTED_AT + 1 + number * 0.02
        hostile.append(
            Frame(5, 99, (666,), number, timestamp, payload_type, mime_type, 0.1, arrival, None, payload)
        )
    events: list[TapeEvent] = []
    for event in synthetic_tape(THREE[:1], 5.0):
        if isinstance(event, TapeStarted):
            events.append(msgspec.structs.replace(event, platform=platform))
        elif isinstance(event, FrameBatch):
            last = event.frames[-1].arrival
            odd = [frame for frame in hostile if frame.arrival <= last]
            hostile = hostile[len(odd) :]
            events.append(msgspec.structs.replace(event, frames=[*event.frames, *odd]))
        else:
            events.append(event)
    manifest = render(events, output)
    assert not [each for each in manifest.recording.warnings if "silence in the files" not in each]
    expected = [
        sha256(frame.payload).hexdigest()
        for event in synthetic_tape(THREE[:1], 5.0)
        if isinstance(event, FrameBatch)
        for frame in event.frames
    ]
    assert [packet.sha256 for packet in spoken(manifest, output, 101)] == expected
    with wave.open(str(output / "audio.wav")) as mix:
        length = mix.getnframes()
    for _, segment in manifest.segments():
        with av.open(str(output / segment.url)) as container:
            assert sum(frame.samples for frame in container.decode(audio=0)) == length


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        ("", Announcement(written_at=iso_utc(STARTED_AT + 2.0))),
        ("no_chat", Announcement(written_at=None, failure="no_chat")),
    ],
)
def test_the_manifest_says_whether_the_recording_was_announced(
    tmp_path: Path, failure: str, expected: Announcement
) -> None:
    events = list(synthetic_tape(THREE, 4.0))
    end = next(number for number, event in enumerate(events) if isinstance(event, RecordingEnded))
    assert render(events, tmp_path / "untold").recording.announcement is msgspec.UNSET
    told = Announced(at=STARTED_AT + 2.0, failure=failure)
    manifest = render([*events[:end], told, *events[end:]], tmp_path / "told")
    assert manifest.recording.announcement == expected
