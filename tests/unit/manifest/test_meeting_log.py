"""Who was in the call, what they did and wrote, from a tape's events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.manifest import meeting_log
from worker.manifest.meeting_log import (
    MOST_CHANGES,
    MOST_CHANGES_OF_ONE,
    MOST_MESSAGES,
    MOST_TEXT,
    MeetingCollector,
)
from worker.manifest.meeting_schema import MeetingLog, encode_meeting
from worker.roster.roster import Device, Roster, Status
from worker.tape.events import ChatReceived, RosterChanged, WorkerEvent

ZERO = 1_790_000_000.0


def change(kind: str, who: str = "ana", name: str | None = "Ana") -> RosterChanged:
    return RosterChanged(at=ZERO, change=kind, participant_id=who, name=name)


def said(text: str, who: str = "ana", message_id: str = "m1") -> ChatReceived:
    return ChatReceived(at=ZERO, message_id=message_id, participant_id=who, name="Ana", text=text)


def roster(*devices: Device) -> Roster:
    return Roster(devices={device.device_id: device for device in devices})


ANA = Device(device_id="ana", name="Ana", full_name="Ana Ray", is_host=True, status=Status.IN)
US = Device(device_id="us", name="Notes", is_us=True, status=Status.IN)


@dataclass
class Tape:
    """Events before the recording, and during it with their meeting time."""

    before: Iterable[WorkerEvent] = ()
    during: Iterable[tuple[float, WorkerEvent]] = ()

    def log(self, *devices: Device, duration: float = 60.0) -> MeetingLog:
        collector = MeetingCollector()
        for event in self.before:
            collector.observe(event, None)
        collector.begin()
        for at, event in self.during:
            collector.observe(event, at)
        return collector.log(roster(*devices), ZERO, duration)


def actions(log: MeetingLog) -> list[tuple[float, str, str]]:
    return [(each.at_seconds, each.action, each.participant_id) for each in log.events]


def test_changes_and_messages_have_their_meeting_time() -> None:
    during: list[tuple[float, WorkerEvent]] = [
        (1.0, change("join")),
        (2.5, change("mute")),
        (3.00004, change("rename", name="Ana R.")),
        (4.0, change("screenshare_on")),
        (5.0, said("hello")),
        (6.0, change("screenshare_off")),
        (7.0, change("leave")),
    ]
    log = Tape(during=during).log(ANA)
    assert actions(log) == [
        (1.0, "join", "ana"),
        (3.0, "update", "ana"),
        (4.0, "screenshare_on", "ana"),
        (6.0, "screenshare_off", "ana"),
        (7.0, "leave", "ana"),
    ]
    assert [(each.at_seconds, each.text, each.participant_id) for each in log.messages] == [
        (5.0, "hello", "ana")
    ]
    assert log.started_at == "2026-09-21T14:13:20.000000Z"


def test_what_holds_when_the_recording_begins_is_at_zero() -> None:
    before: list[WorkerEvent] = [
        change("join"),
        change("join", "ben"),
        change("leave", "ben"),
        change("screenshare_on"),
        said("early"),
    ]
    log = Tape(before, [(2.0, change("join", "ben"))]).log(ANA, Device(device_id="ben", status=Status.IN))
    assert actions(log) == [(0.0, "join", "ana"), (0.0, "screenshare_on", "ana"), (2.0, "join", "ben")]
    assert [each.at_seconds for each in log.messages] == [0.0]


@pytest.mark.parametrize(
    ("device", "listed"),
    [
        (ANA, True),
        (Device(device_id="ana", status=Status.OUT), True),
        (Device(device_id="cy", status=Status.WAITING, name="Cy"), False),
        (Device(device_id="cy", status=Status.OUT, name="Cy"), False),
        (Device(device_id="cy", name="Cy"), True),
        (Device(device_id="cy"), False),
        (Device(device_id="screen", parent_id="ana", status=Status.OUT), True),
        (US, True),
    ],
)
def test_those_who_were_in_the_call_are_listed_also_if_they_never_spoke(device: Device, listed: bool) -> None:
    log = Tape(during=[(1.0, change("join")), (2.0, change("leave"))]).log(device)
    assert [each.participant_id for each in log.participants] == ([device.device_id] if listed else [])


def test_all_facts_of_the_roster_are_kept() -> None:
    (ana,) = Tape().log(ANA).participants
    assert (ana.name, ana.full_name, ana.is_host, ana.is_bot, ana.status) == (
        "Ana",
        "Ana Ray",
        True,
        False,
        "in",
    )


def test_the_bots_own_changes_and_those_of_nobody_known_are_left_out() -> None:
    during = [(1.0, change("join", "us")), (1.0, change("join", "ghost")), (2.0, change("join"))]
    assert actions(Tape(during=during).log(ANA, US)) == [(2.0, "join", "ana")]


def test_nothing_is_after_the_end_or_before_the_beginning() -> None:
    during: list[tuple[float, WorkerEvent]] = [
        (-3.0, change("join")),
        (99.0, change("leave")),
        (99.0, said("late")),
    ]
    log = Tape(during=during).log(ANA, duration=60.0)
    assert [each.at_seconds for each in log.events] == [0.0, 60.0]
    assert [each.at_seconds for each in log.messages] == [60.0]


def test_a_room_that_changes_without_end_is_bounded_and_crowds_out_nobody() -> None:
    hostile = [(1.0, change("join" if n % 2 else "leave", "eve")) for n in range(100_000)]
    log = Tape(during=[*hostile, (2.0, change("join"))]).log(ANA, Device(device_id="eve", status=Status.IN))
    assert len([each for each in log.events if each.participant_id == "eve"]) == MOST_CHANGES_OF_ONE
    assert actions(log)[-1] == (2.0, "join", "ana")
    assert log.left_out.events == 100_000 - MOST_CHANGES_OF_ONE


def test_many_hostile_participants_are_bounded() -> None:
    collector = MeetingCollector()
    for number in range(100_000):
        collector.observe(change("join", f"bot-{number}"), 1.0)
    collector.begin()
    assert collector.log(roster(), ZERO, 60.0).left_out.events == 100_000 - MOST_CHANGES


def test_messages_are_bounded_in_number_and_in_length(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Tape(during=[(1.0, said(f"{n}")) for n in range(MOST_MESSAGES + 5)]).log(ANA)
    assert (len(log.messages), log.left_out.messages) == (MOST_MESSAGES, 5)
    long = Tape(during=[(1.0, said("x" * 1_000_000)) for _ in range(1000)]).log(ANA)
    assert sum(len(each.text) for each in long.messages) <= MOST_TEXT
    monkeypatch.setattr(meeting_log, "MOST_PARTICIPANTS", 3)
    crowd = [Device(device_id=f"d{n}", status=Status.IN) for n in range(5)]
    few = Tape().log(*crowd)
    assert (len(few.participants), few.left_out.participants) == (3, 2)


TEXTS = st.text(st.characters(codec=None), max_size=30)


@given(
    st.lists(
        st.one_of(
            st.builds(
                RosterChanged,
                at=st.just(ZERO),
                change=st.sampled_from(["join", "leave", "rename", "mute", "screenshare_on", "x"]),
                participant_id=TEXTS,
                name=st.none() | TEXTS,
            ),
            st.builds(
                ChatReceived,
                at=st.just(ZERO),
                message_id=TEXTS,
                participant_id=TEXTS,
                name=st.none() | TEXTS,
                text=TEXTS,
            ),
        )
    ),
    st.lists(st.builds(Device, device_id=TEXTS, name=st.none() | TEXTS, status=st.sampled_from(Status))),
    st.lists(st.none() | st.floats(-10, 100), min_size=1),
)
def test_any_events_give_a_document_that_reads_back(
    events: list[RosterChanged | ChatReceived], devices: list[Device], times: list[float | None]
) -> None:
    collector = MeetingCollector()
    for number, event in enumerate(events):
        collector.observe(event, times[number % len(times)])
    collector.begin()
    log = collector.log(roster(*devices), ZERO, 60.0)
    assert msgspec.json.decode(encode_meeting(log), type=MeetingLog) == log
    times_given = [each.at_seconds for each in log.events] + [each.at_seconds for each in log.messages]
    assert all(0 <= at <= 60 for at in times_given)
    people = {each.participant_id for each in log.participants}
    assert {each.participant_id for each in log.events} <= people
