"""Where an RTP clock puts timestamps: anchoring, resuming after pauses, stalls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.stems.jitter_buffer import Packet
from worker.stems.rtp_clock import STALE, STALL_EVIDENCE, RtpClock, lowest_offset, same_clock


def packets(count: int, *, first: int = 0, delay: float = 0.0, csrc: int = 7) -> list[Packet]:
    """Packets of 20 ms from timestamp ``first`` on, each ``delay`` seconds late."""
    timestamps = [first + number * 960 for number in range(count)]
    return [
        Packet(number, timestamp, timestamp / 48_000 + delay, 0.0, csrc, 0.1, b"speech", (csrc,))
        for number, timestamp in enumerate(timestamps)
    ]


def anchored(delay: float = 0.0) -> RtpClock:
    clock = RtpClock()
    (first,) = packets(1, delay=delay)
    clock.anchor(first.timestamp, lowest_offset(first, []))
    return clock


@given(st.integers(0, 1 << 40), st.floats(0, 1e9))
def test_anchor_rounds_the_arrival_to_a_multiple_of_2500_us(timestamp: int, arrival: float) -> None:
    clock = RtpClock()
    clock.anchor(timestamp, arrival - timestamp)
    place = clock.base + timestamp
    assert place % 120 == 0
    assert abs(place - arrival) <= 61


def test_same_clock_ends_at_another_source_a_step_back_and_a_long_gap() -> None:
    first, *others = packets(4)
    assert same_clock(first, others) == [first, *others]
    assert same_clock(first, [others[0], *packets(1, csrc=8)]) == [first, others[0]]
    assert same_clock(others[0], [first]) == [others[0]]
    assert same_clock(first, packets(1, first=48_961)) == [first]


def test_lowest_offset_is_that_of_the_least_delayed_packet() -> None:
    assert lowest_offset(packets(1, delay=0.05)[0], packets(3, first=960, delay=0.01)) == pytest.approx(480)


def test_resume_leaves_a_place_that_is_at_most_5_ms_off() -> None:
    clock = anchored(delay=0.005)
    clock.resume(packets(1, first=96_000)[0], [], 95_040)
    assert clock.base == 240


def test_resume_moves_a_place_that_is_more_than_5_ms_off_to_the_floor() -> None:
    clock = anchored(delay=0.008)
    clock.resume(packets(1, first=96_000)[0], [], 95_040)
    assert clock.base == 0


@pytest.mark.parametrize("gap", [STALE + 1, -1], ids=["long gap", "step back"])
def test_resume_anchors_anew_where_the_old_floor_says_nothing(gap: int) -> None:
    clock = anchored()
    clock.resume(packets(1, first=960_000, delay=0.05)[0], [], gap)
    assert clock.base == 2_400


def test_resume_ignores_a_delay_that_jitter_explains() -> None:
    clock = anchored()
    clock.resume(packets(1, first=96_000, delay=0.05)[0], [], 95_040)
    assert clock.base == 0


@pytest.mark.parametrize(
    ("count", "delay", "base"), [(STALL_EVIDENCE, 0.2, 9_600), (STALL_EVIDENCE - 1, 0.2, 0), (50, 0.09, 0)]
)
def test_check_stall_anchors_anew_only_where_enough_packets_are_all_late(
    count: int, delay: float, base: int
) -> None:
    clock = anchored()
    first, *others = packets(count, first=960, delay=delay)
    clock.check_stall(first, others)
    assert clock.base == base


def test_check_stall_ignores_a_stalled_network() -> None:
    clock = anchored()
    first, *others = packets(20, first=960, delay=0.2)
    clock.check_stall(first, [*others, *packets(1, first=20_160)])
    assert clock.base == 0
