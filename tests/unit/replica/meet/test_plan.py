from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.replica.meet.plan import make_plan
from fixtures.replica.plan import PlannedPacket, Wire
from fixtures.replica.scenario import (
    Media,
    Network,
    Packets,
    Participant,
    Scenario,
    SlotMove,
    load_scenario,
    scenario_names,
)
from fixtures.replica.voices import load_voice, voice_names
from tests.support.strategies import spans

VOICES = voice_names()


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    people = [
        Participant(
            name=f"P{index}",
            voice=VOICES[index],
            csrc=100 + index,
            says=draw(spans()),
            mutes=draw(spans()),
            pauses=draw(st.sampled_from(["tail", "dtx", "nothing"])),
            clock_ppm=draw(st.sampled_from([-100.0, 0.0, 100.0])),
            csrc_changes=draw(st.sampled_from([[], [(1.5, 200 + index)]])),
            moves=draw(st.sampled_from([[], [SlotMove(at=1.0, slot=0)], [SlotMove(at=1.2, slot=2)]])),
        )
        for index in range(draw(st.integers(1, 6)))
    ]
    media = Media(
        red=draw(st.booleans()),
        first_sequence=draw(st.sampled_from([None, 65_530])),
        first_timestamp=draw(st.sampled_from([None, 4_294_967_000])),
        reconnects=draw(st.sampled_from([[], [2.0]])),
        padding_probes=draw(st.sampled_from([0.0, 0.1])),
    )
    faults = draw(st.sampled_from([0.0, 0.2]))
    network = Network(
        loss=faults, duplicate=faults, reorder=faults, jitter=faults / 5, seed=draw(st.integers(0, 1000))
    )
    return Scenario(title="drawn", duration=4.0, participants=people, media=media, network=network)


def on_the_wire(plan: Iterable[PlannedPacket]) -> list[tuple[PlannedPacket, Wire]]:
    return [(packet, packet.wire) for packet in plan if packet.wire is not None]


def by_stream(plan: list[PlannedPacket]) -> list[list[tuple[PlannedPacket, Wire]]]:
    streams = defaultdict(list)
    for packet, wire in on_the_wire(plan):
        streams[wire.connection, wire.ssrc].append((packet, wire))
    return list(streams.values())


@settings(deadline=None, max_examples=60)
@given(scenarios())
def test_the_plan_of_any_scenario_follows_rtp(scenario: Scenario) -> None:
    plan = make_plan(scenario)
    assert [packet.meant for packet in plan] == sorted(packet.meant for packet in plan)
    for stream in by_stream(plan):
        for (earlier, before), (later, after) in pairwise(stream):
            assert after.sequence == (before.sequence + 1) % 65_536
            step = (after.timestamp - before.timestamp) % (1 << 32)
            if later.kind == "padding":
                assert step == 0
            elif earlier.csrc == later.csrc:
                assert step > 0 and step % 960 == 0
    for index, packet in enumerate(plan):
        assert (packet.wire is None) == (packet.fate in ("muted", "not_selected"))
        if packet.wire is not None:
            expected = {packet.csrc} if packet.csrc else set()
            assert set(packet.wire.csrcs) - {42} == expected
        if packet.copies is not None:
            copied = plan[packet.copies]
            assert packet.copies < index
            assert packet.wire is not None and copied.wire is not None
            assert copied.csrc == packet.csrc and copied.wire.ssrc == packet.wire.ssrc
            assert 0 < (packet.wire.timestamp - copied.wire.timestamp) % (1 << 32) < 1 << 14


@settings(deadline=None, max_examples=60)
@given(scenarios())
def test_at_most_three_sources_are_sent_at_once_each_in_one_slot(scenario: Scenario) -> None:
    sent = [(packet, wire) for packet, wire in on_the_wire(make_plan(scenario)) if packet.kind == "speech"]
    for index, (packet, _) in enumerate(sent):
        # Within one packet's time another source can take a slot, but no source is in two slots and no slot sends twice.
        now = [
            (other, wire) for other, wire in sent[index : index + 8] if other.meant - packet.meant < 0.0199
        ]
        slots = [wire.slot for _, wire in now]
        assert len(slots) == len(set(slots)) or any(person.moves for person in scenario.participants)
        assert len({other.participant for other, _ in now}) == len(now)


@settings(deadline=None, max_examples=20)
@given(scenarios())
def test_the_same_scenario_gives_the_same_plan(scenario: Scenario) -> None:
    assert make_plan(scenario) == make_plan(scenario)


@pytest.mark.parametrize("name", scenario_names())
def test_payloads_are_the_packets_of_the_voices_in_order(name: str) -> None:
    scenario = load_scenario(name)
    plan = make_plan(scenario)
    for index, person in enumerate(scenario.participants):
        speech = [
            packet.payload for packet in plan if packet.participant == index and packet.kind == "speech"
        ]
        loop = [packet.payload for packet in load_voice(person.voice).speech]
        assert speech == (loop * 3)[: len(speech)]


def test_all_packets_of_all_voices_differ() -> None:
    voices = [load_voice(name) for name in voice_names()]
    payloads = [packet.payload for voice in voices for packet in voice.speech + voice.noise]
    assert len(voices) >= 20
    assert len(payloads) == len(set(payloads))
    assert all(voice.noise[0].level > 55 for voice in voices)


def one(**fields: object) -> Participant:
    return Participant(**{"name": "A", "voice": "aria", "csrc": 7, **fields})  # type: ignore[arg-type]


def test_sender_clock_skew_changes_real_time_not_rtp_time() -> None:
    scenario = Scenario(title="x", duration=10, participants=[one(says=[(0.0, 10.0)], clock_ppm=100.0)])
    sent = on_the_wire(make_plan(scenario))
    (first, first_wire), (last, last_wire) = sent[0], sent[-1]
    media_seconds = (last_wire.timestamp - first_wire.timestamp) % (1 << 32) / 48_000
    assert media_seconds - (last.meant - first.meant) == pytest.approx(10 * 100e-6, abs=5e-5)


def test_dtx_is_ten_full_packets_then_one_byte_then_silence_of_400_ms() -> None:
    scenario = Scenario(title="x", duration=3, participants=[one(says=[(0.0, 1.0)], pauses="dtx")])
    plan = make_plan(scenario)
    first_quiet = next(index for index, packet in enumerate(plan) if packet.kind != "speech")
    kinds = [packet.kind for packet in plan[first_quiet:]]
    assert kinds[:15] == ["noise"] * 10 + ["dtx", "noise", "dtx", "noise", "dtx"]
    pause = plan[first_quiet + 11].meant - plan[first_quiet + 10].meant
    assert pause == pytest.approx(0.4)
    assert {len(packet.payload) for packet in plan if packet.kind == "dtx"} == {1}
    markers = [packet.wire.marker for packet in plan if packet.wire is not None]
    assert markers == [True] + [False] * (len(plan) - 1)


def test_moves_take_effect_during_speech_and_swap_slots() -> None:
    plan = make_plan(load_scenario("slot-moves"))
    helene = [(packet.meant, wire.slot) for packet, wire in on_the_wire(plan) if packet.participant == 0]
    changes = [(round(at, 1), slot) for (_, before), (at, slot) in pairwise(helene) if slot != before]
    assert changes == [(2.5, 1), (4.0, 2), (6.0, 0), (12.2, 2)]
    assert all(packet.fate == "sent" for packet in plan)


def test_crowd_does_not_send_the_fourth_talker() -> None:
    plan = make_plan(load_scenario("crowd"))
    assert sum(packet.fate == "not_selected" for packet in plan) > 100
    assert {packet.participant for packet in plan if packet.fate == "sent"} == set(range(20))


def test_timestamp_jumps_at_a_handover_are_independent_of_time() -> None:
    plan = make_plan(load_scenario("handover"))
    jumps = []
    for stream in by_stream(plan):
        for (earlier, before), (later, after) in pairwise(stream):
            if earlier.csrc != later.csrc:
                ticks = (after.timestamp - before.timestamp) % (1 << 32)
                jumps.append(abs(ticks / 48_000 - (later.meant - earlier.meant)))
    assert len(jumps) > 10
    assert sorted(jumps)[len(jumps) // 2] > 1.0


def test_wrap_wraps_both_numbers() -> None:
    for stream in by_stream(make_plan(load_scenario("wrap"))):
        wires = [wire for _, wire in stream]
        assert any(after.sequence < before.sequence for before, after in pairwise(wires))
        assert any(after.timestamp < before.timestamp for before, after in pairwise(wires))


def test_lossy_loses_a_tenth_and_most_of_it_is_recoverable() -> None:
    plan = make_plan(load_scenario("lossy"))
    lost = {index for index, packet in enumerate(plan) if packet.fate == "lost" and packet.kind == "speech"}
    recovered = {packet.copies for packet in plan if packet.fate == "sent"} & lost
    speech = [packet for packet in plan if packet.kind == "speech"]
    assert 0.07 < len(lost) / len(speech) < 0.13
    assert 0.8 < len(recovered) / len(lost) < 1.0
    assert any(packet.duplicates for packet in plan)
    assert any(packet.reordered_by for packet in plan)


def test_jitter_alone_keeps_the_order_in_a_slot() -> None:
    for stream in by_stream(make_plan(load_scenario("skewed"))):
        arrivals = [packet.meant + packet.delay for packet, _ in stream]
        assert arrivals == sorted(arrivals)
        assert max(packet.delay for packet, _ in stream) <= 0.03


def test_a_reconnect_begins_new_sequence_numbers() -> None:
    scenario = load_scenario("reconnect")
    streams = by_stream(make_plan(scenario))
    assert {wire.connection for stream in streams for _, wire in stream} == {0, 1, 2}
    starts = [stream[0][1].sequence for stream in streams]
    assert len(set(starts)) == len(starts)
    for stream in streams:
        connection = stream[0][1].connection
        times = [packet.meant for packet, _ in stream]
        assert min(times) >= [0.0, 6.0, 13.0][connection]
        assert max(times) < [6.0, 13.0, 20.0][connection]


def test_a_pause_ends_with_quiet_packets_then_dtx_then_nothing_unless_it_is_abrupt() -> None:
    def pause(pauses: str) -> list[tuple[str, float]]:
        scenario = Scenario(title="x", duration=5, participants=[one(says=[(0.0, 1.0)], pauses=pauses)])
        return [(packet.kind, packet.meant) for packet in make_plan(scenario) if packet.kind != "speech"]

    tail = pause("tail")
    assert [kind for kind, _ in tail] == ["noise"] * 10 + ["dtx", "noise", "dtx"]
    assert tail[-1][1] < 2.0 + 0.02
    assert len(pause("dtx")) > len(tail)
    assert pause("nothing") == []


def test_a_takeover_brings_every_packet_on_both_connections_until_the_old_one_goes() -> None:
    plan = make_plan(load_scenario("wire/make-before-break"))
    for index, (packet, wire) in enumerate(on_the_wire(plan)):
        if packet.repeats is None:
            assert wire.connection == (packet.meant >= 8.0)
            continue
        original = plan[packet.repeats]
        assert packet.repeats < index
        assert 5.0 <= packet.meant < 8.0 and wire.connection == 1
        assert original.wire is not None and original.wire.connection == 0
        assert (packet.payload, packet.csrc, packet.meant) == (
            original.payload,
            original.csrc,
            original.meant,
        )
    both = [packet for packet in plan if packet.wire and 5.0 <= packet.meant < 8.0]
    assert sum(packet.repeats is not None for packet in both) == len(both) // 2 > 200


def test_a_restart_gives_every_stream_new_numbers_and_the_same_ssrc() -> None:
    scenario = load_scenario("tape/sequence-restart")
    jumps = []
    for stream in by_stream(make_plan(scenario)):
        for (_, before), (later, after) in pairwise(stream):
            jump = (after.sequence - before.sequence) % 65_536
            if jump != 1:
                jumps.append((later.meant, jump))
    assert len(jumps) > 3
    for at, jump in jumps:
        assert any(restart <= at for restart in scenario.media.sequence_restarts)
        assert 1_000 <= jump < 1 << 16


def test_a_joint_packet_lists_both_and_belongs_to_its_sender() -> None:
    plan = make_plan(load_scenario("tape/several-csrcs"))
    joint = [(packet, wire) for packet, wire in on_the_wire(plan) if packet.also]
    assert {(packet.csrc, *packet.also) for packet, _ in joint} == {(620001, 620002), (620002, 620001)}
    for packet, wire in joint:
        assert set(wire.csrcs) - {42} == {packet.csrc, *packet.also}


def test_foreign_payloads_take_the_place_of_speech_and_are_never_in_red() -> None:
    scenario = load_scenario("wire/foreign-payloads")
    plan = make_plan(msgspec.structs.replace(scenario, media=Media(red=True, other_payloads=True)))
    foreign = [packet for packet in plan if packet.kind == "foreign"]
    assert {packet.codec for packet in foreign} == {"telephone_event", "comfort_noise", "pcmu", "opus"}
    assert {len(packet.payload) for packet in foreign if packet.codec == "opus"} == {1300}
    payloads = [packet.payload for packet in foreign if packet.codec == "telephone_event"]
    assert len(set(payloads)) == len(payloads) == 20
    for packet in plan:
        if packet.copies is not None:
            assert packet.codec == plan[packet.copies].codec == "opus"


@pytest.mark.parametrize("ms", [10, 20, 40, 60, 120])
def test_packets_of_any_length_follow_each_other_without_a_gap(ms: Literal[10, 20, 40, 60, 120]) -> None:
    person = one(says=[(0.0, 4.0)], packets=Packets(ms=ms), pauses="nothing")
    sent = on_the_wire(make_plan(Scenario(title="x", duration=5, participants=[person])))
    assert {packet.seconds for packet, _ in sent} == {ms / 1000}
    for (earlier, before), (later, after) in pairwise(sent):
        assert (after.timestamp - before.timestamp) % (1 << 32) == ms * 48
        assert later.meant - earlier.meant == pytest.approx(ms / 1000)
