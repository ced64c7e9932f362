"""Where an RTP clock puts timestamps: anchoring, resuming after pauses, stalls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.stems.jitter_buffer import Packet
from worker.stems.rtp_clock import FEW, RtpClock, lowest_offset, same_clock


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


def resume(
    clock: RtpClock, delays: list[float], *, gap: float = 1.98, pace: float = 1.0, step: float = 0.0
) -> None:
    """Resumes after ``gap`` seconds with packets that are ``delays`` seconds late and come at ``pace`` times real time."""
    clock.resume(
        *late(delays, first=960 + round(gap * 48_000), pace=pace), round(gap * 48_000), step * 48_000
    )


def late(delays: list[float], *, first: int = 960, pace: float = 1.0) -> tuple[Packet, list[Packet]]:
    """Packets from timestamp ``first`` on; the first comes late by the first delay, the others at ``pace`` from there on."""
    made = [packets(1, first=first + number * 960, delay=delay)[0] for number, delay in enumerate(delays)]
    for number, each in enumerate(made):
        each.arrival -= number * 0.02 * (1 - 1 / pace)
    return made[0], made[1:]


@given(st.integers(0, 1 << 40), st.integers(-9_600, 9_600))
def test_resume_moves_the_place_to_the_multiple_of_2500_us_that_is_nearest_to_the_floor(
    timestamp: int, base: int
) -> None:
    clock = anchored()
    clock.base = base
    clock.resume(Packet(1, timestamp, timestamp / 48_000, 0.0, 7, 0.1, b"speech", (7,)), [], 960, 0.0)
    assert (clock.base + timestamp) % 120 == 0
    assert abs(clock.base) <= 60


def test_resume_anchors_anew_after_a_step_back() -> None:
    clock = anchored()
    clock.resume(*late([0.05], first=960_000), -1, 0)
    assert clock.base == 2_400


@pytest.mark.parametrize(
    ("pause", "delay", "place"), [(9.0, 0.02, 0), (20.0, 0.02, 0.002), (40.0, 0.02, 0.02)]
)
def test_after_a_pause_the_clock_may_have_drifted_by_100_ppm(
    pause: float, delay: float, place: float
) -> None:
    clock = anchored()
    resume(clock, [delay], gap=pause)
    assert clock.base == pytest.approx(place * 48_000, abs=61)
    assert clock.floor.value == pytest.approx(place * 48_000, abs=1)


def test_resume_ignores_a_delay_that_jitter_explains() -> None:
    clock = anchored()
    resume(clock, [0.05] * 30, step=0.05)
    assert clock.base == 0


LONG, SHORT = 30, FEW - 1


@pytest.mark.parametrize(
    ("count", "delay", "pace", "step", "stood"),
    [
        (1, 3.0, 1, 3.0, True),
        (SHORT, 3.0, 1, 3.0, True),
        (SHORT, 3.0, 1, 0.0, False),
        (LONG, 3.0, 1, 0.0, True),
        (LONG, 3.0, 1.25, 3.0, False),
        (SHORT, 3.0, 4, 3.0, False),
        (2, 3.0, 1000, 3.0, False),
        (2, 3.0, 1, 3.0, True),
    ],
    ids=[
        "one",
        "word",
        "rest of a queue",
        "long",
        "slow drain",
        "fast drain",
        "heap of two",
        "two in real time",
    ],
)
def test_the_clock_stood_still_where_packets_come_late_and_in_real_time(
    count: int, delay: float, pace: float, step: float, stood: bool
) -> None:
    for after_a_pause in (True, False):
        clock = anchored()
        if after_a_pause:
            resume(clock, [delay] * count, pace=pace, step=step)
        else:
            clock.check_stall(*late([delay] * count, pace=pace), step * 48_000)
        assert (clock.base > 0) == stood
        if stood:
            assert clock.base == delay * 48_000


@pytest.mark.parametrize(("delay", "base"), [(0.09, 0), (0.11, 5_280), (0.9, 43_200)])
def test_after_a_pause_100_ms_are_a_stall(delay: float, base: int) -> None:
    clock = anchored()
    resume(clock, [delay] * LONG, step=delay)
    assert clock.base == base


@pytest.mark.parametrize(("delay", "base"), [(0.9, 0), (1.1, 52_800)])
def test_in_the_middle_of_speech_a_second_is_a_stall(delay: float, base: int) -> None:
    clock = anchored()
    clock.check_stall(*late([delay] * LONG), delay * 48_000)
    assert clock.base == base


def test_a_stalled_network_does_not_move_the_clock() -> None:
    clock = anchored()
    first, others = late([2.0] * 20)
    clock.check_stall(first, [*others, *packets(1, first=20_160)], 2.0 * 48_000)
    assert clock.base == 0
