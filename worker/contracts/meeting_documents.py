"""What both vendors' documents about people, chat and speech are made from (pure)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from worker.iso_time import iso_utc
from worker.manifest.meeting_schema import Meeting, Message, Person


class Turn(NamedTuple):
    """A stretch in which a person spoke, in seconds of meeting time."""

    start: float
    end: float
    person: Person


def people(meeting: Meeting) -> list[Person]:
    """The participants without the bot; screen shares only where they were heard."""
    return [
        person
        for person in meeting.participants
        if not person.is_bot and (person.parent_id is None or person.stream_ids)
    ]


def turns(meeting: Meeting) -> list[Turn]:
    """Who spoke when, in order."""
    found = [Turn(start, end, person) for person in meeting.participants for start, end in person.speech]
    return sorted(found, key=lambda turn: (turn.start, turn.end, turn.person.id))


def absolute(meeting: Meeting, seconds: float) -> str:
    """A moment of meeting time in ISO 8601 and UTC."""
    moment = datetime.fromisoformat(meeting.started_at) + timedelta(seconds=seconds)
    return iso_utc(moment.timestamp())


def sent_at(meeting: Meeting, message: Message) -> str:
    """When a message was sent, by the platform's own time if it gives one."""
    return absolute(meeting, message.at_seconds) if message.sent_at is None else iso_utc(message.sent_at)
