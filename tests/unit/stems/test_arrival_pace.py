"""Whether late packets come faster than real time."""

import random

import pytest

from tests.support.late_packets import late, packets
from worker.stems.arrival_pace import (
    FEW,
    SLOPE,
    comes_faster,
    is_plain,
    lowest_offset,
    same_clock,
    same_source,
)


def test_same_clock_ends_at_another_source_a_step_back_and_a_long_gap() -> None:
    first, *others = packets(4)
    assert same_clock(first, others) == [first, *others]
    assert same_clock(first, [others[0], *packets(1, csrc=8)]) == [first, others[0]]
    assert same_clock(others[0], [first]) == [others[0]]
    assert same_clock(first, packets(1, first=48_961)) == [first]


def test_lowest_offset_is_that_of_the_least_delayed_packet() -> None:
    assert lowest_offset(packets(1, delay=0.05)[0], packets(3, first=960, delay=0.01)) == pytest.approx(480)


def test_same_source_goes_on_after_pauses_of_up_to_30_s() -> None:
    (first,) = packets(1)
    after_a_pause = packets(1, first=30 * 48_000)
    assert same_source(first, after_a_pause) == [first, *after_a_pause]
    assert same_source(first, packets(1, first=30 * 48_000 + 1)) == [first]
    assert same_source(first, packets(1, first=960, csrc=8)) == [first]
    assert same_source(after_a_pause[0], [first]) == after_a_pause


@pytest.mark.parametrize("count", [SLOPE, FEW - 1, FEW, 100])
@pytest.mark.parametrize("pace", [1.1, 1.3, 2.0, 8.0])
def test_a_queue_shows_without_jitter(count: int, pace: float) -> None:
    first, others = late([3.0] * count, pace=pace)
    enough = 0.02 * count * (1 - 1 / pace) > 0.012
    assert comes_faster([first, *others]) == enough


@pytest.mark.parametrize("count", [3, 5, SLOPE - 1])
def test_a_few_packets_show_no_slope(count: int) -> None:
    first, others = late([3.0] * count, pace=2)
    assert not comes_faster([first, *others])


@pytest.mark.parametrize("count", [SLOPE, 11, FEW - 1])
def test_jitter_of_a_few_packets_is_no_queue(count: int) -> None:
    """The first third is late by chance."""
    third = count // 3
    delays = [3.02 if number < third or number % 3 else 3.0 for number in range(count)]
    assert not comes_faster([late(delays)[0], *late(delays)[1]])


@pytest.mark.parametrize("count", [1, 2, 5, FEW, 100])
def test_packets_in_real_time_are_no_queue(count: int) -> None:
    assert not comes_faster(packets(count, delay=3.0))


@pytest.mark.parametrize("count", [2, 3, 5, SLOPE])
def test_a_few_that_come_at_once_are_a_heap(count: int) -> None:
    first, others = late([3.0] * count, pace=1_000)
    assert comes_faster([first, *others])


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("jitter", [0.01, 0.03, 0.05])
def test_jitter_of_packets_in_real_time_is_no_queue(seed: int, jitter: float) -> None:
    rng = random.Random(seed)
    first, others = late([3.0 + rng.uniform(0, jitter) for _ in range(rng.choice([FEW, 30, 100]))])
    assert not comes_faster([first, *others])


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("pace", [1.1, 1.3, 2.0])
def test_a_queue_shows_through_jitter_within_two_seconds(seed: int, pace: float) -> None:
    rng = random.Random(seed)
    first, others = late([3.0 + rng.uniform(0, 0.05) for _ in range(round(100 * pace))], pace=pace)
    assert comes_faster([first, *others])


def test_a_few_packets_are_never_plain() -> None:
    assert not is_plain(packets(FEW - 1, delay=3.0))
    assert is_plain(packets(FEW, delay=3.0))
