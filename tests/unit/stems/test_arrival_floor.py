"""What the lowest arrivals say of a clock's offset and drift."""

import random

import pytest

from worker.stems.arrival_floor import MEASURED_SPANS, REMEMBERED_BLOCKS, ArrivalFloor

SECOND = 48_000


def heard(offsets: list[float]) -> ArrivalFloor:
    """A floor after one second of each of ``offsets``, in samples."""
    floor = ArrivalFloor(offsets[0], 0)
    for number, offset in enumerate(offsets):
        floor.lower(offset)
        floor.roll((number + 1) * SECOND)
    return floor


def drifting(ppm: float, seconds: int, jitter: float = 0.0) -> list[float]:
    rng = random.Random(1)
    return [ppm * 1e-6 * number * SECOND + rng.random() * jitter for number in range(seconds)]


def test_the_floor_is_the_lowest_of_the_last_ten_seconds() -> None:
    assert REMEMBERED_BLOCKS == 10
    assert heard([5.0, *[9.0] * 9]).value == 5.0
    assert heard([5.0, *[9.0] * 10]).value == 9.0


@pytest.mark.parametrize("ppm", [100, -100, 300, -300])
def test_a_steady_slope_is_drift(ppm: float) -> None:
    floor = heard(drifting(ppm, 120, jitter=48))
    assert floor.drifted == pytest.approx(
        ppm * 1e-6 * 120 * SECOND, abs=ppm * 1e-6 * 11 * SECOND + 100 if ppm > 0 else 200
    )


def test_a_drift_is_believed_once_it_was_measured_for_thirty_seconds() -> None:
    seconds = MEASURED_SPANS * REMEMBERED_BLOCKS
    assert seconds == 30
    assert heard(drifting(-400, seconds - 1)).drifted == 0
    assert heard(drifting(-400, seconds)).drifted < -400


@pytest.mark.parametrize("step", [-4_800.0, -960.0, 960.0, 4_700.0])
def test_a_path_that_gets_shorter_or_longer_is_no_drift(step: float) -> None:
    floor = heard([0.0] * 45 + [step] * 45)
    assert floor.drifted == 0
    assert floor.value == step


def test_a_queue_that_drains_is_no_drift() -> None:
    queue = [2.4 * SECOND * (1 - number / 60) for number in range(60)]
    assert heard([*[0.0] * 30, *queue, *[0.0] * 30]).drifted == pytest.approx(0, abs=240)


def test_seconds_in_which_all_is_late_do_not_raise_the_floor() -> None:
    assert heard([0.0, *[5 * SECOND] * 30]).value == 0


def test_a_drift_goes_on_from_what_a_correction_left() -> None:
    floor = heard(drifting(-400, 60))
    floor.drift_from(floor.drifted + 960)
    assert floor.drifted == pytest.approx(-400e-6 * 60 * SECOND + 960, abs=30)
