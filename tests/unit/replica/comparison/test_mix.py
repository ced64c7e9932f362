"""The comparison finds the errors of a Teams recording, and none in a perfect one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from fixtures.replica.comparison.mix import attribution, compare_mix, is_mix, lists_sources
from fixtures.replica.comparison.stems import Recorded, Stem, StemPacket
from fixtures.replica.scenario import Network, Participant, Scenario
from fixtures.replica.teams.mix_scenario import MixMedia
from fixtures.replica.truth import Truth, TruthPacket, audible
from tests.support.plan_tapes import plan_tape, write_plan_truth
from tests.support.tapes import STARTED_AT
from worker.tape.events import ChannelMessage, FrameBatch

ANN, BO = 414, 415


def a_scenario(**mix: Any) -> Scenario:
    people = [
        Participant(name="Ann", voice="aria", csrc=ANN, says=[(0.0, 2.0), (4.0, 5.0)]),
        Participant(name="Bo", voice="bruno", csrc=BO, says=[(1.5, 3.5)]),
    ]
    return Scenario(
        title="two",
        duration=6.0,
        platform="microsoft_teams",
        participants=people,
        mix=MixMedia(**mix),
        network=Network(loss=0.05),
    )


def stem(
    csrc: int | None, name: str, packets: Iterable[TruthPacket], overlaps: list[Any] | None = None
) -> Stem:
    """A stem with these packets at their places."""
    held = [
        StemPacket(
            place := round((packet.meant_at - STARTED_AT) * 48_000), place / 48_000, packet.sha256, False
        )
        for packet in packets
    ]
    segment = {"sources": [{"ssrc": 7001, "csrc": csrc}], "duration_seconds": 6.0, "overlaps": overlaps or []}
    return Stem({"participant_name": name}, segment, held)


def audible_packets(truth: Truth) -> list[TruthPacket]:
    return [packet for packet in truth.packets if audible(packet)]


def perfect_stems(truth: Truth) -> dict[int, Stem]:
    """The stems of a perfect recording."""
    stems = {}
    for csrc, name in ((ANN, "Ann"), (BO, "Bo")):
        mine = [packet for packet in audible_packets(truth) if csrc in packet.listed]
        overlaps = [
            {
                "start_seconds": packet.meant_at - STARTED_AT,
                "end_seconds": packet.meant_at - STARTED_AT + 0.02,
                "csrcs": [other for other in packet.listed if other != csrc],
            }
            for packet in mine
            if len(packet.listed) > 1
        ]
        stems[csrc] = stem(csrc, name, mine, overlaps)
    return stems


def test_a_perfect_recording_is_exact(tmp_path: Path) -> None:
    truth = write_plan_truth(a_scenario(pauses="comfort_noise", red=True), tmp_path / "truth.jsonl")
    assert is_mix(truth) and lists_sources(truth)
    stems = compare_mix(Recorded(STARTED_AT, list(perfect_stems(truth).values())), truth)
    assert [(each.name, each.expected_name, each.exact) for each in stems] == [
        ("Ann", "Ann", True),
        ("Bo", "Bo", True),
    ]
    assert max(each.place_error(1.0) for each in stems) < 0.001
    assert attribution(Recorded(STARTED_AT, list(perfect_stems(truth).values())), truth).share > 0.99


def test_missing_and_foreign_packets_and_wrong_overlaps_are_found(tmp_path: Path) -> None:
    truth = write_plan_truth(a_scenario(), tmp_path / "truth.jsonl")
    ann = perfect_stems(truth)[ANN]
    foreign_packets = [packet for packet in audible_packets(truth) if packet.listed == [BO]][-3:]
    with_foreign = stem(
        BO, "Bo", [packet for packet in audible_packets(truth) if packet.listed == [BO]] + foreign_packets
    )
    shorter = Stem(ann.person, ann.segment, [*ann.packets[1:], *stem(None, "", foreign_packets).packets])
    found = compare_mix(Recorded(STARTED_AT, [shorter, with_foreign]), truth)
    assert (found[0].missing, found[0].foreign, found[0].exact) == (1, 3, False)
    shared = sum(len(packet.listed) > 1 for packet in audible_packets(truth))
    assert (found[1].missing, found[1].exact) == (shared, False)
    without_overlaps = Stem(ann.person, {**ann.segment, "overlaps": []}, ann.packets)
    assert compare_mix(Recorded(STARTED_AT, [without_overlaps]), truth)[0].overlap_errors == shared
    without = compare_mix(Recorded(STARTED_AT, []), truth)
    assert [(each.name, each.csrc) for each in without] == [("(no stem)", ANN), ("(no stem)", BO)]


def test_speech_without_sources_belongs_to_the_unknown_speaker_and_noise_may_be_left_out(
    tmp_path: Path,
) -> None:
    truth = write_plan_truth(a_scenario(pauses="comfort_noise", csrcs=False), tmp_path / "truth.jsonl")
    assert not lists_sources(truth)
    all_of_it = audible_packets(truth)
    speech = [packet for packet in all_of_it if packet.kind == "speech"]
    for kept in (all_of_it, speech):
        (unknown,) = compare_mix(Recorded(STARTED_AT, [stem(None, "Unknown 1", kept)]), truth)
        assert unknown.exact
    (lost,) = compare_mix(Recorded(STARTED_AT, []), truth)
    assert lost.missing == len(speech)


def test_attribution_adds_up_the_time_by_stem(tmp_path: Path) -> None:
    truth = write_plan_truth(a_scenario(csrcs=False), tmp_path / "truth.jsonl")
    speech = audible_packets(truth)
    anns = [packet for packet in speech if packet.mixed == [0]]
    bos = [packet for packet in speech if packet.mixed == [1]]
    shared = [packet for packet in speech if len(packet.mixed or ()) == 2]
    stems = [
        stem(ANN, "Ann", [*anns, *shared, *bos[:10]]),
        stem(None, "Bo", bos[10:30]),
        stem(None, "?", bos[30:40]),
    ]
    result = attribution(Recorded(STARTED_AT, stems), truth)
    seconds = {field: round(getattr(result, field) / 0.02) for field in result.__struct_fields__}
    assert seconds == {
        "right": len(anns) + 20,
        "wrong": 10,
        "unknown": 10,
        "nowhere": len(bos) - 40,
        "shared": len(shared),
        "shared_nowhere": 0,
    }
    assert result.share == pytest.approx((len(anns) + 20) / (len(anns) + len(bos)))
    assert not result.good


def test_the_synthetic_tape_has_the_packets_of_its_truth(tmp_path: Path) -> None:
    scenario = a_scenario(red=True, swaps=[2.5], declared_ssrcs=False)
    truth = write_plan_truth(scenario, tmp_path / "truth.jsonl")
    message = ChannelMessage(
        at=STARTED_AT + 1.05, document=1, connection=0, label="main-channel", payload=b""
    )
    tape = list(plan_tape(scenario, [message]))
    batches = [event for event in tape if isinstance(event, FrameBatch)]
    frames = {(frame.ssrc, frame.sequence): frame.csrcs for batch in batches for frame in batch.frames}
    sent = {
        (packet.ssrc, packet.sequence): tuple(packet.listed)
        for packet in truth.packets
        if packet.fate == "sent"
    }
    assert frames == sent
    assert [batch.sequence for batch in batches] == list(range(len(batches)))
    place = tape.index(message)
    assert [type(event) for event in tape[place - 1 : place + 2]] == [FrameBatch, ChannelMessage, FrameBatch]
