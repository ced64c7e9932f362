from __future__ import annotations

import msgspec

from fixtures.replica.comparison.place import place_error, place_spans
from fixtures.replica.truth import TruthPacket

AT = 1_790_000_000.0


def packet(place: int, late: float = 0.0, queued: float = 0.0) -> TruthPacket:
    """The ``place``-th packet, which left ``late`` seconds after its time, ``queued`` of it because of the network."""
    meant_at = AT + place / 50
    values = {
        "participant": 0,
        "name": "A",
        "csrc": 7,
        "kind": "speech",
        "fate": "sent",
        "meant_at": meant_at,
        "sent_at": meant_at + late,
        "recoverable": False,
        "duplicate": 0,
        "reordered_by": 0.0,
        "queued": queued,
        "sha256": str(place),
        "length": 9,
        "silent": False,
        "seconds": 0.02,
        "level": 20,
        "connection": 0,
        "slot": 0,
        "ssrc": 1,
        "sequence": place,
        "timestamp": 960 * place,
        "marker": False,
        "red": False,
    }
    return msgspec.convert(values, TruthPacket)


def delays(packets: list[TruthPacket]) -> list[tuple[float, float]]:
    return [
        (round(start - each.meant_at, 6), round(end - each.meant_at, 6))
        for each, (start, end) in zip(packets, place_spans(packets), strict=True)
    ]


def test_a_constant_delay_is_a_point() -> None:
    for start, end in delays([packet(place, late=0.003) for place in range(200)]):
        assert (start, end) == (0.003, 0.003)


def test_queues_of_the_network_and_of_a_busy_machine_move_nothing() -> None:
    stalled = [packet(place, late=3.0, queued=3.0) for place in range(100, 200)]
    starved = [packet(place, late=0.3 - 0.003 * (place - 400)) for place in range(400, 500)]
    calm = [packet(place) for place in [*range(100), *range(200, 400), *range(500, 900)]]
    packets = sorted([*stalled, *starved, *calm], key=lambda each: each.meant_at)
    for start, end in delays(packets):
        assert start == 0.0
        assert end <= 0.15


def test_a_longer_path_allows_both_delays_for_a_while() -> None:
    packets = [packet(place, late=0.0 if place < 1000 else 0.2) for place in range(4000)]
    spans = delays(packets)
    assert spans[900] == (0.0, 0.0)
    assert spans[1500] == (0.0, 0.2)
    assert spans[3900] == (0.2, 0.2)


def test_a_replica_that_is_late_throughout_is_not_held_against_the_recorder() -> None:
    for start, end in delays([packet(place, late=0.5) for place in range(300)]):
        assert start == end == 0.5


def test_the_error_is_signed_and_zero_within_the_span() -> None:
    assert [place_error(at, (1.0, 2.0)) for at in (0.5, 1.0, 1.5, 2.25)] == [-0.5, 0.0, 0.0, 0.25]
