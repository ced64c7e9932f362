"""Arithmetic on stretches of speech: unions, overlaps, turns; input may be unsorted and overlapping (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from worker.manifest.schema import Interval

TURN_PAUSE_SECONDS = 1.0
"""A pause this long ends a turn."""


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """The stretches joined where they overlap or touch, in order; empty and reversed ones are left out."""
    return at_least(1, [list(intervals)])


def at_least(count: int, speakers: Iterable[Iterable[Interval]]) -> list[Interval]:
    """The stretches in which at least ``count`` intervals overlap; overlapping ones of one speaker count each."""
    edges = sorted(
        edge
        for intervals in speakers
        for begin, end in intervals
        if begin < end
        for edge in ((begin, 1), (end, -1))
    )
    depth = 0
    result: list[Interval] = []
    for (at, step), (until, _) in pairwise(edges):
        depth += step
        if depth < count or at == until:
            continue
        if result and result[-1][1] == at:
            result[-1] = (result[-1][0], until)
        else:
            result.append((at, until))
    return result


def seconds(intervals: Iterable[Interval]) -> float:
    """The sum of their lengths."""
    return sum(end - begin for begin, end in intervals)


def turns(intervals: Iterable[Interval]) -> int:
    """The number of turns: runs of speech separated by pauses of TURN_PAUSE_SECONDS or more."""
    joined = union(intervals)
    return bool(joined) + sum(
        later[0] - earlier[1] >= TURN_PAUSE_SECONDS for earlier, later in pairwise(joined)
    )
