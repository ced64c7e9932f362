from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.deafness import deaf_in, report
from worker.lifecycle.deafness import (
    DEAF_PACKETS,
    DEAF_SECONDS,
    MOST_RECEIVERS,
    REPORT_SECONDS,
    DeafnessJudge,
)
from worker.tape.events import ReceiverReport, TapDeaf


def judged(*reports: ReceiverReport) -> list[TapDeaf]:
    return deaf_in(reports)


def test_packets_that_stay_untapped_over_two_periods_are_a_finding() -> None:
    (finding,) = judged(report(0, 100, 100), report(2, 200, 100), report(4, 300, 100), report(6, 400, 100))
    assert finding == TapDeaf(at=4, document=7, receiver=0, packets_received=300, frames_tapped=100)


@pytest.mark.parametrize(
    ("seconds", "packets", "found"),
    [
        (DEAF_SECONDS, DEAF_PACKETS, True),
        (DEAF_SECONDS - 0.1, DEAF_PACKETS, False),
        (DEAF_SECONDS, DEAF_PACKETS - 1, False),
    ],
)
def test_a_finding_needs_time_and_packets(seconds: float, packets: int, found: bool) -> None:
    reports = [report(0, 100, 100), report(1, 101, 100), report(seconds, 100 + packets, 100)]
    assert bool(judged(*reports)) is found


def test_a_receiver_without_any_tapped_frame_is_deaf() -> None:
    assert judged(report(0, 60, 0), report(2, 160, 0), report(4, 260, 0))


def test_speech_after_a_silence_is_no_deafness_while_the_tally_is_one_report_old() -> None:
    # Nothing is reported while nothing changes.
    quiet = [report(0, 100, 100), report(60, 200, 100), report(62, 300, 200), report(64, 400, 300)]
    assert judged(*quiet) == []
    barely = [report(0, 100, 100), report(REPORT_SECONDS * 1.5, 200, 100), report(5, 300, 200)]
    assert judged(*barely) == []


def test_deafness_that_begins_after_a_silence_is_found() -> None:
    (finding,) = judged(report(0, 100, 100), report(60, 200, 100), report(62, 300, 100))
    assert finding.at == 62


def test_a_report_of_losses_alone_changes_no_finding() -> None:
    untapped = [report(0, 100, 100), report(2, 140, 100), report(6, 180, 100)]
    losses = [report(1, 100, 100, lost=3), report(4, 140, 100, lost=9), report(5, 140, 100, lost=10)]
    (finding,) = judged(*untapped)
    assert judged(*sorted(untapped + losses, key=lambda each: each.at)) == [finding]
    silence = [report(at, 140, 100, lost=at) for at in range(2, 60)]
    assert judged(report(0, 100, 100), *silence) == []


def test_a_receiver_that_heard_again_can_be_found_again() -> None:
    deaf_twice = [report(at, 100 * at, 100 if at < 8 else 900) for at in range(0, 20, 2)]
    assert [finding.at for finding in judged(*deaf_twice)] == [4, 12]


def test_receivers_are_judged_apart() -> None:
    reports = [
        report(at, 100 * at, 100 * at if receiver else 0, receiver=receiver)
        for at in range(0, 8, 2)
        for receiver in (0, 1)
    ]
    assert [finding.receiver for finding in judged(*reports)] == [0]


def test_a_page_cannot_fill_the_memory() -> None:
    judge = DeafnessJudge()
    for receiver in range(MOST_RECEIVERS + 10):
        judge.judge(report(0, 1, 1, receiver=receiver))
    assert len(judge._readings) == MOST_RECEIVERS


@given(st.lists(st.tuples(st.floats(0.5, 30), st.integers(0, 200), st.booleans()), max_size=60))
def test_a_receiver_whose_frames_are_tapped_one_report_late_is_never_deaf(
    steps: list[tuple[float, int, bool]],
) -> None:
    """In any order of reports: a frame count may be one report old, but not two."""
    judge = DeafnessJudge()
    at, received, tapped, stale = 0.0, 0, 0, False
    for seconds, packets, late in steps:
        at += min(seconds, REPORT_SECONDS) if packets else seconds
        if packets == 0:
            continue
        previous, received = received, received + packets
        stale = late and not stale
        tapped = previous if stale else received
        assert judge.judge(report(at, received, tapped)) is None


def test_a_closed_document_makes_room_for_others() -> None:
    judge = DeafnessJudge()
    for receiver in range(MOST_RECEIVERS):
        judge.judge(report(0, 100, 100, receiver=receiver))
    other = [msgspec.structs.replace(report(at, 100 + 50 * at, 100), document=8) for at in (0, 2, 4, 6)]
    assert [judge.judge(each) for each in other] == [None] * 4
    judge.forget(7)
    assert any(judge.judge(each) for each in other)
