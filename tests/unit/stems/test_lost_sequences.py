"""Which sequence numbers are lost, compared with a plain set."""

import sys
from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from worker.stems import lost_sequences
from worker.stems.lost_sequences import REMEMBERED_LOSSES, LostSequences

gaps = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3_000)), max_size=8)


@given(gaps, st.lists(st.integers(0, 12_000), max_size=40), st.booleans())
def test_the_latest_losses_are_known_each_once(
    gaps: list[tuple[int, int]], late: list[int], between: bool
) -> None:
    lost, expected, at = LostSequences(), deque[int](), 0
    for received, missing in gaps:
        at += received
        lost.add(at, at + missing)
        expected.extend(range(at, at + missing))
        while len(expected) > REMEMBERED_LOSSES:
            expected.popleft()
        at += missing
        for sequence in late if between else ():
            assert lost.take(sequence) == (sequence in expected)
            if sequence in expected:
                expected.remove(sequence)
    for sequence in [*late, *late, at - 1, at]:
        assert lost.take(sequence) == (sequence in expected)
        if sequence in expected:
            expected.remove(sequence)
    lost.clear()
    assert not any(lost.take(sequence) for sequence in range(at - 10, at))


def test_a_new_stream_takes_no_memory_for_what_came_before_it() -> None:
    lost = LostSequences()
    lost.add(0, 3_000)
    assert sum(map(sys.getsizeof, lost._gaps)) < 200
    assert lost_sequences.REMEMBERED_LOSSES == 1_024
