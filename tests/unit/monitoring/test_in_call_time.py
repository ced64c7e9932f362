from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from worker.monitoring.in_call_time import STATES, InCallTime
from worker.states import State, read_state


class Watch:
    """The metric with a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 50.0
        self.registry = CollectorRegistry()
        self.time = InCallTime(self.registry, lambda: self.now)

    def enter(self, state: str, seconds: float) -> None:
        self.time.enter(read_state(state))
        self.now += seconds

    def read(self, state: State) -> float | None:
        return self.registry.get_sample_value("meetstems_in_call_seconds_total", {"state": state})


def test_both_states_begin_at_zero() -> None:
    watch = Watch()
    watch.now += 10
    assert STATES == (State.IN_CALL_NOT_RECORDING, State.IN_CALL_RECORDING)
    assert [watch.read(state) for state in STATES] == [0.0, 0.0]


def test_seconds_count_in_the_call_only_and_without_any_event() -> None:
    watch = Watch()
    for state, seconds in (
        ("joining", 3.0),
        ("waiting_room", 60.0),
        ("in_call_not_recording", 2.0),
        ("in_call_recording", 100.0),
    ):
        watch.enter(state, seconds)
    assert [watch.read(state) for state in STATES] == [2.0, 100.0]
    watch.now += 7
    assert watch.read(State.IN_CALL_RECORDING) == 107.0
    watch.enter("leaving", 30.0)
    watch.enter("done", 30.0)
    assert [watch.read(state) for state in STATES] == [2.0, 107.0]


def test_a_second_attempt_adds_up() -> None:
    watch = Watch()
    for state in ("in_call_recording", "leaving", "joining", "in_call_recording", "fatal"):
        watch.enter(state, 5.0)
    assert watch.read(State.IN_CALL_RECORDING) == 10.0


@pytest.mark.parametrize("state", ["", "a state of a later version"])
def test_an_unknown_state_counts_nowhere(state: str) -> None:
    watch = Watch()
    watch.enter(state, 5.0)
    assert [watch.read(each) for each in STATES] == [0.0, 0.0]
