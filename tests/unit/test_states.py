from __future__ import annotations

import pytest

from worker.states import State, read_state


@pytest.mark.parametrize("state", State)
def test_read_state_reads_each_value(state: State) -> None:
    assert read_state(state.value) is state


@pytest.mark.parametrize("value", ["", "JOINING", "a state of a later version"])
def test_read_state_gives_none_for_a_value_it_does_not_know(value: str) -> None:
    assert read_state(value) is None
