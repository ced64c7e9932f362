from __future__ import annotations

import time

import pytest

from worker.recording.steady_clock import SteadyClock, elapsed


def test_the_clock_begins_with_unix_time_and_goes_on_with_elapsed_time() -> None:
    passed = 500.0
    clock = SteadyClock(lambda: 1_800_000_000.0, lambda: passed)
    assert clock() == 1_800_000_000.0
    passed += 12.5
    assert clock() == 1_800_000_012.5


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_a_step_of_the_systems_clock_does_not_move_it(monkeypatch: pytest.MonkeyPatch, step: float) -> None:
    clock = SteadyClock()
    before = clock()
    wall = time.time
    monkeypatch.setattr(time, "time", lambda: wall() + step)
    assert 0 <= clock() - before < 60


def test_elapsed_time_does_not_run_backwards() -> None:
    first = elapsed()
    assert elapsed() >= first
