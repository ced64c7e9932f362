from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from fixtures.replica.meet.plan import make_plan
from fixtures.replica.plan import PlannedPacket
from fixtures.replica.scenario import Media, Network, Participant, Scenario
from fixtures.replica.truth import Outcome, Truth, TruthError, TruthWriter, opus_seconds, read_truth

STARTED_AT = 1_700_000_000.0


def a_scenario() -> Scenario:
    people = [
        Participant(name="Ann/é", voice="aria", csrc=7, says=[(0.0, 1.0)], mutes=[(0.5, 0.6)], pauses="dtx"),
        Participant(name="Bo", voice="bruno", csrc=8, says=[(0.2, 0.8)]),
    ]
    media = Media(red=True, padding_probes=0.1)
    return Scenario(title="Truth", duration=2.0, participants=people, media=media, network=Network(loss=0.3))


def written(path: Path, plan: list[PlannedPacket], outcomes: dict[int, Outcome]) -> Truth:
    with TruthWriter(path, plan, "Truth", 2.0, ["Ann/é", "Bo"]) as writer:
        writer.start(STARTED_AT)
        for place, outcome in outcomes.items():
            writer.record(place, outcome)
    return read_truth(path)


def as_planned(plan: list[PlannedPacket]) -> dict[int, Outcome]:
    return {
        place: Outcome(
            packet.fate,
            sent_at=STARTED_AT + packet.meant + 0.001 if packet.fate == "sent" else None,
            connection=0,
        )
        for place, packet in enumerate(plan)
    }


def test_a_written_truth_is_read_with_every_packet_once(tmp_path: Path) -> None:
    plan = make_plan(a_scenario())
    truth = written(tmp_path / "truth.jsonl", plan, as_planned(plan))
    assert truth.header.started_at == STARTED_AT
    assert truth.header.participants == ["Ann/é", "Bo"]
    assert len(truth.packets) == len(plan)
    planned = sorted(plan, key=lambda packet: (packet.meant, packet.participant))
    for line, packet in zip(truth.packets, planned, strict=True):
        assert line.meant_at == pytest.approx(STARTED_AT + packet.meant, abs=1e-6)
        assert line.sha256 == sha256(packet.payload).hexdigest()
        assert (line.fate, line.csrc, line.kind, line.length) == (
            packet.fate,
            packet.csrc,
            packet.kind,
            len(packet.payload),
        )
        assert line.sequence == (packet.wire.sequence if packet.wire else None)
        assert line.silent == (packet.kind in ("dtx", "padding"))
        assert line.seconds == (0.0 if packet.kind == "padding" else 0.02)
    assert {packet.fate for packet in truth.packets} == {"sent", "lost", "muted"}


def test_a_packet_is_recoverable_if_a_sent_packet_carries_its_copy(tmp_path: Path) -> None:
    plan = make_plan(a_scenario())
    truth = written(tmp_path / "truth.jsonl", plan, as_planned(plan))
    carried = {
        (plan[packet.copies].csrc, plan[packet.copies].meant)
        for packet in plan
        if packet.copies is not None and packet.fate == "sent"
    }
    for line in truth.packets:
        assert line.recoverable == any(
            csrc == line.csrc and line.kind != "padding" and abs(STARTED_AT + meant - line.meant_at) < 1e-4
            for csrc, meant in carried
        )
    lost = [line for line in truth.packets if line.fate == "lost" and line.kind != "padding"]
    assert {line.recoverable for line in lost} == {True, False}


def test_audible_packets_arrived_and_are_not_silent(tmp_path: Path) -> None:
    plan = make_plan(a_scenario())
    truth = written(tmp_path / "truth.jsonl", plan, as_planned(plan))
    audible = truth.audible(0)
    assert truth.speakers() == [0, 1]
    assert all(line.name == "Ann/é" and not line.silent for line in audible)
    assert all(line.fate == "sent" or line.recoverable for line in audible)
    assert [line.meant_at for line in audible] == sorted(line.meant_at for line in audible)


def test_packets_after_the_end_of_a_shortened_run_are_unsent(tmp_path: Path) -> None:
    plan = make_plan(a_scenario())
    outcomes = dict(list(as_planned(plan).items())[:40])
    truth = written(tmp_path / "truth.jsonl", plan, outcomes)
    assert len(truth.packets) == len(plan)
    assert sum(packet.fate == "unsent" for packet in truth.packets) == len(plan) - 40


def test_a_run_that_never_began_has_only_a_header(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    writer = TruthWriter(path, make_plan(a_scenario()), "Truth", 2.0, ["Ann/é", "Bo"])
    writer.close()
    writer.close()
    truth = read_truth(path)
    assert truth.header.started_at is None
    assert truth.packets == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no line of type 'run'"),
        ("{", "line 1"),
        ('{"type":"packet"}', "line 1"),
        (
            '{"type":"run","version":9,"title":"x","duration":1,"started_at":null,"participants":[]}',
            "version 9, expected 1",
        ),
    ],
)
def test_the_error_for_an_invalid_truth_names_the_line_or_version(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "truth.jsonl"
    path.write_text(text, "utf-8")
    with pytest.raises(TruthError, match=message):
        read_truth(path)


@pytest.mark.parametrize(
    ("payload", "seconds"),
    [
        (b"", 0.0),
        (b"\xf8\xff\xfe", 0.02),
        (b"\xe0\xff\xfe", 0.0025),
        (b"\x08", 0.02),
        (b"\x18", 0.06),
        (b"\x60", 0.01),
        (b"\x49", 0.04),
        (b"\x4b\x03", 0.06),
        (b"\x4b", 0.0),
    ],
)
def test_opus_seconds_follows_the_table_of_contents(payload: bytes, seconds: float) -> None:
    assert opus_seconds(payload) == pytest.approx(seconds)
