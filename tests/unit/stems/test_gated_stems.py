"""Whole tapes of Teams, without a browser: which stems packets go into, compared with the truth."""

from __future__ import annotations

import wave
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.replica.comparison.mix import Attribution
from fixtures.replica.comparison.recording import attribution, compare, read_recording, read_stem
from fixtures.replica.comparison.stems import StemComparison
from fixtures.replica.scenario import Network, Participant, Scenario
from fixtures.replica.teams import main_channel, roster
from fixtures.replica.teams.mix_scenario import AddedTrack, MixMedia
from fixtures.replica.teams.scenario import TeamsPage, TeamsSignals
from tests.support.hearing_sinks import HearingSinks
from tests.support.plan_tapes import mix_plan, plan_tape, write_plan_truth
from tests.support.tapes import STARTED_AT, feed_all
from worker.manifest.schema import GatedMix, Manifest, Segment
from worker.rendering.deferred import DeferredRenderer
from worker.rendering.renderer import Renderer
from worker.tape.events import (
    ChannelMessage,
    Frame,
    FrameBatch,
    PageEvent,
    RecordingEnded,
    RecordingStarted,
    SocketMessage,
    TapeEvent,
    TapeStarted,
)

ANN, BO, CEM = 414, 415, 416
PEOPLE = [
    Participant(name="Ann", voice="aria", csrc=ANN, says=[(0.5, 6.0), (14.0, 18.0), (24.0, 27.0)], host=True),
    Participant(name="Bo", voice="bruno", csrc=BO, says=[(6.5, 10.0), (16.5, 21.0)]),
    Participant(name="Cem", voice="chiara", csrc=CEM, says=[(10.6, 13.5), (21.4, 23.5), (27.6, 31.0)]),
]


def meeting(signals: TeamsSignals | None = None, network: Network | None = None, **mix: Any) -> Scenario:
    """Half a minute of three people, with two seconds in which two of them talk."""
    return Scenario(
        title="three",
        duration=32.0,
        platform="microsoft_teams",
        participants=PEOPLE,
        mix=MixMedia(**mix),
        network=network or Network(jitter=0.01),
        teams=TeamsPage(signals=signals or TeamsSignals()),
    )


def page_events(scenario: Scenario) -> list[PageEvent]:
    """What the page reports of its meeting beside the audio."""
    talk = mix_plan(scenario).talk
    messages = main_channel.messages(scenario, talk.dominant_changes, talk.utterances, STARTED_AT)
    events: list[PageEvent] = [
        ChannelMessage(
            at=STARTED_AT + message.at,
            document=1,
            connection=0,
            label="main-channel",
            payload=main_channel.packed(message.value),
        )
        for message in messages
    ]
    if scenario.teams.signals.frames_after is not None:
        body = roster.roster_body([], roster.members(scenario, 0.0)) or {}
        frame = roster.roster_frame(1, body).encode()
        events.append(SocketMessage(at=STARTED_AT + 0.1, document=1, url="wss://x", payload=frame))
    return events


def render(events: Iterable[TapeEvent], output: Path, *, mix: bool = False) -> Manifest:
    renderer = DeferredRenderer(lambda platform: Renderer(output, platform, mix=mix))
    feed_all(renderer, events)
    return renderer.finish()


def recorded(scenario: Scenario, folder: Path, *, mix: bool = False) -> Manifest:
    return render(plan_tape(scenario, page_events(scenario)), folder, mix=mix)


def compared(scenario: Scenario, folder: Path) -> list[StemComparison]:
    recorded(scenario, folder)
    return compare(folder, write_plan_truth(scenario, folder / "truth.jsonl"))


def attributed(scenario: Scenario, folder: Path) -> Attribution:
    recorded(scenario, folder)
    return attribution(read_recording(folder), write_plan_truth(scenario, folder / "truth.jsonl"))


def segments(manifest: Manifest) -> dict[str, Segment]:
    return {person.participant_name: person.streams[0].segments[0] for person in manifest.participants}


def totals(manifest: Manifest) -> GatedMix:
    mix = manifest.recording.gated_mix
    assert isinstance(mix, GatedMix)
    return mix


@pytest.mark.parametrize(
    "mix",
    [
        {},
        {"pauses": "comfort_noise", "padding_probes": 0.1},
        {"pauses": "dtx", "first_sequence": 65_500, "first_timestamp": 2**32 - 96_000},
        {"swaps": [8.0, 17.0], "pauses": "comfort_noise"},
        {"ssrc_changes": [17.0], "declared_ssrcs": False},
        {"added": [AddedTrack(at=5.0, carries=[CEM])], "pauses": "comfort_noise"},
        {"red": True},
    ],
    ids=["plain", "comfort noise", "dtx and wraps", "swaps", "new ssrc", "two tracks", "red"],
)
def test_each_packet_is_in_exactly_the_stems_of_its_sources(mix: dict[str, Any], tmp_path: Path) -> None:
    stems = compared(meeting(network=Network(jitter=0.01, loss=0.03), **mix), tmp_path)
    assert [stem.name for stem in stems] == ["Ann", "Bo", "Cem"]
    for stem in stems:
        assert (stem.name, stem.missing, stem.foreign, stem.overlap_errors) == (stem.expected_name, 0, 0, 0)
        assert stem.found == stem.expected > 100
        assert stem.place_error(1.0) <= 0.02


def test_sinks_receive_the_mix_while_their_source_speaks(tmp_path: Path) -> None:
    scenario, sinks = meeting(network=Network(jitter=0.01, loss=0.03)), HearingSinks()
    renderer = DeferredRenderer(lambda platform: Renderer(tmp_path, platform, mix=True, sinks=[sinks]))
    feed_all(renderer, plan_tape(scenario, page_events(scenario)))
    manifest = renderer.finish()
    kept = {
        each.sources[0].csrc: each.packets.received + each.packets.recovered
        for _, each in manifest.segments()
    }
    assert {source: len(heard.packets) for source, heard in sinks.sources.items()} == kept
    assert len(kept) == 3


def test_the_manifest_lists_shared_stretches_and_evidence(tmp_path: Path) -> None:
    manifest = recorded(meeting(pauses="comfort_noise"), tmp_path)
    ann = segments(manifest)["Ann"]
    assert (ann.isolation, ann.duration_seconds) == ("gated-mix", 32.0)
    assert isinstance(ann.overlaps, list) and isinstance(ann.attribution, list)
    assert {tuple(each.participants) for each in ann.overlaps} == {("Bo",)}
    assert {tuple(each.csrcs) for each in ann.overlaps} == {(BO,)}
    assert sum(each.end_seconds - each.start_seconds for each in ann.overlaps) == pytest.approx(1.5, abs=0.1)
    assert {source for _, _, source in ann.attribution} == {"csrc"}
    assert [pair[:2] for pair in ann.attribution] == ann.intervals
    mix = totals(manifest)
    assert mix.shared_packets == round(mix.shared_seconds * 50)
    assert (
        mix.packets.csrc
        == sum(each.packets.received for each in segments(manifest).values()) - mix.shared_packets
    )
    assert mix.noise_packets > 100
    assert mix.packets.none == manifest.recording.unattributed_packets == 0
    assert "nothing separates them" in mix.note


def test_the_mixed_audio_holds_each_packet_once(tmp_path: Path) -> None:
    """The sum of the stems would be twice as loud where two talk."""
    recorded(meeting(), tmp_path / "labelled", mix=True)
    recorded(meeting(TeamsSignals(dominance=False), csrcs=False), tmp_path / "unlabelled", mix=True)
    samples = []
    for name in ("labelled", "unlabelled"):
        with wave.open(str(tmp_path / name / "audio.wav")) as file:
            assert file.getnframes() == 32 * 48_000
            samples.append(np.frombuffer(file.readframes(file.getnframes()), "<i2"))
    assert np.array_equal(samples[0], samples[1])


@pytest.mark.parametrize(
    ("lag", "pauses"), [(0.0, "nothing"), (0.4, "comfort_noise"), (1.2, "comfort_noise"), (1.2, "dtx")]
)
def test_without_csrcs_the_dominant_speaker_history_attributes(
    lag: float, pauses: str, tmp_path: Path
) -> None:
    scenario = meeting(TeamsSignals(dominance_lag=lag), csrcs=False, pauses=pauses)
    result = attributed(scenario, tmp_path)
    assert result.good, result
    manifest = msgspec.json.decode((tmp_path / "audio_streams.json").read_bytes(), type=Manifest)
    assert set(segments(manifest)) == {"Ann", "Bo", "Cem"}
    assert {source for each in segments(manifest).values() for _, _, source in each.attribution or []} == {
        "dsh"
    }


@pytest.mark.parametrize("lag", [0.5, 5.0])
@pytest.mark.parametrize("frames_after", [0.0, None])
def test_without_csrcs_and_history_captions_attribute(
    lag: float, frames_after: float | None, tmp_path: Path
) -> None:
    signals = TeamsSignals(dominance=False, captions=True, captions_lag=lag, frames_after=frames_after)
    result = attributed(meeting(signals, csrcs=False, pauses="comfort_noise"), tmp_path)
    manifest = msgspec.json.decode((tmp_path / "audio_streams.json").read_bytes(), type=Manifest)
    mix = totals(manifest)
    assert mix.seconds.captions >= 0.95 * (mix.seconds.captions + mix.seconds.none)
    if frames_after is not None:
        assert result.good, result
        assert set(segments(manifest)) == {"Ann", "Bo", "Cem"}
    else:
        assert len(manifest.participants) == 3
        assert {person.name_source for person in manifest.participants} == {"none"}


def test_without_any_evidence_all_speech_is_an_unknown_speakers(tmp_path: Path) -> None:
    scenario = meeting(TeamsSignals(dominance=False), csrcs=False, pauses="comfort_noise", swaps=[8.0])
    result = attributed(scenario, tmp_path)
    assert (result.right, result.wrong, result.nowhere, result.shared_nowhere) == (0, 0, 0, 0)
    manifest = msgspec.json.decode((tmp_path / "audio_streams.json").read_bytes(), type=Manifest)
    assert list(segments(manifest)) == ["Unknown 1"]
    unknown = segments(manifest)["Unknown 1"]
    assert (unknown.isolation, unknown.speech_seconds < 32) == ("gated-mix", True)
    assert (
        manifest.recording.unattributed_packets == unknown.packets.received == totals(manifest).packets.none
    )


def test_two_unknown_tracks_at_once_are_two_unknown_speakers(tmp_path: Path) -> None:
    scenario = meeting(TeamsSignals(dominance=False), csrcs=False, added=[AddedTrack(at=5.0, carries=[BO])])
    result = attributed(scenario, tmp_path)
    assert (result.nowhere, result.shared_nowhere) == (0, 0)


def test_after_csrcs_stop_the_dominant_speaker_history_attributes(tmp_path: Path) -> None:
    scenario = meeting()
    events: list[TapeEvent] = []
    for event in plan_tape(scenario, page_events(scenario)):
        if isinstance(event, FrameBatch) and event.frames[0].arrival > STARTED_AT + 10:
            frames = [msgspec.structs.replace(frame, csrcs=()) for frame in event.frames]
            events.append(FrameBatch(event.document, event.sequence, event.dropped, frames))
        else:
            events.append(event)
    manifest = render(events, tmp_path)
    mix = totals(manifest)
    assert mix.packets.csrc > 400 and mix.packets.dsh > 400
    assert mix.seconds.none == pytest.approx(5.0, abs=0.3)


def test_two_renderings_are_the_same_to_the_byte(tmp_path: Path) -> None:
    scenario = meeting(TeamsSignals(captions=True), csrcs=False, pauses="comfort_noise", swaps=[8.0])
    for name in ("a", "b"):
        recorded(scenario, tmp_path / name, mix=True)
    files = [path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert len(files) == 7
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


frames = st.builds(
    Frame,
    receiver=st.integers(0, 2),
    ssrc=st.integers(0, 3),
    csrcs=st.lists(st.integers(0, 2**32 - 1) | st.integers(1, 3), max_size=4).map(tuple),
    sequence=st.integers(0, 65_535),
    timestamp=st.integers(0, 2**32 - 1),
    payload_type=st.integers(0, 127),
    mime_type=st.sampled_from(["audio/opus", "audio/red", "audio/cn", ""]),
    audio_level=st.none(),
    arrival=st.one_of(st.floats(), st.floats(STARTED_AT, STARTED_AT + 20)),
    captured=st.none(),
    payload=st.binary(max_size=30),
)
messages = st.binary(max_size=60) | st.sampled_from(
    [
        main_channel.packed([{"type": "dsh", "history": [2]}]),
        main_channel.packed(
            {
                "recognitionResults": [
                    {
                        "userId": "u",
                        "isFinal": True,
                        "timestampAudioSent": int((STARTED_AT + 2_208_988_801) * 1e7),
                        "duration": 30_000_000,
                    }
                ]
            }
        ),
    ]
)


@given(batches=st.lists(st.tuples(st.lists(frames, max_size=12), messages), max_size=8))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_garbage_is_rendered_without_an_error(
    batches: list[tuple[list[Frame], bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    output = tmp_path_factory.mktemp("garbage")
    events: list[TapeEvent] = [
        TapeStarted(at=STARTED_AT, version=2, platform="microsoft_teams", meeting_url="x", bot_name="b"),
        RecordingStarted(at=STARTED_AT),
    ]
    for number, (batch, payload) in enumerate(batches):
        at = STARTED_AT + 2 * number
        events += [
            FrameBatch(1, number, 0, batch),
            ChannelMessage(at=at, document=1, connection=0, label="main-channel", payload=payload),
            SocketMessage(at=at, document=1, url="x", payload=b"3:::" + payload),
        ]
    events.append(RecordingEnded(at=STARTED_AT + 25, reason="meeting_ended"))
    manifest = render(events, output, mix=True)
    for person in manifest.participants:
        for stream in person.streams:
            read_stem(output / stream.segments[0].url)
