from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.replica.video.head import Head, next_head
from fixtures.replica.video.scenario import Layers


def heads(keys: list[bool], layers: Layers) -> list[Head]:
    made: list[Head] = []
    for key in keys:
        made.append(next_head(made[-1] if made else None, key=key, layers=layers, width=320, height=180))
    return made


@pytest.mark.parametrize(
    ("layers", "temporal", "refers"),
    [
        (1, [0, 0, 0, 0, 0, 0], [None, 1, 1, 1, 1, 1]),
        (2, [0, 1, 0, 1, 0, 1], [None, 1, 2, 1, 2, 1]),
        (3, [0, 2, 1, 2, 0, 2], [None, 1, 2, 1, 4, 1]),
    ],
)
def test_the_pattern_of_layers(layers: Layers, temporal: list[int], refers: list[int | None]) -> None:
    made = heads([True, *[False] * 5], layers)
    assert [head.temporal for head in made] == temporal
    assert [head.refers for head in made] == refers


@given(st.lists(st.booleans(), max_size=40), st.sampled_from([1, 2, 3]))
def test_a_frame_needs_one_of_a_layer_that_is_not_higher_since_the_last_key_frame(
    keys: list[bool], layers: Layers
) -> None:
    made = heads([True, *keys], layers)
    assert [head.number for head in made] == list(range(len(made)))
    for place, head in enumerate(made):
        if head.refers is None:
            assert head.key and head.temporal == 0
            continue
        assert head.refers <= head.after_key
        assert made[place - head.refers].temporal <= head.temporal


def test_only_frames_of_the_lowest_layer_count_as_base() -> None:
    assert [head.base for head in heads([True, *[False] * 4, True], 3)] == [0, 0, 0, 0, 1, 2]
