"""Which streams of a mix repeat others."""

from __future__ import annotations

import pytest

from worker.stems.repeating_streams import LEAST_COPIES, MOST_COPIES, RepeatingStreams


def noted(copies: int, new: int = 0) -> RepeatingStreams:
    streams = RepeatingStreams()
    for number in range(copies + new):
        streams.note(1, copied=number < copies)
    return streams


@pytest.mark.parametrize(
    ("copies", "new", "is_repeating"),
    [
        (0, 0, False),
        (LEAST_COPIES - 1, 0, False),
        (LEAST_COPIES, 0, True),
        (LEAST_COPIES, 1, False),
        (100_000, MOST_COPIES - LEAST_COPIES, True),
        (100_000, MOST_COPIES - LEAST_COPIES + 1, False),
    ],
)
def test_a_stream_repeats_others_while_most_of_what_it_brings_are_copies(
    copies: int, new: int, is_repeating: bool
) -> None:
    assert (1 in noted(copies, new)) is is_repeating
    assert 0 not in noted(copies, new)


def test_new_packets_are_no_credit() -> None:
    streams = noted(0, 1_000)
    for _ in range(LEAST_COPIES):
        streams.note(1, copied=True)
    assert 1 in streams


def test_a_closed_stream_is_forgotten() -> None:
    streams = noted(LEAST_COPIES)
    streams.forget(1)
    streams.forget(2)
    assert 1 not in streams
    assert not streams._copies
