from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.contracts.live_items import LivePerson
from worker.streaming.live_queue import Gap, Message, Queued, Sound
from worker.streaming.unconfirmed import MOST_TIMES, Doubt, Unconfirmed

ANNA = LivePerson(number=1, participant_id="p1", name="Anna")
STEP = 0.02


def sound(index: int) -> Message:
    return Message(f"{index}", Sound(index, STEP, ANNA, 0.0))


def test_all_that_was_sent_is_in_doubt_events_are_sent_again_and_sound_is_a_gap() -> None:
    sent = Unconfirmed()
    assert not sent
    for each in (Message("e0"), sound(0), Gap(3.0, ANNA), Message("e1")):
        sent.add(each)
    assert sent
    again: list[Queued] = [Message("e0", times=1), Gap(STEP, ANNA), Gap(3.0, ANNA), Message("e1", times=1)]
    assert sent.doubt() == Doubt(again, STEP, 2, 0), "a gap that is told again is not lost again"


def test_an_event_that_breaks_each_connection_is_given_up_and_those_behind_it_are_not() -> None:
    again: list[Queued] = [Message("e0")]
    for number in range(MOST_TIMES):
        sent = Unconfirmed()
        for each in again:
            sent.add(each)
        sent.add(Message(f"e{number + 1}"))
        doubt = sent.doubt()
        again = [*doubt.again[:1]]
        assert doubt.given_up == (number == MOST_TIMES - 1)
    assert again == [Message(f"e{MOST_TIMES}", times=1)]


@given(st.lists(st.sampled_from(["event", "sound", "ask", "answer"]), max_size=60))
def test_what_is_in_doubt_is_what_was_sent_since_the_last_question_that_was_answered(
    actions: list[str],
) -> None:
    sent, all_sent, asked, confirmed = Unconfirmed(), list[Queued](), list[int](), 0
    for number, action in enumerate(actions):
        if action == "ask":
            asked.append(sent.mark)
        elif action == "answer" and asked:
            confirmed = asked.pop(0)
            sent.confirm(confirmed)
            sent.confirm(0)
        elif action in {"event", "sound"}:
            all_sent.append(Message(f"{number}") if action == "event" else sound(number))
            sent.add(all_sent[-1])
    rest = [each for each in all_sent[confirmed:] if isinstance(each, Message)]
    doubt = sent.doubt()
    events = [each._replace(times=1) for each in rest if each.sound is None]
    assert [each for each in doubt.again if isinstance(each, Message)] == events
    assert len(doubt.again) == len(rest)
    assert round(doubt.seconds / STEP) == sum(each.sound is not None for each in rest)
    assert doubt.events == sum(each.sound is None for each in rest)
