from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.contracts.live_items import LivePerson
from worker.streaming.live_queue import (
    CLOCK_RATE,
    MOST_GAPS,
    Gap,
    LiveQueue,
    Loss,
    Message,
    Queued,
    Sound,
    SoundBuffer,
)

ANNA, BELA = (LivePerson(number=number, participant_id=f"p{number}", name=None) for number in (1, 2))
STEP = 0.02


def sound(index: int, person: LivePerson | None = ANNA, size: int = 4) -> Message:
    """The ``index``-th 20 ms of ``person``."""
    position = round(index * STEP * CLOCK_RATE)
    return Message(f"{index}".rjust(size), Sound(position, STEP, person, index * STEP))


def event(index: int, size: int = 4) -> Message:
    return Message(f"e{index}".rjust(size))


def drained(queue: LiveQueue) -> list[Queued]:
    taken = []
    while (queued := queue.take()) is not None:
        taken.append(queued)
    return taken


def test_messages_come_out_in_order() -> None:
    queue = LiveQueue(5.0)
    messages = [event(0), sound(0), sound(1, BELA), event(1), event(2), sound(2)]
    assert [queue.put(each) for each in messages] == [Loss()] * 6
    assert len(queue) == 6
    assert drained(queue) == messages
    assert (len(queue), queue.size) == (0, 0)


def test_the_oldest_sound_is_lost_and_events_are_kept() -> None:
    queue = LiveQueue(0.1)
    losses = [queue.put(each) for each in (event(0), *(sound(index) for index in range(8)), event(1))]
    assert [round(loss.seconds / STEP) for loss in losses] == [0, 0, 0, 0, 0, 0, 1, 1, 1, 0]
    gap, *rest = drained(queue)
    assert gap == Gap(3 * STEP, ANNA)
    assert rest == [event(0), *(sound(index) for index in range(3, 8)), event(1)]


def test_losses_are_added_up_for_each_person_before_the_next_message() -> None:
    queue = LiveQueue(0.04)
    for index in range(6):
        queue.put(sound(index, ANNA))
        queue.put(sound(index, BELA))
    first, second, *rest = drained(queue)
    assert (first, second) == (Gap(4 * STEP, ANNA), Gap(4 * STEP, BELA))
    assert rest == [sound(index, person) for index in (4, 5) for person in (ANNA, BELA)]
    queue.put(sound(6))
    assert drained(queue) == [sound(6)], "it is told once"


def test_people_without_a_place_are_told_of_together() -> None:
    queue = LiveQueue(STEP)
    for index in range(2 * MOST_GAPS):
        queue.put(sound(index, LivePerson(number=index, participant_id=None, name=None)))
    gaps = [each for each in drained(queue) if isinstance(each, Gap)]
    assert len(gaps) == MOST_GAPS + 1
    assert (gaps[-1].person, round(gaps[-1].seconds / STEP)) == (None, MOST_GAPS - 1)


def test_what_is_put_back_comes_first_again_unless_it_is_too_old() -> None:
    queue = LiveQueue(0.06)
    for index in range(3):
        queue.put(sound(index))
    taken = queue.take()
    assert taken == sound(0)
    assert queue.put_back(taken) == Loss()
    assert queue.take() == sound(0)
    queue.put(sound(3))
    assert queue.put_back(sound(0)).seconds == STEP
    gap = queue.take()
    assert gap == Gap(STEP, ANNA)
    queue.put_back(gap)
    assert drained(queue) == [Gap(STEP, ANNA), sound(1), sound(2), sound(3)]


def test_a_position_far_ahead_does_not_cost_what_comes_after_it() -> None:
    queue = LiveQueue(0.1)
    queue.put(sound(1_000_000))
    for index in range(3):
        assert queue.put(sound(index)) == Loss()


def test_events_are_bounded_by_count_and_bytes() -> None:
    queue = LiveQueue(5.0, most_events=3, most_event_bytes=100)
    assert [queue.put(event(index)).events for index in range(5)] == [0, 0, 0, 1, 1]
    assert queue.put(event(5, size=95)).events == 2
    assert drained(queue) == [event(4), event(5, size=95)]


def test_what_a_queue_did_not_tell_when_it_ended_is_told_by_another_of_the_endpoint() -> None:
    buffer = SoundBuffer()
    anna, bela, other = LiveQueue(5.0, buffer), LiveQueue(5.0, buffer), LiveQueue(5.0)
    for _ in range(2):
        anna.put_back(Gap(STEP, ANNA))
        anna.end()
        assert anna.put(sound(0)) == Loss()
        anna.clear()
    bela.put_back(Gap(3 * STEP, BELA))
    bela.put(sound(0, BELA))
    assert drained(other) == []
    assert drained(bela) == [Gap(3 * STEP, BELA), Gap(2 * STEP, ANNA), sound(0, BELA)]
    assert drained(anna) == []


def test_what_is_put_back_is_before_events_that_came_later() -> None:
    queue = LiveQueue(5.0)
    queue.put(sound(0))
    queue.put(event(0))
    taken = queue.take()
    assert taken is not None
    queue.put_back(taken)
    assert drained(queue) == [sound(0), event(0)]


def test_sound_is_bounded_by_bytes() -> None:
    queue = LiveQueue(5.0, SoundBuffer(100))
    assert [queue.put(sound(index, size=40)).seconds for index in range(4)] == [0.0, 0.0, STEP, STEP]
    assert queue.put(sound(4, size=101)).seconds == 3 * STEP, "also a message that is too large by itself"
    assert (len(queue), queue.size) == (0, 0)


def test_sound_of_one_who_is_silent_is_as_old_as_what_others_said_since() -> None:
    buffer = SoundBuffer()
    anna, bela = LiveQueue(0.1, buffer), LiveQueue(0.1, buffer)
    anna.put(event(0))
    for index in range(3):
        anna.put(sound(index))
    for index in range(3, 7):
        assert bela.put(sound(index, BELA)) == Loss()
    assert round(buffer.advance().seconds / STEP) == 2
    assert drained(anna) == [Gap(2 * STEP, ANNA), event(0), sound(2)]
    bela.put(sound(1_000, BELA))
    assert buffer.advance() == Loss()
    assert buffer.bytes == bela.size == len(sound(1_000).payload)


def test_the_queues_of_an_endpoint_share_their_bytes_and_the_longest_loses() -> None:
    buffer = SoundBuffer(100)
    stalled, well = LiveQueue(5.0, buffer), LiveQueue(5.0, buffer)
    for index in range(4):
        stalled.put(sound(index, size=20))
    assert [well.put(sound(4, BELA, size=20)), well.put(sound(5, BELA, size=20))] == [Loss(), Loss(STEP)]
    assert drained(stalled)[0] == Gap(STEP, ANNA)
    assert drained(well) == [sound(4, BELA, size=20), sound(5, BELA, size=20)]
    assert buffer.bytes == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["put", "take", "fail", "clear"]), st.integers(1, 60))
    )
)
def test_all_queues_of_an_endpoint_are_bounded_together(actions: list[tuple[int, str, int]]) -> None:
    buffer = SoundBuffer(150)
    queues = [LiveQueue(0.2, buffer) for _ in range(4)]
    put, taken, lost = 0, 0, 0.0
    for number, (who, kind, size) in enumerate(actions):
        if kind == "put":
            put += 1
            lost += queues[who].put(sound(number, size=size)).seconds
        elif kind == "clear":
            lost += queues[who].clear().seconds
        elif isinstance(queued := queues[who].take(), Message):
            taken += 1
            if kind == "fail":
                taken -= 1
                lost += queues[who].put_back(queued).seconds
        assert buffer.bytes == sum(queue.size for queue in queues) <= 150
        lost += buffer.advance().seconds
    assert put == taken + round(lost / STEP) + sum(len(queue) for queue in queues)


def test_clear_says_what_is_lost() -> None:
    queue = LiveQueue(5.0)
    for each in (sound(0), event(0), sound(1)):
        queue.put(each)
    assert queue.clear() == Loss(2 * STEP, 1)
    assert (queue.take(), queue.size) == (None, 0)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("sound"), st.integers(0, 3), st.integers(1, 60)),
        st.tuples(st.just("event"), st.just(0), st.integers(1, 60)),
        st.tuples(st.just("take"), st.just(0), st.just(0)),
        st.tuples(st.just("fail"), st.just(0), st.just(0)),
    ),
    max_size=200,
)


@given(steps)
def test_nothing_is_lost_without_being_told_and_the_bounds_hold(actions: list[tuple[str, int, int]]) -> None:
    queue = LiveQueue(0.2, SoundBuffer(300), most_events=5, most_event_bytes=150)
    people = [LivePerson(number=number, participant_id=None, name=None) for number in range(4)]
    put: list[Message] = []
    out: list[Queued] = []
    told = lost_events = 0.0
    for kind, who, size in actions:
        if kind == "sound":
            put.append(sound(len(put), people[who], size))
        elif kind == "event":
            put.append(event(len(put), size))
        else:
            taken = queue.take()
            if taken is not None and kind == "fail":
                loss = queue.put_back(taken)
                told, lost_events = told + loss.seconds, lost_events + loss.events
            elif taken is not None:
                out.append(taken)
            continue
        loss = queue.put(put[-1])
        told, lost_events = told + loss.seconds, lost_events + loss.events
        assert queue.size <= 450
        assert len(queue) <= 5 + 11
    out += drained(queue)
    messages = [each for each in out if isinstance(each, Message)]
    assert [put.index(each) for each in messages] == sorted(put.index(each) for each in messages)
    missing = [each for each in put if each not in messages]
    assert round(told / STEP) == sum(each.sound is not None for each in missing)
    assert lost_events == sum(each.sound is None for each in missing)
    for person in people:
        said = sum(each.seconds for each in out if isinstance(each, Gap) and each.person == person)
        lost = [each for each in missing if each.sound is not None and each.sound.person == person]
        # What was lost behind the last message is told before the next one.
        behind = [each for each in lost if not messages or put.index(each) > put.index(messages[-1])]
        assert len(lost) - len(behind) <= round(said / STEP) <= len(lost)
