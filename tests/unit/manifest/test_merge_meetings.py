"""One document of all attempts: the same people have the same number."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.sample_manifests import meeting
from worker.iso_time import iso_utc
from worker.manifest.meeting_schema import (
    Attendee,
    LeftOut,
    LoggedChange,
    LoggedMessage,
    Meeting,
    MeetingLog,
    encode_meeting,
)
from worker.manifest.merge_meetings import merge_meetings, speakers
from worker.manifest.person_numbers import BOT_NUMBER, LARGEST, number_of_participant
from worker.manifest.schema import Manifest


def manifest(speakers: int = 2) -> Manifest:
    return meeting(speakers, 60.0)


def zero(document: Manifest, later: float = 0.0) -> str:
    from datetime import datetime

    started = datetime.fromisoformat(document.recording.started_at).timestamp()
    return iso_utc(started + later, "microseconds")


def attendee(device_id: str, name: str | None = "Someone", **facts: bool) -> Attendee:
    known = {"is_host": False, "is_bot": False, **facts}
    return Attendee(
        participant_id=device_id,
        name=name,
        full_name=name,
        display_name=name,
        name_source="collections" if name else "none",
        status="in",
        parent_id=None,
        **known,
    )


def change(at: float, action: str, who: str) -> LoggedChange:
    return LoggedChange(at_seconds=at, action=action, participant_id=who, name=None)


def message(at: float, who: str, text: str = "hello") -> LoggedMessage:
    return LoggedMessage(
        at_seconds=at, message_id="m", participant_id=who, name=None, text=text, sent_at=None
    )


def test_speakers_come_first_and_the_silent_follow() -> None:
    recorded = manifest()
    heard = [person.participant_id for person in recorded.participants]
    log = MeetingLog(
        started_at=zero(recorded),
        participants=[
            attendee("us", "Notes", is_bot=True),
            attendee("silent", "Cy"),
            attendee(heard[1] or "", "B", is_host=True),
        ],
    )
    document = merge_meetings(recorded, [log])
    assert [person.participant_id for person in document.participants] == [*heard, "us", "silent"]
    assert [person.id for person in document.participants] == [
        *(number_of_participant(each or "") for each in heard),
        BOT_NUMBER,
        number_of_participant("silent"),
    ]
    names = [person.participant_name for person in recorded.participants]
    assert [person.name for person in document.participants] == [*names, "Notes", "Cy"]
    assert [bool(person.speech) for person in document.participants] == [True, True, False, False]
    assert document.participants[1].is_host


def test_the_bot_has_its_number_also_if_it_was_heard() -> None:
    recorded = manifest()
    heard = recorded.participants[1].participant_id or ""
    log = MeetingLog(started_at=zero(recorded), participants=[attendee(heard, "Notes", is_bot=True)])
    document = merge_meetings(recorded, [log])
    assert [person.id for person in document.participants if person.is_bot] == [BOT_NUMBER]


def test_attempts_share_one_clock_and_their_people() -> None:
    recorded = manifest(0)
    first = MeetingLog(
        started_at=zero(recorded),
        participants=[attendee("bot-1", "Notes", is_bot=True), attendee("ana", "Ana")],
        events=[change(1.0, "join", "ana")],
        messages=[message(2.0, "bot-1")],
        left_out=LeftOut(events=2),
    )
    second = MeetingLog(
        started_at=zero(recorded, 30.0),
        participants=[attendee("bot-2", "Notes", is_bot=True), attendee("ana", None)],
        events=[change(0.0, "join", "ana"), change(1.0, "join", "nobody")],
        messages=[message(2.0, "bot-2"), message(3.0, "stranger")],
        left_out=LeftOut(events=1),
    )
    document = merge_meetings(recorded, [first, second])
    ana = number_of_participant("ana")
    assert [(person.id, person.name) for person in document.participants] == [
        (BOT_NUMBER, "Notes"),
        (ana, "Ana"),
    ]
    assert [(each.at_seconds, each.person) for each in document.events] == [(1.0, ana), (30.0, ana)]
    assert [(each.at_seconds, each.person, each.name) for each in document.messages] == [
        (2.0, BOT_NUMBER, "Notes"),
        (32.0, BOT_NUMBER, "Notes"),
        (33.0, None, ""),
    ]
    assert [each.stranger for each in document.messages] == [0, 0, number_of_participant("stranger")]
    assert document.left_out.events == 3


def test_without_logs_there_are_the_speakers() -> None:
    recorded = manifest(3)
    document = merge_meetings(recorded, [])
    assert [person.id for person in document.participants] == [
        number_of_participant(person.participant_id or "") for person in recorded.participants
    ]
    assert [person.speech for person in document.participants] == [
        sorted(interval for segment in person.segments() for interval in segment.intervals)
        for person in recorded.participants
    ]


def test_two_people_with_one_hash_stay_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.manifest.merge_meetings.number_of_participant", lambda _: LARGEST)
    recorded = manifest(0)
    log = MeetingLog(
        started_at=zero(recorded),
        participants=[attendee("ana", "Ana"), attendee("ben", "Ben")],
        events=[change(1.0, "join", "ana"), change(2.0, "join", "ben")],
        messages=[message(3.0, "ben")],
    )
    document = merge_meetings(recorded, [log])
    assert [(person.id, person.name) for person in document.participants] == [(LARGEST, "Ana"), (1, "Ben")]
    assert [each.person for each in document.events] == [LARGEST, 1]
    assert [each.name for each in document.messages] == ["Ben"]


def test_speakers_of_a_document_with_other_numbers_are_the_same_people() -> None:
    recorded = manifest(2)
    document = merge_meetings(recorded, [])
    older = msgspec.structs.replace(
        document,
        participants=[
            msgspec.structs.replace(person, id=100 * number)
            for number, person in enumerate(document.participants, start=1)
        ],
    )
    found = [
        (person.id, person.name, speaker.participant_name) for person, speaker in speakers(recorded, older)
    ]
    names = [person.participant_name for person in recorded.participants]
    assert found == [(100, names[0], names[0]), (200, names[1], names[1])]


def test_speakers_are_found_in_a_document_of_another_order() -> None:
    """A recovered attempt may bring others who spoke first, and further sources."""
    recorded = manifest(4)
    document = merge_meetings(recorded, [])
    people = [msgspec.structs.replace(each, stream_ids=[]) for each in document.participants]
    document = msgspec.structs.replace(document, participants=people)
    other = msgspec.structs.replace(document, participants=document.participants[::-1])
    assert [person for person, _ in speakers(recorded, other)] == document.participants


def test_speakers_without_an_id_are_found_by_their_streams_under_any_name() -> None:
    named = manifest(3)
    people = [
        msgspec.structs.replace(
            each,
            participant_id=None,
            participant_name=f"Speaker {number}",
            streams=[
                msgspec.structs.replace(stream, stream_id=f"Speaker{number}_{stream.stream_id[-8:]}")
                for stream in each.streams
            ],
        )
        for number, each in enumerate(named.participants, start=1)
    ]
    document = merge_meetings(msgspec.structs.replace(named, participants=people), [])
    again = [
        msgspec.structs.replace(
            each,
            streams=[
                msgspec.structs.replace(stream, stream_id=f"Speaker{number}_{stream.stream_id[-8:]}")
                for stream in each.streams
            ],
        )
        for number, each in enumerate(people[::-1], start=1)
    ]
    found = list(speakers(msgspec.structs.replace(named, participants=again), document))
    assert [person for person, _ in found] == document.participants[::-1]
    assert [speaker for _, speaker in found] == again


def test_a_speaker_whom_the_document_lacks_keeps_their_part_and_number() -> None:
    recorded = manifest(3)
    document = merge_meetings(recorded, [])
    for lacking in range(3):
        kept = [person for at, person in enumerate(document.participants) if at != lacking]
        found = list(speakers(recorded, msgspec.structs.replace(document, participants=kept)))
        assert [speaker for _, speaker in found] == recorded.participants
        assert [person for person, _ in found] == document.participants
        taken = msgspec.structs.replace(kept[0], id=document.participants[lacking].id)
        found = list(speakers(recorded, msgspec.structs.replace(document, participants=[taken, kept[1]])))
        assert len({person.id for person, _ in found}) == 3


IDS = st.sampled_from(["a", "b", "c", "us", ""])


@given(
    st.lists(
        st.tuples(
            st.floats(-100, 100),
            st.lists(st.builds(attendee, IDS, st.none() | st.text(max_size=3), is_bot=st.booleans())),
            st.lists(st.builds(change, st.floats(0, 100), st.just("join"), IDS)),
            st.lists(st.builds(message, st.floats(0, 100), IDS)),
        ),
        max_size=4,
    ),
    st.integers(0, 3),
)
def test_any_logs_give_a_document_in_order_whose_people_are_all_listed(
    attempts: list[tuple[float, list[Attendee], list[LoggedChange], list[LoggedMessage]]], speakers: int
) -> None:
    recorded = manifest(speakers)
    logs = [
        MeetingLog(started_at=zero(recorded, later), participants=people, events=changes, messages=messages)
        for later, people, changes, messages in attempts
    ]
    document = merge_meetings(recorded, logs)
    assert msgspec.json.decode(encode_meeting(document), type=Meeting) == document
    ids = [person.id for person in document.participants]
    assert len(set(ids)) == len(ids)
    assert all(0 < number <= LARGEST for number in ids)
    assert {each.person for each in document.events} <= set(ids)
    assert {each.person for each in document.messages} <= {*ids, None}
    for each in (document.events, document.messages):
        times = [item.at_seconds for item in each]
        assert times == sorted(times)
        assert all(at >= 0 for at in times)
