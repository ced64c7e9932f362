"""Whatever a page says of its batches' numbers, what is counted stays possible, and honest batches count exactly."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.browser.batch_numbers import MOST_MISSING, BatchNumbers, Counted

SINCE = 1_800_000_000.0
RATE = 100.0
"""Frames a second."""

UINT32 = st.one_of(st.integers(0, 40), st.integers(0, 5000), st.integers(0, 0xFFFF_FFFF))
STEP = st.floats(-5, 50)
HOSTILE = st.lists(st.tuples(UINT32, UINT32, STEP), max_size=30)
"""Sequence, dropped, and seconds since the batch before."""


def feed(
    numbers: BatchNumbers, batches: list[tuple[int, int, float]], at: float = SINCE
) -> tuple[list[Counted], float]:
    """What each batch counts as, and when the last of them came."""
    counted = []
    for sequence, dropped, step in batches:
        at += step
        counted.append(numbers.take(sequence, dropped, at))
    return counted, at


@given(HOSTILE)
def test_whatever_numbers_come_the_counts_are_possible_and_never_go_back(
    batches: list[tuple[int, int, float]],
) -> None:
    numbers = BatchNumbers(SINCE, RATE)
    at, latest, missing, dropped = SINCE, SINCE, 0, 0
    counted: list[Counted] = []
    for number, each in enumerate(batches):
        (one,), at = feed(numbers, [each], at)
        latest = max(latest, at)
        missing += one.missing
        dropped += one.newly_dropped
        assert 0 <= one.missing <= MOST_MISSING
        assert missing <= MOST_MISSING * (1 + latest - SINCE)
        assert one.newly_dropped >= 0
        assert (one.sequence, one.dropped) == (number + missing, dropped)
        assert dropped <= RATE * (latest - SINCE)
        counted.append(one)
    assert all(
        one.sequence < other.sequence and one.dropped <= other.dropped for one, other in pairwise(counted)
    )


@given(st.lists(st.tuples(st.integers(0, MOST_MISSING), st.integers(0, 20))))
def test_an_honest_page_is_counted_exactly_and_keeps_its_numbers(steps: list[tuple[int, int]]) -> None:
    numbers = BatchNumbers(SINCE, RATE)
    at, sequence, dropped = SINCE, -1, 0
    for missing, drops in steps:
        at += max(missing / MOST_MISSING, drops / RATE) + 0.001
        sequence, dropped = sequence + 1 + missing, dropped + drops
        assert numbers.take(sequence, dropped, at) == Counted(sequence, dropped, missing, drops, "")


@given(HOSTILE, st.integers(0, 4000), st.integers(0, 5000), st.lists(st.integers(0, 20), min_size=1))
def test_honest_batches_count_exactly_from_the_second_after_hostile_ones(
    hostile: list[tuple[int, int, float]], sequence: int, dropped: int, drops: list[int]
) -> None:
    numbers = BatchNumbers(SINCE, RATE)
    _, at = feed(numbers, hostile)
    # Long enough for all that hostile batches may claim, so that only the numbers decide.
    at = max(at, SINCE) + 1e9
    first = numbers.take(sequence, dropped, at)
    for number, more in enumerate(drops, 1):
        dropped += more
        counted = numbers.take(sequence + number, dropped, at + number)
        assert counted.missing == 0
        assert counted.newly_dropped == more
        assert counted.odd == ""
        assert counted.sequence == first.sequence + number


@given(st.integers(1, 50), UINT32, UINT32, st.lists(st.integers(0, 20), min_size=1))
def test_one_odd_batch_among_honest_ones_changes_nothing_for_them(
    before: int, sequence: int, dropped: int, drops: list[int]
) -> None:
    numbers = BatchNumbers(SINCE, RATE)
    feed(numbers, [(number, 0, 1.0) for number in range(before)])
    numbers.take(before + 1 + sequence, dropped, SINCE + before)
    for number, more in enumerate(drops):
        counted = numbers.take(before + number, sum(drops[: number + 1]), SINCE + before + number + 1)
        assert (counted.missing, counted.newly_dropped, counted.odd) == (0, more, "")


@pytest.mark.parametrize(
    ("sequence", "missing", "odd"),
    [
        (3, 0, ""),
        (1003, 1000, ""),
        (1004, 0, "sequence 1004: expected 3 to 1003"),
        (0xFFFF_FFFF, 0, "sequence 4294967295: expected 3 to 1003"),
        (2, 0, "sequence 2: expected 3 to 1003"),
        (0, 0, "sequence 0: expected 3 to 1003"),
    ],
)
def test_a_number_that_goes_back_or_far_ahead_is_odd_and_counts_as_one(
    sequence: int, missing: int, odd: str
) -> None:
    numbers = BatchNumbers(SINCE, RATE)
    feed(numbers, [(number, 0, 1.0) for number in range(3)])
    assert numbers.take(sequence, 0, SINCE + 4) == Counted(3 + missing, 0, missing, 0, odd)


def test_batches_that_jump_ahead_each_time_miss_no_more_than_a_page_can_begin() -> None:
    numbers = BatchNumbers(SINCE, RATE)
    jumps = [numbers.take(number * (MOST_MISSING + 1) + MOST_MISSING, 0, SINCE + 1) for number in range(3)]
    assert [jump.missing for jump in jumps] == [MOST_MISSING, MOST_MISSING, 0]
    assert jumps[2].odd == "sequence 3002: expected 2002 to 2002"


@pytest.mark.parametrize(
    ("dropped", "counted", "odd"),
    [
        (5, 0, ""),
        (400, 395, ""),
        (401, 0, "dropped 401: expected 5 to 400"),
        (4, 0, "dropped 4: expected 5 to 400"),
    ],
)
def test_drops_that_go_back_or_are_more_than_could_be_sent_are_odd(
    dropped: int, counted: int, odd: str
) -> None:
    numbers = BatchNumbers(SINCE, RATE)
    numbers.take(0, 5, SINCE + 1)
    assert numbers.take(1, dropped, SINCE + 4) == Counted(1, 5 + counted, 0, counted, odd)


def test_what_could_not_be_sent_changes_nothing_for_later_batches() -> None:
    numbers = BatchNumbers(SINCE, RATE)
    feed(numbers, [(0, 5, 1.0), (1, 0xFFFF_FFFF, 1.0)])
    assert numbers.take(2, 7, SINCE + 3) == Counted(2, 7, 0, 2, "")


def test_a_batch_that_drops_nothing_more_is_not_odd_whatever_the_time() -> None:
    numbers = BatchNumbers(SINCE, RATE)
    assert numbers.take(0, 0, SINCE - 5) == Counted(0, 0, 0, 0, "")
    assert numbers.take(1, 90, SINCE + 1) == Counted(1, 90, 0, 90, "")
    assert numbers.take(2, 90, SINCE) == Counted(2, 90, 0, 0, "")
