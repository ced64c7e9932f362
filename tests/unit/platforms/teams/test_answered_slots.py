"""Which slots show another source after an answer of Teams' service."""

from __future__ import annotations

import tracemalloc

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.support.video_frames import video_answer, video_request
from worker.platforms.teams.answered_slots import MOST_OPEN, AnsweredSlots
from worker.platforms.teams.main_channel import NO_SOURCE
from worker.tape.events import Tick


def test_only_the_slot_that_was_answered_changes() -> None:
    slots = AnsweredSlots()
    assert not slots(video_request(5, 202, 1, at=1.0))
    assert not slots(video_request(6, 302, 2, at=1.1))
    assert slots(video_answer(2, at=1.2)) == {(1, 0, "6")}
    assert not slots(video_answer(2, at=1.3))
    assert not slots(video_answer(1, at=1.3, connection=7))
    assert slots(video_answer(1, at=1.4)) == {(1, 0, "5")}


def test_an_answer_without_a_number_is_to_the_oldest_request() -> None:
    slots = AnsweredSlots()
    slots(video_request(5, 202, 1, at=1.0))
    slots(video_request(6, 302, 2, at=1.1))
    assert slots(video_answer(None, at=1.2)) == {(1, 0, "5")}
    assert slots(video_answer(None, at=1.3)) == {(1, 0, "6")}
    assert not slots(video_answer(None, at=1.4))


def test_a_request_that_changes_nothing_is_no_change() -> None:
    slots = AnsweredSlots()
    slots(video_request(5, 202, 1, at=1.0))
    slots(video_request(5, 202, 2, at=1.1))
    assert slots(video_answer(2, at=1.2)) == {(1, 0, "5")}
    assert not slots(video_answer(1, at=1.3))
    slots(video_request(5, NO_SOURCE, 3, at=2.0))
    assert not slots(video_answer(3, at=2.1))
    slots(video_request(5, 202, 4, at=2.2))
    assert not slots(video_answer(4, at=2.3))
    slots(video_request(5, 302, 5, at=2.4))
    assert slots(video_answer(5, at=2.5)) == {(1, 0, "5")}


def test_all_else_changes_nothing() -> None:
    answer = video_answer(1, at=2.0)
    for other in (
        msgspec.structs.replace(answer, sent=True),
        msgspec.structs.replace(answer, label="data"),
        msgspec.structs.replace(answer, payload=b"sr_res"),
        Tick(at=2.0, wall=2.0, elapsed=2.0),
    ):
        slots = AnsweredSlots()
        slots(video_request(5, 202, 1, at=1.0))
        assert not slots(other)
        assert slots(answer)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.integers(-2, 3), st.integers(0, 3))))
def test_a_slot_changes_at_most_as_often_as_other_sources_are_requested(
    messages: list[tuple[bool, int, int, int]],
) -> None:
    slots = AnsweredSlots()
    changes = 0
    wanted: dict[int, int] = {}
    for at, (sent, slot, source, sequence) in enumerate(messages):
        if sent:
            slots(video_request(slot, source, sequence, at=at))
            if source != NO_SOURCE:
                changes += wanted.get(slot) != source
                wanted[slot] = source
        else:
            changes -= len(slots(video_answer(sequence, at=at)))
        assert changes >= 0


def test_a_hostile_page_does_not_fill_the_memory() -> None:
    slots = AnsweredSlots()
    tracemalloc.start()
    try:
        for number in range(5 * MOST_OPEN):
            slots(video_request(f"slot {number}", number, number, at=number, document=number))
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert taken < 1024 * 1024
