from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.contracts.live_endpoints import (
    AUDIO_MIXED,
    AUDIO_OPUS,
    AUDIO_SEPARATE,
    LiveEndpoint,
    LiveForm,
    Transport,
)
from worker.contracts.live_items import (
    Action,
    Isolation,
    LiveEnd,
    LiveEvent,
    LiveItem,
    LiveMicrophone,
    LiveMix,
    LivePcm,
    LivePerson,
    LiveStart,
)
from worker.streaming.connections import LINGER, LINGER_UNKNOWN, REST, SHARED, Connections, Route

EVENTS = ("participant_events.join", "participant_events.leave")
START, END = LiveStart(zero=100.0, relative_zero=100.0), LiveEnd(at=60.0)
MIX = LiveMix(position=0, pcm=b"", arrived=0.0)


def endpoint(*events: str, form: LiveForm = LiveForm.RECALL) -> LiveEndpoint:
    return LiveEndpoint(
        number=0, form=form, transport=Transport.WEBSOCKET, url="wss://live.example/", events=events
    )


def person(number: int) -> LivePerson:
    return LivePerson(number=number, participant_id=f"p{number}", name=None)


def pcm(who: int | None, source: int = 7) -> LivePcm:
    whose = None if who is None else person(who)
    return LivePcm(
        person=whose, source=source, position=0, pcm=b"", arrived=0.0, isolation=Isolation.SEPARATED
    )


def microphone(who: int, on: bool) -> LiveMicrophone:
    return LiveMicrophone(person=person(who), on=on, at=0.0)


def event(who: int, action: Action) -> LiveEvent:
    return LiveEvent(action=action, person=person(who), at=0.0)


def play(connections: Connections, *steps: tuple[float, LiveItem | None]) -> list[Route]:
    """What each step gives; an item of None is a look at what is due."""
    return [connections.advance(at) if item is None else connections.route(item, at) for at, item in steps]


ONE = [
    pytest.param(endpoint(AUDIO_SEPARATE, *EVENTS), "endpoint", id="one for the whole call"),
    pytest.param(endpoint(form=LiveForm.MEETSTREAM_AUDIO), "participant", id="MeetStream's live audio"),
    pytest.param(endpoint(AUDIO_MIXED), "participant", id="the mix alone"),
    pytest.param(endpoint(*EVENTS), "participant", id="events alone"),
]


@pytest.mark.parametrize(("where", "mode"), ONE)
def test_one_connection_is_open_from_the_start_to_the_end(where: LiveEndpoint, mode: str) -> None:
    connections = Connections(where, mode)  # type: ignore[arg-type]
    items: list[LiveItem] = [event(1, Action.JOIN), microphone(1, True), pcm(1), MIX, microphone(1, False)]
    steps = [(float(at), item) for at, item in enumerate([START, *items, END])]
    all_to_one = Route(to=(SHARED,))
    assert play(connections, *steps) == [
        Route(opened=(SHARED,), to=(SHARED,)),
        *[all_to_one] * len(items),
        Route(to=(SHARED,), closed=(SHARED,)),
    ]
    assert not connections.waiting


def test_a_participant_has_a_connection_while_the_microphone_is_on() -> None:
    connections = Connections(endpoint(AUDIO_SEPARATE), "participant")
    assert play(
        connections,
        (0, START),
        (1, event(1, Action.JOIN)),
        (2, microphone(1, True)),
        (3, pcm(1)),
        (4, microphone(1, False)),
        (4.1, pcm(1)),
        (4.1 + LINGER - 0.01, None),
        (4.1 + LINGER, None),
        (9, microphone(1, True)),
        (10, pcm(1)),
        (11, END),
    ) == [
        Route(),
        Route(),
        Route(opened=("person-1",)),
        Route(to=("person-1",)),
        Route(),
        Route(to=("person-1",)),
        Route(),
        Route(closed=("person-1",)),
        Route(opened=("person-1",)),
        Route(to=("person-1",)),
        Route(to=("person-1",), closed=("person-1",)),
    ]


def test_who_unmutes_before_the_connection_is_closed_keeps_it() -> None:
    connections = Connections(endpoint(AUDIO_SEPARATE), "participant")
    play(connections, (0, START), (1, microphone(1, True)), (2, microphone(1, False)))
    assert connections.waiting
    assert play(connections, (2.1, microphone(1, True)), (60, None)) == [Route(), Route()]
    assert not connections.waiting


def test_speech_is_never_kept_back_whatever_the_microphone_is_said_to_be() -> None:
    connections = Connections(endpoint(AUDIO_SEPARATE), "participant")
    opened = Route(opened=("person-1",), to=("person-1",))
    play(connections, (0, START), (1, microphone(1, False)))
    assert play(connections, (5, pcm(1)), (5.1, pcm(1)), (5.1 + LINGER, None)) == [
        opened,
        Route(to=("person-1",)),
        Route(closed=("person-1",)),
    ]
    assert play(connections, (7, pcm(1))) == [opened]


def test_of_whom_nothing_is_known_has_a_connection_from_the_first_speech_on() -> None:
    connections = Connections(endpoint(AUDIO_SEPARATE), "participant")
    assert play(connections, (0, START), (1, pcm(1)), (LINGER_UNKNOWN, None), (1 + LINGER_UNKNOWN, None)) == [
        Route(),
        Route(opened=("person-1",), to=("person-1",)),
        Route(),
        Route(closed=("person-1",)),
    ]
    play(connections, (100, pcm(2)))
    assert play(connections, (101, event(2, Action.LEAVE)), (101 + LINGER, None))[1].closed == ("person-2",)


def test_who_comes_back_is_connected_again() -> None:
    connections = Connections(endpoint(AUDIO_SEPARATE), "participant")
    play(connections, (0, START), (1, microphone(1, True)), (2, microphone(1, False)))
    assert play(
        connections,
        (2, event(1, Action.LEAVE)),
        (3, None),
        (4, event(1, Action.JOIN)),
        (5, pcm(1)),
        (5 + LINGER, None),
    ) == [
        Route(),
        Route(closed=("person-1",)),
        Route(),
        Route(opened=("person-1",), to=("person-1",)),
        Route(),
    ]


def test_a_name_found_late_moves_the_speaker_to_the_persons_connection() -> None:
    connections = Connections(endpoint(AUDIO_OPUS), "participant")
    assert play(connections, (0, START), (1, pcm(None, 7)), (2, pcm(1, 7)), (3, pcm(None, 8))) == [
        Route(),
        Route(opened=("source-7",), to=("source-7",)),
        Route(opened=("person-1",), to=("person-1",), closed=("source-7",)),
        Route(opened=("source-8",), to=("source-8",)),
    ]


def test_events_and_the_mix_go_on_a_connection_that_all_share() -> None:
    connections = Connections(endpoint(AUDIO_SEPARATE, AUDIO_MIXED, *EVENTS), "participant")
    assert play(
        connections, (0, START), (1, microphone(1, True)), (2, MIX), (3, event(1, Action.JOIN)), (4, END)
    ) == [
        Route(opened=(SHARED,), to=(SHARED,)),
        Route(opened=("person-1",), to=(SHARED,)),
        Route(to=(SHARED,)),
        Route(to=(SHARED,)),
        Route(to=(SHARED, "person-1"), closed=(SHARED, "person-1")),
    ]


def test_who_finds_no_place_shares_a_connection() -> None:
    connections = Connections(endpoint(AUDIO_SEPARATE), "participant", most=3)
    routes = play(connections, (0, START), *((1.0, microphone(number, True)) for number in range(5)))
    assert [route.opened for route in routes[1:]] == [("person-0",), ("person-1",), *[(REST,)] * 3]
    assert play(connections, (2, pcm(4)))[0].to == (REST,)
    play(connections, (3, microphone(0, False)), (3, microphone(2, False)), (3, microphone(3, False)))
    assert play(connections, (4, None))[0].closed == ("person-0",)
    assert play(connections, (5, pcm(4)), (5, microphone(2, True))) == [
        Route(to=(REST,)),
        Route(opened=("person-2",)),
    ]
    play(connections, (6, microphone(4, False)))
    assert play(connections, (7, None))[0].closed == (REST,)


people = st.integers(0, 6)
items: st.SearchStrategy[LiveItem | None] = st.one_of(
    st.none(),
    st.builds(microphone, people, st.booleans()),
    st.builds(pcm, st.one_of(st.none(), people), people),
    st.builds(event, people, st.sampled_from([Action.JOIN, Action.LEAVE])),
    st.just(MIX),
)


def is_open_after(routes: Iterable[Route]) -> set[str]:
    is_open: set[str] = set()
    for route in routes:
        is_open |= set(route.opened)
        assert set(route.to) <= is_open, "only what is open gets anything"
        assert set(route.closed) <= is_open
        is_open -= set(route.closed)
    return is_open


@given(st.lists(st.tuples(st.floats(0.0, 2.0), items), max_size=80), st.booleans(), st.integers(3, 8))
def test_sound_finds_one_open_connection_and_each_opened_one_is_closed(
    waits: list[tuple[float, LiveItem | None]], with_events: bool, most: int
) -> None:
    where = endpoint(AUDIO_SEPARATE, AUDIO_MIXED, *(EVENTS if with_events else ()))
    connections = Connections(where, "participant", most)
    at, routes = 0.0, play(connections, (0.0, START))
    on: set[int] = set()
    for wait, item in waits:
        at += wait
        routes += play(connections, (at, item))
        if isinstance(item, LivePcm):
            (connection,) = routes[-1].to
            number = item.source if item.person is None else item.person.number
            own = f"{'source' if item.person is None else 'person'}-{number}"
            assert connection in {own, REST}
        if isinstance(item, LiveMicrophone):
            on = on | {item.person.number} if item.on else on - {item.person.number}
        if isinstance(item, LiveEvent):
            on.discard(item.person.number)
        is_open = is_open_after(routes)
        assert len(is_open) <= most
        assert all(f"person-{number}" in is_open or REST in is_open for number in on)
    routes += play(connections, (at, END))
    assert is_open_after(routes) == set()
