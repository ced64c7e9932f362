"""At which packet a drift is corrected, and by how much."""

import pytest

from worker.stems.drift_correction import (
    DRIFTED_FAST,
    DRIFTED_SLOW,
    FAR_SLOW,
    QUIET_LEVEL,
    packet_to_correct_at,
    shift_at,
)
from worker.stems.jitter_buffer import Packet

LOUD, QUIET = 0.2, QUIET_LEVEL


def packets(*levels: float | None, recovered: bool = False) -> list[Packet]:
    """One packet of 20 ms for each level, in sequence."""
    return [
        Packet(number, number * 960, 0.0, 0.0, 7, level, b"speech", (7,), recovered)
        for number, level in enumerate(levels)
    ]


def chosen(drift: float, *levels: float | None, recovered: bool = False) -> int | None:
    """Which of the packets with ``levels`` that wait is chosen, from 0 on."""
    first, *waiting = packets(QUIET, *levels, recovered=recovered)
    packet = packet_to_correct_at(drift, first, waiting)
    return None if packet is None else waiting.index(packet)


@pytest.mark.parametrize("drift", [DRIFTED_SLOW - 1, -DRIFTED_FAST + 1, 0])
def test_a_small_drift_is_not_corrected(drift: float) -> None:
    assert chosen(drift, QUIET) is None


@pytest.mark.parametrize("drift", [DRIFTED_SLOW, -DRIFTED_FAST])
def test_a_drift_is_corrected_at_a_quiet_packet_only(drift: float) -> None:
    assert chosen(drift, LOUD, QUIET, LOUD) == 1
    assert chosen(drift, LOUD, 0.1, LOUD) is None


def test_a_very_slow_clock_is_corrected_at_the_quietest_packet_that_waits() -> None:
    assert chosen(FAR_SLOW, LOUD, 0.1, None) == 1
    assert chosen(FAR_SLOW) is None


@pytest.mark.parametrize("drift", [-DRIFTED_FAST, -48_000])
def test_loud_speech_is_never_left_out(drift: float) -> None:
    assert chosen(drift, LOUD, 0.1, None) is None


def test_a_recovered_packet_is_never_chosen() -> None:
    assert chosen(FAR_SLOW, QUIET, recovered=True) is None


@pytest.mark.parametrize(("drift", "silence"), [(599.0, 480), (119.0, 0), (2_000.0, 960)])
def test_a_slow_clock_gets_silence_in_steps_of_2500_us_as_long_as_the_packet_at_most(
    drift: float, silence: int
) -> None:
    assert shift_at(drift, 960) == silence


@pytest.mark.parametrize("drift", [-840.0, -0.5])
def test_a_fast_clock_loses_the_packet(drift: float) -> None:
    assert shift_at(drift, 960) == -960
