"""Where an RTP clock puts timestamps: anchoring, resuming after pauses, stalls."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.late_packets import late, packets
from worker.stems.arrival_pace import FEW, lowest_offset
from worker.stems.jitter_buffer import Packet
from worker.stems.rtp_clock import STALL, STALL_IN_SPEECH, RtpClock


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


def resume(
    clock: RtpClock, delays: list[float], *, gap: float = 1.98, pace: float = 1.0, step: float = 0.0
) -> None:
    """Resumes after ``gap`` seconds with packets that are ``delays`` seconds late and come at ``pace`` times real time."""
    clock.resume(
        *late(delays, first=960 + round(gap * 48_000), pace=pace), round(gap * 48_000), step * 48_000
    )


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
        (LONG, 3.0, 1, 0.0, False),
        (LONG, 3.0, 1.1, 3.0, False),
        (SHORT, 3.0, 4, 3.0, False),
        (2, 3.0, 1000, 3.0, False),
        (2, 3.0, 1, 3.0, True),
        (SHORT, 31.0, 4, 31.0, True),
    ],
    ids=[
        "one",
        "word",
        "rest of a queue",
        "rest of a long queue",
        "slow drain",
        "fast drain",
        "heap of two",
        "two in real time",
        "longer than a connection lives",
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
            assert clock.base == pytest.approx(delay * 48_000, abs=0.02 * count * 48_000 * (1 - 1 / pace))


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


def unsure(delays: list[float], *, pace: float = 1.0, step: float = 3.0, least: int = STALL) -> bool:
    return anchored().is_unsure(*late(delays, pace=pace), step * 48_000, least)


def test_many_packets_without_jitter_show_at_once_why_they_are_late() -> None:
    assert not unsure([3.0] * LONG)
    assert not unsure([3.0] * LONG, pace=1.1)
    assert not unsure([3.0] * LONG, pace=8)


def test_a_few_packets_or_jitter_do_not_show_why_they_are_late() -> None:
    assert unsure([3.0] * SHORT)
    assert unsure([3.0])
    assert unsure([3.0 + 0.03 * (number % 2) for number in range(LONG)])


@pytest.mark.parametrize(
    ("delay", "step", "least"),
    [
        (0.09, 0.09, STALL),
        (3.0, 0.05, STALL),
        (0.9, 0.9, STALL_IN_SPEECH),
        (3.0, 0.9, STALL_IN_SPEECH),
        (31.0, 31.0, STALL),
    ],
)
def test_packets_that_no_stall_explains_need_no_longer_look(delay: float, step: float, least: int) -> None:
    assert not unsure([delay] * SHORT, step=step, least=least)


def late_for(seconds: float, delay: Callable[[float], float]) -> RtpClock:
    """A clock that is asked each second about packets that are late by ``delay`` of the time since the first."""
    clock = anchored()
    for second in range(int(seconds) + 1):
        first = 48_000 * (second + 1)
        each = [
            packets(1, first=first + 960 * number, delay=delay(second + 0.02 * number))[0]
            for number in range(LONG)
        ]
        clock.check_stall(each[0], each[1:], 0.0)
    return clock


def test_packets_that_stay_late_without_a_step_are_those_of_a_clock_that_stood_still() -> None:
    assert late_for(4.0, lambda _: 3.0).base == 0
    assert late_for(5.0, lambda _: 3.0).base == 3 * 48_000


def test_packets_that_get_less_late_are_queued_however_long_that_takes() -> None:
    assert late_for(20.0, lambda at: 3.0 - 0.05 * at).base == 0


def test_lateness_counts_anew_after_a_word_that_was_in_time() -> None:
    clock = anchored()
    for second, delay in ((1, 0.3), (3, 0.0), (8, 0.3)):
        first, *others = packets(20, first=second * 48_000, delay=delay)
        clock.resume(first, others, 48_000, 0.0)
    assert clock.base == 0


def test_lateness_counts_anew_after_packets_that_were_in_time() -> None:
    clock = anchored()
    for first, delay in ((48_000, 3.0), (240_000, 0.0), (480_000, 3.0)):
        each = packets(LONG, first=first, delay=delay)
        if delay:
            clock.check_stall(each[0], each[1:], 0.0)
        clock.floor.lower(each[-1].arrival * 48_000 - each[-1].timestamp)
        clock.roll(each[-1].timestamp)
    assert clock.base == 0


@pytest.mark.parametrize(
    ("stood", "later", "base"),
    [
        (3.0, 2.95, 2.95),
        (3.0, 2.85, 2.85),
        (3.0, 2.75, 0.0),
        (3.0, 0.5, 0.0),
        (0.2, 0.15, 0.15),
        (0.2, 0.05, 0.0),
    ],
)
def test_a_clock_that_stood_still_does_not_make_up_for_it(stood: float, later: float, base: float) -> None:
    """Packets that are by 200 ms, or by half, less late than at the standstill show that it was a queue."""
    clock = anchored()
    resume(clock, [stood] * LONG, step=stood)
    assert clock.base == pytest.approx(stood * 48_000)
    first, *others = packets(LONG, first=480_000, delay=later)
    clock.resume(first, others, 48_000, 0.0)
    assert clock.base == pytest.approx(base * 48_000, abs=61)


def test_a_path_that_gets_shorter_a_minute_after_a_standstill_refutes_nothing() -> None:
    clock = anchored()
    resume(clock, [3.0] * LONG, step=3.0)
    first, *others = packets(LONG, first=62 * 48_000, delay=2.7)
    clock.resume(first, others, 48_000, 0.0)
    assert clock.base == pytest.approx(2.7 * 48_000, abs=61)
