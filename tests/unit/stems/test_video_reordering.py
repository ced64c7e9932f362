from __future__ import annotations

from math import inf

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.stems.video_reordering import MOST_WAITING, RESTART, OrderedFrame, VideoReordering
from worker.tape.events import VideoFrame


def frame(timestamp: int, *, key: bool = False, spatial: int = 0, payload: bytes = b"x") -> VideoFrame:
    return VideoFrame(
        0, 1, (), timestamp & 0xFFFF_FFFF, None, spatial, 0, key, 0, 0, 96, "video/VP8", 0.0, payload
    )


def order(reordering: VideoReordering, until: float = inf) -> list[int]:
    return [each.frame.timestamp for each in reordering.release(until)]


def test_a_frame_that_is_whole_late_comes_before_those_that_need_it() -> None:
    reordering = VideoReordering()
    for logged, timestamp in enumerate((6_000, 18_000, 12_000, 24_000)):
        reordering.push(frame(timestamp), 0.0, float(logged))
    assert order(reordering, 2.0) == [6_000, 12_000, 18_000]
    assert order(reordering) == [24_000]


def test_a_frame_waits_for_the_one_before_it_that_was_logged_later() -> None:
    reordering = VideoReordering()
    reordering.push(frame(12_000), 0.0, 0.0)
    reordering.push(frame(6_000), 0.0, 0.9)
    assert order(reordering, 0.5) == []
    assert order(reordering, 0.9) == [6_000, 12_000]


def test_a_frame_was_sent_before_those_that_follow_it_also_before_those_that_wait() -> None:
    reordering = VideoReordering()
    for timestamp, arrival, logged in (
        (6_000, 2.0, 1.0),
        (12_000, 2.5, 2.0),
        (18_000, 1.5, 1.0),
        (24_000, 3.0, 3.0),
    ):
        reordering.push(frame(timestamp), arrival, logged)
    assert [each.sent_by for each in reordering.release(1.0)] == [1.5]
    assert [each.sent_by for each in reordering.release()] == [1.5, 1.5, 3.0]


def test_a_frame_after_its_successors_is_late_and_one_that_comes_again_too() -> None:
    reordering = VideoReordering()
    for timestamp in (6_000, 18_000, 18_000):
        reordering.push(frame(timestamp), 0.0, 0.0)
    assert order(reordering) == [6_000, 18_000]
    reordering.push(frame(12_000), 0.0, 1.0)
    reordering.push(frame(18_000), 0.0, 1.0)
    assert (order(reordering), reordering.late, reordering.repeated) == ([], 1, 2)


def test_after_a_frame_that_came_late_the_next_one_is_after_a_gap() -> None:
    reordering = VideoReordering()
    for timestamp in (6_000, 18_000):
        reordering.push(frame(timestamp), 0.0, 0.0)
    assert order(reordering) == [6_000, 18_000]
    for timestamp in (30_000, 12_000, 24_000, 18_000):
        reordering.push(frame(timestamp), 0.0, 1.0)
    assert [each.after_gap for each in reordering.release()] == [True, False]
    assert (reordering.late, reordering.repeated) == (1, 1)


def test_a_key_frame_is_never_late() -> None:
    reordering = VideoReordering()
    reordering.push(frame(18_000), 0.0, 0.0)
    assert order(reordering) == [18_000]
    reordering.push(frame(12_000, key=True), 0.0, 1.0)
    assert order(reordering) == [12_000]


def test_timestamps_that_begin_anew_are_no_late_frames() -> None:
    reordering = VideoReordering()
    for timestamp in (2 * RESTART, RESTART, RESTART + 6_000):
        reordering.push(frame(timestamp), 0.0, 0.0)
    assert order(reordering) == [2 * RESTART, RESTART, RESTART + 6_000]
    assert reordering.late == 0


def test_a_straggler_from_before_the_timestamps_began_anew_does_not_begin_them_anew_again() -> None:
    """Those of the sender before were 6 000 to 24 000, where 12 000 and 24 000 came late; 6 000 was given out before."""
    new = 3_000_000_000
    reordering = VideoReordering()
    reordering.push(frame(6_000), 0.0, 0.0)
    assert order(reordering) == [6_000]
    for timestamp, key in (
        (18_000, False),
        (new, True),
        (24_000, False),
        (new + 6_000, False),
        (12_000, False),
    ):
        reordering.push(frame(timestamp, key=key), 0.1, 0.5)
    reordering.push(frame(12_000), 0.1, 0.5)
    reordering.push(frame(3_000), 0.1, 0.5)
    given_out = reordering.release()
    assert [each.frame.timestamp for each in given_out] == [12_000, 18_000, 24_000, new, new + 6_000]
    assert [each.after_gap for each in given_out] == [True, False, False, False, False]
    assert (reordering.late, reordering.repeated) == (1, 1)
    reordering.push(frame(30_000), 0.1, 0.6)
    assert (order(reordering), reordering.late) == ([], 2)
    reordering.push(frame(new + 12_000), 0.2, 0.6)
    assert [each.after_gap for each in reordering.release()] == [False]
    assert reordering.waiting_bytes == 0


WAIT = 0.4
"""Seconds that a frame waits for those before it."""


@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(1, 40),
    st.integers(0, 8),
    st.integers(1, 60),
)
def test_timestamps_that_are_gone_back_to_with_a_key_frame_lose_nothing(
    first: int, other: int, before: int, between: int, after: int
) -> None:
    """Frames of 15 a second, ``between`` of which have other timestamps for 0.2 s to 0.73 s."""
    others = range(before, before + 3 + between)
    numbers = [*range(before), *others, *range(others.stop, others.stop + after)]
    # Elsewhere than the first, so that they begin anew.
    apart = first + 4 * RESTART + other % (2**32 - 8 * RESTART)
    sent = [
        frame(
            number * 6_000 + (apart if number in others else first),
            key=number in {0, others.start, others.stop},
        )
        for number in numbers
    ]
    reordering = VideoReordering()
    given_out: list[int] = []
    gaps = 0
    for number, each in zip(numbers, sent, strict=True):
        at = number / 15
        reordering.push(each, at, at)
        released = reordering.release(at - WAIT)
        given_out += [one.frame.timestamp for one in released]
        gaps += sum(one.after_gap for one in released)
    released = reordering.release()
    given_out += [one.frame.timestamp for one in released]
    assert given_out == [each.timestamp for each in sent]
    assert (reordering.late, reordering.repeated) == (0, 0)
    assert gaps + sum(one.after_gap for one in released) == 0


@given(
    st.integers(2, 20),
    st.lists(
        st.tuples(st.integers(1, 20), st.integers(0, 12), st.booleans()),
        max_size=5,
        unique_by=lambda one: one[0],
    ),
    st.lists(st.floats(0, 0.06), min_size=40, max_size=40),
)
def test_stragglers_never_interrupt_the_frames_that_came_after_them(
    before: int, stragglers: list[tuple[int, int, bool]], jitter: list[float]
) -> None:
    """The last ones before the timestamps began anew, key frames or not, come up to 0.8 s late; all others in order."""
    late = {before - back: (by, key) for back, by, key in stragglers if before - back >= 1}
    new = 3_000_000_000
    arrivals: list[tuple[float, VideoFrame]] = []
    for number in range(before + 20):
        by, key = late.get(number, (0, False))
        timestamp = number * 6_000 + (new if number >= before else 0)
        arrival = number / 15 + by / 15 + jitter[number]
        arrivals.append((arrival, frame(timestamp, key=key or number in {0, before})))
    reordering = VideoReordering()
    given_out: list[OrderedFrame] = []
    for arrival, each in sorted(arrivals, key=lambda one: one[0]):
        reordering.push(each, arrival, arrival)
        given_out += reordering.release(arrival - WAIT)
    given_out += reordering.release()
    of_new = [one for one in given_out if one.frame.timestamp >= new]
    assert [one.frame.timestamp for one in of_new] == [
        new + number * 6_000 for number in range(before, before + 20)
    ]
    assert not any(one.after_gap for one in of_new[1:])


LATE = st.sampled_from([0.0] * 6 + [0.1, 0.2, 0.3])
"""Seconds by which a frame's packets are late, because they were sent again."""


@given(
    st.lists(st.tuples(st.integers(0, 2), st.lists(LATE, min_size=4, max_size=14)), min_size=2, max_size=6),
    st.integers(0, 2**32 - 1),
    st.lists(st.floats(0, 0.04), min_size=84, max_size=84),
)
@example([(0, [0.0] * 6), (1, [0.3] + [0.0] * 5)], 0, [0.0] * 84)
@example([(0, [0.0] * 6), (1, [0.0] * 6), (0, [0.3] + [0.0] * 13)], 0, [0.0] * 84)
def test_whichever_frame_comes_first_after_the_timestamps_changed_all_are_in_order(
    runs: list[tuple[int, list[float]]], first: int, jitter: list[float]
) -> None:
    """Frames of 15 a second, of up to three timelines in turn, each time from a key frame on, each up to 0.34 s late."""
    captured: list[VideoFrame] = []
    arrivals: list[float] = []
    before = None
    for timeline, delays in runs:
        for index, delay in enumerate(delays):
            number = len(captured)
            timestamp = (first + timeline * 1_300_000_000 + number * 6_000) % 2**32
            captured.append(frame(timestamp, key=index == 0 and timeline != before))
            arrivals.append(number / 15 + delay + jitter[number])
        before = timeline
    reordering = VideoReordering()
    given_out: list[OrderedFrame] = []
    for number in sorted(range(len(captured)), key=lambda number: arrivals[number]):
        reordering.push(captured[number], arrivals[number], arrivals[number])
        given_out += reordering.release(arrivals[number] - 1.0)
    given_out += reordering.release()
    assert [each.frame.timestamp for each in given_out] == [each.timestamp for each in captured]
    assert not [each for each in given_out if each.after_gap and not each.frame.key]
    assert (reordering.late, reordering.repeated, reordering.waiting_bytes) == (0, 0, 0)


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        (18_000, [(6_000, False), (18_000, True), (24_000, True)]),
        (3_000, [(3_000, False), (6_000, False), (24_000, True)]),
    ],
)
def test_what_is_missing_may_belong_before_a_frame_that_came_late(
    late: int, expected: list[tuple[int, bool]]
) -> None:
    """12 000 was lost with its batch."""
    reordering = VideoReordering()
    reordering.push(frame(6_000), 0.0, 0.0)
    reordering.gap = True
    reordering.push(frame(24_000), 0.3, 0.3)
    reordering.push(frame(late), 0.4, 0.4)
    assert [(each.frame.timestamp, each.after_gap) for each in reordering.release()] == expected


def test_a_key_frame_that_straggles_after_one_that_was_late_itself_is_none_of_the_new_timestamps() -> None:
    reordering = VideoReordering()
    for timestamp, key, arrival in (
        (0, True, 0.0),
        (18_000, False, 0.29),
        (3_000_000_000, True, 0.3),
        (24_000, True, 0.35),
    ):
        reordering.push(frame(timestamp, key=key), arrival, arrival)
    assert order(reordering) == [0, 18_000, 24_000, 3_000_000_000]


def test_a_leap_that_took_no_time_is_a_gap_but_for_a_key_frame() -> None:
    reordering = VideoReordering()
    for timestamp, arrival, key in (
        (0, 0.0, True),
        (RESTART, 3.0, False),
        (9 * RESTART, 3.1, False),
        (0, 3.2, True),
    ):
        reordering.push(frame(timestamp, key=key), arrival, 0.0)
    assert [each.after_gap for each in reordering.release()] == [False, False, True, False]


def test_spatial_layers_follow_each_other() -> None:
    reordering = VideoReordering()
    for spatial in (1, 0, 2):
        reordering.push(frame(6_000, spatial=spatial), 0.0, 0.0)
    assert [each.spatial for each in reordering.release()] == [0, 1, 2]


def test_a_gap_is_marked_on_the_frame_after_it() -> None:
    reordering = VideoReordering()
    reordering.push(frame(6_000), 0.0, 0.0)
    reordering.gap = True
    for timestamp in (12_000, 18_000):
        reordering.push(frame(timestamp), 0.0, 0.0)
    assert [each.after_gap for each in reordering.release()] == [False, True, False]


@pytest.mark.parametrize("step", [0, 6_000])
def test_no_more_than_a_bounded_number_waits(step: int) -> None:
    reordering = VideoReordering()
    for number in range(3 * MOST_WAITING):
        reordering.push(frame(number * step + number), 0.0, 5.0)
    assert len(reordering.release(0.0)) == 2 * MOST_WAITING
    assert reordering.waiting_bytes == MOST_WAITING


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=30),
    st.integers(0, 2**32 - 1),
    st.lists(st.floats(0, 30), max_size=5),
)
def test_each_frame_comes_once_and_in_order_whatever_the_order_of_arrival(
    numbers: list[int], begin: int, looks: list[float]
) -> None:
    """Also where the 32-bit timestamps wrap around, and where frames come again."""
    reordering = VideoReordering()
    given_out: list[int] = []
    for logged, number in enumerate(numbers):
        reordering.push(frame(begin + number * 3_000), float(logged), float(logged))
        for look in looks:
            if look < logged:
                given_out += order(reordering, look)
    given_out += order(reordering)
    places = [((timestamp - begin) & 0xFFFF_FFFF) // 3_000 for timestamp in given_out]
    assert places == sorted(set(places))
    assert len(places) + reordering.late + reordering.repeated == len(numbers)
    assert reordering.waiting_bytes == 0
