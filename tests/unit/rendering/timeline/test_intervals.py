"""Arithmetic on stretches of speech."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from worker.manifest.schema import Interval
from worker.rendering.timeline.intervals import at_least, seconds, turns, union

intervals = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda pair: (pair[0] / 2, pair[1] / 2))
)


def test_union_joins_touching_intervals() -> None:
    assert union([(3.0, 4.0), (0.0, 1.0), (1.0, 2.0), (5.0, 5.0), (9.0, 8.0)]) == [(0.0, 2.0), (3.0, 4.0)]


def test_at_least_finds_where_two_and_three_speak() -> None:
    speakers: list[list[Interval]] = [[(0.0, 10.0)], [(2.0, 6.0)], [(5.0, 8.0)]]
    assert at_least(2, speakers) == [(2.0, 8.0)]
    assert at_least(3, speakers) == [(5.0, 6.0)]


def test_turns_are_separated_by_pauses() -> None:
    assert turns([]) == 0
    assert turns([(0.0, 1.0), (1.9, 3.0), (4.0, 5.0)]) == 2


@given(st.lists(intervals, max_size=4), st.integers(1, 4))
def test_at_least_agrees_with_counting_open_intervals(speakers: list[list[Interval]], count: int) -> None:
    """Edges are at halves, so the middle of every quarter stands for all of it."""
    moments = [quarter / 4 + 0.125 for quarter in range(64)]
    open_at = [sum(begin <= at < end for speaker in speakers for begin, end in speaker) for at in moments]
    result = at_least(count, speakers)
    assert [any(begin <= at < end for begin, end in result) for at in moments] == [
        n >= count for n in open_at
    ]
    assert seconds(result) == sum(n >= count for n in open_at) / 4
    assert all(earlier[1] < later[0] for earlier, later in pairwise(result))
