"""Key frames are asked for where one is overdue, and seldom."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.video_frames import video_answer, video_frame, video_request, video_track
from worker.platforms.teams.answered_slots import AnsweredSlots
from worker.recording import key_frame_requests
from worker.recording.key_frame_requests import (
    DOUBTFUL,
    EVERY,
    MOST_RECEIVERS,
    MOST_REQUESTS,
    PATIENCE,
    PERIOD,
    KeyFrameRequests,
)
from worker.tape.events import DocumentClosed, TapeEvent, Tick, VideoBatch

FPS = 10


class Watched:
    """The events of a recording in order; ``asked`` are the times of the requests."""

    def __init__(self) -> None:
        self._requests = KeyFrameRequests(AnsweredSlots())
        self._sequence = 0
        self.asked: list[float] = []

    def tell(self, event: TapeEvent, at: float) -> None:
        if self._requests.observe(event, at):
            self.asked.append(round(at, 2))

    def show(self, start: float, end: float, *, keys: tuple[float, ...] = (), receiver: int = 0) -> None:
        """Frames of a receiver, FPS a second; the first after each of ``keys`` is a key frame."""
        waiting = sorted(keys)
        for number in range(round((end - start) * FPS)):
            at = start + number / FPS
            key = bool(waiting) and waiting[0] <= at
            if key:
                waiting.pop(0)
            batch = VideoBatch(1, self._sequence, 0, [video_frame(receiver, at, key=key)])
            self._sequence += 1
            self.tell(batch, at + 0.05)

    def lose_batch(self) -> None:
        self._sequence += 1


def answered(last_key: float, slot: int = 5) -> Watched:
    """Slot 5 is shown from 1 to 10, its last key frame at ``last_key``; ``slot`` is answered for at 9.9."""
    watched = Watched()
    watched.tell(video_track(0, "s1", slot="5", at=0.9), 0.9)
    watched.show(1, 10, keys=(1, last_key))
    watched.tell(video_request(slot, 202, 1, at=9.2), 9.9)
    watched.tell(video_answer(1, at=9.9), 10)
    return watched


def switched(*keys: float, at: float) -> Watched:
    """A receiver shows a track from 1 to 5, and from ``at`` on another one."""
    watched = Watched()
    watched.tell(video_track(0, "s1", at=0.9), 0.9)
    watched.show(1, 5, keys=keys)
    watched.tell(video_track(0, "s2", at=at), 5)
    return watched


def test_a_stream_that_goes_on_brings_no_request() -> None:
    watched = Watched()
    watched.tell(video_track(0, "s1", slot="5", at=0.9), 0.9)
    watched.show(1, 30, keys=(1, 20))
    watched.tell(video_track(0, "s1", slot="5", at=30), 30)
    watched.show(30, 60)
    assert watched.asked == []


def test_an_answer_shortly_after_a_key_frame_brings_a_request() -> None:
    """It may have been of the former source, so all that follows is nobody's."""
    watched = answered(9.5)
    watched.show(10, 12)
    assert watched.asked == [pytest.approx(9.9 + PATIENCE, abs=0.2)]
    watched.show(12, 60, keys=(12,))
    assert len(watched.asked) == 1


@pytest.mark.parametrize(
    ("key", "later"),
    [(9.9 - DOUBTFUL - 0.5, 60.0), (9.5, 10.2)],
    ids=["a key frame long before", "a key frame after it"],
)
def test_an_answer_that_leaves_no_doubt_brings_none(key: float, later: float) -> None:
    watched = answered(key)
    watched.show(10, 20, keys=(later,))
    assert watched.asked == []


def test_an_answer_for_another_slot_brings_none() -> None:
    watched = answered(9.5, slot=6)
    watched.show(10, 20)
    assert watched.asked == []


def test_answers_after_each_key_frame_bring_a_few_requests() -> None:
    """As where the page changes a slot's source whenever another person speaks: each request brings the next key frame."""
    watched = Watched()
    watched.tell(video_track(0, "s1", slot="5", at=0.9), 0.9)
    for number in range(60):
        at = 1.0 + 2 * number
        watched.tell(video_request(5, number, number, at=at), at)
        watched.show(at, at + 0.5, keys=(at,))
        watched.tell(video_answer(number, at=at + 0.5), at + 0.5)
        watched.show(at + 0.5, at + 2)
    assert 0 < len(watched.asked) <= MOST_REQUESTS * (1 + 120 / PERIOD)


def test_another_track_without_a_key_frame_brings_a_request() -> None:
    watched = switched(1, at=4.9)
    watched.show(5, 8)
    assert len(watched.asked) == 1
    begins_with_one = switched(1, at=4.9)
    begins_with_one.show(5, 20, keys=(5.1,))
    assert begins_with_one.asked == []
    overtaken_by_one = switched(1, 4.7, at=4.6)
    overtaken_by_one.show(5, 20)
    assert overtaken_by_one.asked == []


def test_only_the_sender_whose_key_frame_is_overdue_is_asked() -> None:
    requests = KeyFrameRequests(None)
    asked = [
        requests.observe(
            VideoBatch(1, number, 0, [video_frame(7, at, key=not number), video_frame(8, at)]), at
        )
        for number, at in enumerate([1.0, 1.5, 2.0, 2.5])
    ]
    assert asked == [[], [], [(1, 8)], []]


def test_missing_batches_bring_a_request_unless_the_key_frame_comes_at_once() -> None:
    watched = Watched()
    watched.show(1, 5, keys=(1,))
    watched.lose_batch()
    watched.show(5, 20, keys=(5,))
    assert watched.asked == []
    watched.lose_batch()
    watched.show(20, 22)
    assert len(watched.asked) == 1


def test_batches_that_another_document_lacks_bring_no_request_here() -> None:
    watched = Watched()
    watched.show(1, 5, keys=(1,))
    watched.tell(VideoBatch(2, 0, 0, [video_frame(0, 5.0, key=True)]), 5.05)
    watched.tell(VideoBatch(2, 7, 0, [video_frame(0, 5.1, key=True)]), 5.15)
    watched.show(5.2, 20)
    assert watched.asked == []


def test_a_document_that_was_closed_waits_for_nothing() -> None:
    watched = Watched()
    watched.show(1, 1.5)
    watched.tell(DocumentClosed(at=1.6, document=1), 1.6)
    for at in range(2, 60):
        watched.tell(Tick(at=at, wall=at, elapsed=at), at)
    assert watched.asked == []


def test_missing_batches_are_noticed_after_any_number_of_documents() -> None:
    watched = Watched()
    for document in range(10, MOST_RECEIVERS + 11):
        watched.tell(VideoBatch(document, 0, 0, [video_frame(0, 0.5, key=True)]), 0.5)
        watched.tell(DocumentClosed(at=0.5, document=document), 0.5)
    watched.show(1, 5, keys=(1,))
    watched.lose_batch()
    watched.show(5, 7)
    assert len(watched.asked) == 1


def test_a_receiver_without_frames_brings_no_request() -> None:
    watched = Watched()
    watched.tell(video_track(0, "s1", slot="5", at=0.9), 0.9)
    watched.show(1, 5, keys=(1, 4.8))
    watched.tell(video_request(5, 202, 1, at=4.9), 4.9)
    watched.tell(video_answer(1, at=5), 5)
    for at in range(6, 60):
        watched.tell(Tick(at=at, wall=at, elapsed=at), at)
    assert watched.asked == []


def test_a_sender_that_sends_none_is_asked_a_few_times() -> None:
    watched = Watched()
    watched.show(1, 100)
    assert len(watched.asked) == MOST_REQUESTS
    assert all(later - sooner >= EVERY for sooner, later in pairwise(watched.asked))
    watched.tell(DocumentClosed(at=100, document=1), 100)
    watched.show(100, 101)
    assert len(watched.asked) == MOST_REQUESTS


def test_a_long_run_without_a_key_frame_brings_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of video that has become long goes on as another one only from a key frame on."""
    monkeypatch.setattr(key_frame_requests, "LONGEST_RUN", 200)
    watched = Watched()
    watched.show(0, 19, keys=(0,))
    assert watched.asked == []
    watched.show(19, 39, keys=(21.5,))
    assert watched.asked == [pytest.approx(20.1 + PATIENCE, abs=0.2)]
    watched.show(39, 42)
    assert len(watched.asked) == 1, "200 frames without a key frame are there at 41.6"


def test_a_sender_without_key_frames_is_asked_for_some_after_each_long_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(key_frame_requests, "LONGEST_RUN", 1_000)
    watched = Watched()
    watched.show(0, 350, keys=(0,))
    runs = [100.1, 200.1, 300.1]
    assert watched.asked == pytest.approx(
        [run + PATIENCE + number * EVERY for run in runs for number in range(MOST_REQUESTS)], abs=0.3
    )


def test_a_hostile_page_does_not_fill_the_memory() -> None:
    requests = KeyFrameRequests(None)
    tracemalloc.start()
    try:
        for number in range(5 * MOST_RECEIVERS):
            requests.observe(VideoBatch(number, 0, 0, [video_frame(number, number)]), number)
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert taken < 2 * 1024 * 1024


TIMES = st.floats(0, 50)
EVENTS = st.one_of(
    st.builds(video_track, st.integers(0, 2), st.sampled_from(["", "s1", "s2"]), at=TIMES),
    st.builds(video_answer, st.integers(0, 3), at=TIMES),
    st.builds(
        lambda number, at, key: VideoBatch(1, number, 0, [video_frame(number % 3, at, key=key)]),
        st.integers(0, 9),
        TIMES,
        st.booleans(),
    ),
)


@given(st.lists(st.tuples(EVENTS, TIMES)))
def test_requests_are_apart(events: list[tuple[TapeEvent, float]]) -> None:
    requests = KeyFrameRequests(AnsweredSlots())
    asked = [at for event, at in sorted(events, key=lambda pair: pair[1]) if requests.observe(event, at)]
    assert all(later - sooner >= EVERY for sooner, later in pairwise(asked))


STEPS = st.tuples(
    st.floats(0.1, 6.0), st.sampled_from(["answer", "key", "frame", "missing", "track"]), st.integers(0, 1)
)


@given(st.integers(1, 2), st.lists(STEPS, min_size=10, max_size=80))
def test_a_slot_brings_a_few_requests_in_a_period_whatever_comes(
    slots: int, steps: list[tuple[float, str, int]]
) -> None:
    watched = Watched()
    at = 0.0
    for number, (seconds, kind, slot) in enumerate(steps):
        at, receiver = at + seconds, slot % slots
        watched.tell(
            video_track(receiver, str(number if kind == "track" else 0), slot=str(receiver), at=at), at
        )
        if kind == "answer":
            watched.tell(video_request(receiver, number, number, at=at), at)
            watched.show(at, at + 0.05, keys=(at,), receiver=receiver)
            watched.tell(video_answer(number, at=at + 0.05), at + 0.05)
        elif kind == "missing":
            watched.lose_batch()
        watched.show(at + 0.06, at + 0.16, keys=(at,) if kind == "key" else (), receiver=receiver)
    for first in watched.asked:
        assert sum(first <= each < first + PERIOD - 0.1 for each in watched.asked) <= MOST_REQUESTS * slots
