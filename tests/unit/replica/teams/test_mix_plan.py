"""What a Teams mixer sends, without any network: which talkers are in which packet, in what order, on which stream."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import av
import numpy as np
import pytest
from av.audio.codeccontext import AudioCodecContext
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.replica.plan import PlannedPacket, Wire
from fixtures.replica.scenario import Network, Participant, Scenario
from fixtures.replica.teams.mix_audio import mixed, voice_block
from fixtures.replica.teams.mix_plan import MixPlan, make_mix_plan
from fixtures.replica.teams.mix_scenario import AddedTrack, MixMedia, audio_lines
from fixtures.replica.teams.mix_talk import Dominance, SpeechBlock
from fixtures.replica.voices import voice_names
from tests.support.strategies import spans

VOICES = voice_names()

ENCODER_DELAY = 312
"""The delay of Opus, in samples at 48 kHz."""


@st.composite
def mix_scenarios(draw: st.DrawFn) -> Scenario:
    people = [
        Participant(
            name=f"P{index}",
            voice=VOICES[index],
            csrc=400 + index,
            says=draw(spans()),
            mutes=draw(spans()),
            clock_ppm=draw(st.sampled_from([-100.0, 0.0, 100.0])),
        )
        for index in range(draw(st.integers(1, 5)))
    ]
    swaps = draw(st.sampled_from([[], [1.0], [1.0, 2.5]]))
    mix = MixMedia(
        csrcs=draw(st.booleans()),
        pauses=draw(st.sampled_from(["nothing", "comfort_noise", "dtx"])),
        swaps=swaps,
        ssrc_changes=draw(st.sampled_from([[], [0.5, 2.0]])),
        added=draw(st.sampled_from([[], [AddedTrack(at=1.5)], [AddedTrack(at=0.7, carries=[400])]])),
        declared_ssrcs=False,
        red=draw(st.booleans()),
        padding_probes=draw(st.sampled_from([0.0, 0.1])),
        first_sequence=draw(st.sampled_from([None, 65_530])),
        first_timestamp=draw(st.sampled_from([None, 4_294_967_000])),
        reconnects=draw(st.sampled_from([[], [2.0]])),
    )
    seed = draw(st.integers(0, 1000))
    return Scenario(
        title="drawn", duration=4.0, participants=people, mix=mix, network=Network(loss=0.1, seed=seed)
    )


def wires(plan: MixPlan) -> list[tuple[PlannedPacket, Wire]]:
    return [(packet, packet.wire) for packet in plan.packets if packet.wire is not None]


@settings(deadline=None, max_examples=25)
@given(mix_scenarios())
def test_every_packet_lists_its_talkers_and_every_stream_has_one_clock(scenario: Scenario) -> None:
    plan = make_mix_plan(scenario)
    streams = defaultdict(list)
    for packet, wire in wires(plan):
        talkers = packet.mixed
        assert talkers is not None
        assert len(set(talkers)) == len(talkers)
        csrcs = tuple(scenario.participants[who].csrc for who in talkers)
        assert wire.csrcs == (csrcs if scenario.mix.csrcs else ())
        assert (packet.participant, packet.csrc) == ((talkers[0], csrcs[0]) if talkers else (-1, 0))
        assert (packet.kind == "speech") == bool(talkers)
        assert (packet.kind == "padding") == (not packet.payload)
        streams[wire.connection, wire.ssrc].append((packet, wire))
    for stream in streams.values():
        for (earlier, before), (later, after) in pairwise(stream):
            assert after.sequence == (before.sequence + 1) % 65_536
            ticks = (after.timestamp - before.timestamp) % (1 << 32)
            assert ticks / 48_000 == pytest.approx(later.meant - earlier.meant, abs=1e-6)
        for place, (packet, _) in enumerate(stream):
            if packet.copies is not None:
                assert plan.packets[packet.copies] in [each for each, _ in stream[:place]]


@settings(deadline=None, max_examples=25)
@given(mix_scenarios())
def test_all_speech_is_in_the_mix_at_its_time(scenario: Scenario) -> None:
    plan = make_mix_plan(scenario)
    heard = defaultdict(list)
    for packet in plan.packets:
        for who in packet.mixed or ():
            heard[who].append(packet.meant)
    message = {
        who: round(
            sum(each.end - each.start for each in plan.talk.utterances if each.participant == who) / 0.02
        )
        for who in range(len(scenario.participants))
    }
    assert {who: len(times) for who, times in heard.items()} == {who: n for who, n in message.items() if n}
    for who, times in heard.items():
        person = scenario.participants[who]
        assert all(
            any(start - 0.03 <= at < end + 0.03 for start, end in person.says)
            and not any(start + 0.03 <= at < end - 0.05 for start, end in person.mutes)
            for at in times
        )


def two_who_overlap(**mix: object) -> Scenario:
    people = [
        Participant(name="Ann", voice="aria", csrc=414, says=[(0.0, 2.0), (4.0, 5.0)]),
        Participant(name="Bo", voice="bruno", csrc=415, says=[(1.5, 3.5)]),
    ]
    return Scenario(title="two", duration=6.0, participants=people, mix=MixMedia(**mix))  # type: ignore[arg-type]


def test_the_same_scenario_gives_the_same_bytes() -> None:
    scenario = two_who_overlap(red=True, pauses="dtx")
    assert make_mix_plan(scenario).packets == make_mix_plan(scenario).packets


def test_the_mix_sounds_like_its_speakers_together() -> None:
    scenario = two_who_overlap(pauses="comfort_noise")
    plan = make_mix_plan(scenario)
    context = av.CodecContext.create("libopus", "r")
    assert isinstance(context, AudioCodecContext)
    context.sample_rate, context.layout = 48_000, "mono"
    decoded = [
        frame.to_ndarray().reshape(-1).astype(float) / 32_768
        for packet in plan.packets
        for frame in context.decode(av.Packet(packet.payload))
    ]
    spoken = [
        mixed(
            [
                voice_block(scenario.participants[block.participant].voice, block.index)
                for block in tick.blocks
            ]
        )
        for tick in plan.talk.ticks
    ]
    heard, meant = np.concatenate(decoded)[ENCODER_DELAY:], np.concatenate(spoken)[:-ENCODER_DELAY]
    overlap = slice(int(1.55 * 48_000), int(1.95 * 48_000))
    assert np.corrcoef(heard[overlap], meant[overlap])[0, 1] > 0.8


def changes_while(dominance: Dominance, start: float, seconds: float, *blocks: SpeechBlock) -> list[float]:
    """The times at which the dominant speaker changed while ``blocks`` were repeated."""
    times = [start + tick * 0.02 for tick in range(round(seconds / 0.02))]
    return [round(now, 2) for now in times if dominance.update(now, list(blocks))]


def test_a_dominant_speaker_is_replaced_after_silence_or_tenure() -> None:
    ann, loud_bo, like_bo = SpeechBlock(0, 414, 0, 30), SpeechBlock(1, 415, 0, 20), SpeechBlock(1, 415, 0, 28)
    dominance = Dominance()
    assert changes_while(dominance, 0.0, 1.0, ann) == [0.0]
    assert changes_while(dominance, 1.0, 1.0, ann, like_bo) == []
    assert [block.csrc for block in dominance.ordered([like_bo, ann])] == [414, 415]
    assert changes_while(dominance, 2.0, 1.0, like_bo) == [2.08]  # Ann's last block was at 1.98
    assert changes_while(dominance, 3.0, 0.4) == []
    assert dominance.history == [415, 414]
    tenure = Dominance()
    changes_while(tenure, 0.0, 0.02, ann)
    assert changes_while(tenure, 0.02, 1.0, ann, loud_bo) == [0.5]


def test_the_first_listed_source_is_dominant() -> None:
    plan = make_mix_plan(two_who_overlap())
    overlap = [packet for packet in plan.packets if len(packet.mixed or ()) == 2]
    assert len(overlap) == pytest.approx(25, abs=1)
    for packet in overlap:
        history = [change.history for change in plan.talk.dominant_changes if change.at <= packet.meant][-1]
        assert packet.csrc == history[0]


@given(st.lists(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 127)), max_size=4), max_size=100))
def test_dominance_orders_any_blocks_without_repeats(ticks: list[list[tuple[int, int]]]) -> None:
    dominance = Dominance()
    for place, drawn in enumerate(ticks):
        blocks = [SpeechBlock(csrc, csrc, 0, level) for csrc, level in dict(drawn).items()]
        before = list(dominance.history)
        changed = dominance.update(place * 0.02, blocks)
        assert changed == (dominance.history[:1] != before[:1])
        assert len(set(dominance.history)) == len(dominance.history)
        ordered = dominance.ordered(blocks)
        assert sorted(block.csrc for block in ordered) == sorted(block.csrc for block in blocks)
        if dominance.history and any(block.csrc == dominance.history[0] for block in blocks):
            assert ordered[0].csrc == dominance.history[0]


@pytest.mark.parametrize(
    ("pauses", "kinds"),
    [
        ("nothing", {"speech": 225}),
        ("comfort_noise", {"speech": 225, "noise": 75}),
        ("dtx", {"speech": 225, "noise": 22, "dtx": 3}),
        ("tail", {"speech": 225, "noise": 22, "dtx": 3}),
    ],
)
def test_packets_in_pauses_list_no_source(pauses: str, kinds: dict[str, int]) -> None:
    plan = make_mix_plan(two_who_overlap(pauses=pauses))
    counted: dict[str, int] = defaultdict(int)
    for packet, wire in wires(plan):
        counted[packet.kind] += 1
        assert (packet.kind == "speech") == bool(wire.csrcs)
        assert (len(packet.payload) == 1) == (packet.kind == "dtx")
    assert counted == pytest.approx(kinds, abs=2)


def test_swaps_and_added_tracks_move_packets_to_other_lines() -> None:
    mix = {
        "swaps": [3.0],
        "added": [AddedTrack(at=1.0, carries=[415]), AddedTrack(at=2.0)],
        "pauses": "nothing",
    }
    scenario = two_who_overlap(**mix)
    assert [(line.slot, line.mix, line.ssrc, line.opens) for line in audio_lines(scenario.mix)] == [
        (0, 0, 7001, 0.0),
        (1, 1, 7002, 1.0),
        (2, 2, 7003, 2.0),
        (3, 0, 7004, 3.0),
    ]
    where = {(wire.slot, wire.ssrc, wire.csrcs) for _, wire in wires(make_mix_plan(scenario))}
    assert where == {(0, 7001, (414,)), (1, 7002, (415,)), (3, 7004, (414,))}


def test_an_ssrc_can_change_on_its_line() -> None:
    plan = make_mix_plan(two_who_overlap(ssrc_changes=[1.0, 2.0], declared_ssrcs=False))
    assert {(wire.slot, wire.ssrc) for _, wire in wires(plan)} == {(0, 7001), (0, 7101), (0, 7201)}


@pytest.mark.parametrize(
    ("mix", "message"),
    [
        ({"swaps": [2.0, 1.0]}, "swaps: times"),
        ({"ssrc_changes": [1.0]}, "declared_ssrcs = false"),
        ({"added": [AddedTrack(at=1, carries=[1]), AddedTrack(at=2, carries=[1])]}, "each CSRC once"),
    ],
)
def test_the_error_for_an_impossible_mix_names_the_field(mix: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MixMedia(**mix)  # type: ignore[arg-type]


def test_a_repeating_track_carries_the_mix_packet_by_packet() -> None:
    packets = make_mix_plan(two_who_overlap(added=[AddedTrack(at=1.0, repeats=True)])).packets
    repeats = [packet for packet in packets if packet.repeats is not None]
    originals = [packets[packet.repeats] for packet in repeats if packet.repeats is not None]
    assert [packet.payload for packet in repeats] == [packet.payload for packet in originals]
    assert {packet.wire.ssrc for packet in repeats if packet.wire} == {7002}
    later = [packet for packet in packets if packet.repeats is None and packet.meant >= 1.0]
    assert originals == later
