"""Which of the times that events claim are believed."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.tape_samples import EPOCH, batch
from worker.rendering.meeting_clock import LATEST_DELIVERY, LONGEST_MEETING, TOLERANCE, MeetingClock


def claimed(arrival: float, logged: float, clock: MeetingClock | None = None) -> float:
    """The meeting time of the last frame of a batch that claims to have arrived at ``arrival``, in seconds after EPOCH."""
    one = batch(0, EPOCH + arrival, frames=1)
    return one.frames[-1].arrival - (clock or MeetingClock(EPOCH)).page_zero(one, EPOCH + logged)


@given(st.floats(allow_nan=False), st.floats(0, 1e5))
def test_no_event_is_later_than_its_log_time(at: float, logged: float) -> None:
    assert MeetingClock(EPOCH).event_time(at, EPOCH + logged) <= logged + TOLERANCE + 1e-6


@pytest.mark.parametrize("at", [0.0, 3.0, 7_200.0])
def test_an_event_that_was_written_at_once_is_believed(at: float) -> None:
    assert MeetingClock(EPOCH).event_time(EPOCH + at, EPOCH + at) == at


def test_a_log_time_of_another_age_ends_no_recording_later_than_two_days() -> None:
    assert MeetingClock(EPOCH).event_time(math.inf, 1e12) == LONGEST_MEETING


@pytest.mark.parametrize("delay", [-3.0, 0.0, 0.1, LATEST_DELIVERY])
def test_the_times_of_a_page_with_the_workers_clock_are_believed(delay: float) -> None:
    assert claimed(20.0, 20.0 + delay) == pytest.approx(20.0)


def test_a_page_whose_clock_is_behind_is_corrected_by_its_shortest_delay() -> None:
    clock = MeetingClock(EPOCH)
    assert claimed(20.0, 140.3, clock) == pytest.approx(140.3)
    assert claimed(20.5, 140.6, clock) == pytest.approx(140.6)
    assert claimed(21.0, 143.0, clock) == pytest.approx(141.1)


def test_a_page_that_was_in_time_once_is_slow_and_not_behind() -> None:
    clock = MeetingClock(EPOCH)
    claimed(1.0, 1.1, clock)
    assert claimed(2.0, 42.0, clock) == pytest.approx(2.0)


def test_each_document_has_a_clock() -> None:
    clock = MeetingClock(EPOCH)
    claimed(1.0, 1.1, clock)
    other = type(batch(0, EPOCH, frames=1))(8, 0, 0, batch(0, EPOCH, frames=1).frames)
    assert clock.page_zero(other, EPOCH + 60) == pytest.approx(
        EPOCH - 60 + (other.frames[-1].arrival - EPOCH)
    )
