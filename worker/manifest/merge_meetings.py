"""Merges what attempts logged of a meeting, and who was heard in it, into one document (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from worker.manifest.meeting_schema import Attendee, Change, LeftOut, Meeting, MeetingLog, Message, Person
from worker.manifest.person_numbers import (
    BOT_NUMBER,
    PersonNumbers,
    number_of_participant,
    number_of_shown,
    number_of_speaker,
)
from worker.manifest.schema import Manifest, ParticipantStreams, VideoStreams


def speakers(manifest: Manifest, meeting: Meeting) -> Iterator[tuple[Person, ParticipantStreams]]:
    """Each participant of the manifest, in its order, with the person of the meeting's document that they are.

    They are the same by the platform's id, else by the hash in a stream's id (worker.manifest.filenames): not by their numbers,
    as a stored document keeps those that it was written with, nor by their place in it. One whom the document lacks is a person
    with the number of their own, or the next that is free.
    """
    by_id = {person.participant_id: person for person in meeting.participants if person.participant_id}
    by_stream = {_hash(stream): person for person in meeting.participants for stream in person.stream_ids}
    numbers = PersonNumbers()
    for person in meeting.participants:
        numbers.take(person.id)
    for speaker in manifest.participants:
        known = by_id.get(speaker.participant_id or "")
        for stream in speaker.streams:
            known = known or by_stream.get(_hash(stream.stream_id))
        yield known or _heard(numbers.take(number_of_speaker(speaker)), speaker, None), speaker


def presenters(manifest: Manifest, meeting: Meeting) -> Iterator[tuple[Person, VideoStreams]]:
    """Each entry of the manifest's videos, in its order, with the person of the meeting's document whose it is.

    They are the same by the platform's id. One whom the document lacks is a person with a number that no other one has.
    """
    by_id = {person.participant_id: person for person in meeting.participants if person.participant_id}
    numbers = PersonNumbers()
    for person in meeting.participants:
        numbers.take(person.id)
    for position, stream in enumerate(manifest.video_streams or []):
        identity = stream.participant_id
        known = by_id.get(identity or "")
        if known is None:
            number = number_of_shown(position) if identity is None else number_of_participant(identity)
            known = Person(
                id=numbers.take(number),
                participant_id=identity,
                name=stream.participant_name,
                name_source=stream.name_source,
                is_host=stream.is_host,
            )
            if identity is not None:
                by_id[identity] = known
        yield known, stream


def merge_meetings(manifest: Manifest, logs: Sequence[MeetingLog]) -> Meeting:
    """The bot's document. ``manifest`` is that of all attempts, with its speakers; ``logs`` are the attempts' own, in order.

    Participants are the same if their device ids are; the bot is one participant, under whatever ids it was in the call. What
    the latest log says of somebody counts.
    """
    attendees = _latest(logs)
    numbers = PersonNumbers()
    people = []
    for speaker in manifest.participants:
        attendee = attendees.pop(speaker.participant_id or "", None)
        is_bot = attendee is not None and attendee.is_bot
        number = numbers.take(BOT_NUMBER if is_bot else number_of_speaker(speaker))
        people.append(_heard(number, speaker, attendee))
    for attendee in attendees.values():
        number = BOT_NUMBER if attendee.is_bot else number_of_participant(attendee.participant_id)
        people.append(_silent(numbers.take(number), attendee))
    ids = {person.participant_id: person.id for person in people if person.participant_id is not None}
    bot = next((person.id for person in people if person.is_bot), None)
    if bot is not None:
        ids.update({each.participant_id: bot for log in logs for each in log.participants if each.is_bot})
    names = {person.id: person.name for person in people}
    events: list[Change] = []
    messages: list[Message] = []
    left_out = LeftOut()
    for log in logs:
        offset = max(0.0, _unix(log.started_at) - _unix(manifest.recording.started_at))
        left_out += log.left_out
        for change in log.events:
            if (person := ids.get(change.participant_id)) is not None:
                at = round(change.at_seconds + offset, 4)
                events.append(Change(at_seconds=at, action=change.action, person=person))
        for message in log.messages:
            sender = ids.get(message.participant_id)
            messages.append(
                Message(
                    at_seconds=round(message.at_seconds + offset, 4),
                    message_id=message.message_id,
                    person=sender,
                    name=message.name or names.get(sender or 0, ""),
                    text=message.text,
                    sent_at=message.sent_at,
                    stranger=number_of_participant(message.participant_id) if sender is None else 0,
                )
            )
    return Meeting(
        bot_id=manifest.bot_id,
        platform=manifest.recording.platform,
        started_at=manifest.recording.started_at,
        duration_seconds=manifest.recording.duration_seconds,
        title=next((log.title for log in reversed(logs) if log.title is not None), None),
        participants=people,
        events=sorted(events, key=lambda each: each.at_seconds),
        messages=sorted(messages, key=lambda each: each.at_seconds),
        left_out=left_out,
    )


def _latest(logs: Sequence[MeetingLog]) -> dict[str, Attendee]:
    """What the latest log says of each attendee, by device id, in order of first appearance. A name that it lacks stays."""
    latest: dict[str, Attendee] = {}
    bot: str | None = None
    for log in logs:
        for attendee in log.participants:
            key = attendee.participant_id
            if attendee.is_bot:
                bot = key = bot or key
            before = latest.get(key)
            latest[key] = attendee if before is None else _updated(before, attendee)
    return latest


def _updated(before: Attendee, now: Attendee) -> Attendee:
    if now.name is not None or before.name is None:
        return now
    return msgspec.structs.replace(
        now,
        name=before.name,
        full_name=before.full_name,
        display_name=before.display_name,
        name_source=before.name_source,
    )


def _heard(number: int, person: ParticipantStreams, attendee: Attendee | None) -> Person:
    speech = sorted(interval for segment in person.segments() for interval in segment.intervals)
    found = Person(
        id=number,
        participant_id=person.participant_id,
        name=person.participant_name,
        name_source=person.name_source,
        is_host=person.is_host,
        stream_ids=[stream.stream_id for stream in person.streams],
        speech=speech,
    )
    if attendee is None:
        return found
    return msgspec.structs.replace(
        found,
        full_name=attendee.full_name,
        display_name=attendee.display_name,
        is_host=person.is_host or attendee.is_host,
        is_bot=attendee.is_bot,
        status=attendee.status,
        parent_id=attendee.parent_id,
    )


def _silent(number: int, attendee: Attendee) -> Person:
    return Person(
        id=number,
        participant_id=attendee.participant_id,
        name=attendee.name or "",
        full_name=attendee.full_name,
        display_name=attendee.display_name,
        name_source=attendee.name_source,
        is_host=attendee.is_host,
        is_bot=attendee.is_bot,
        status=attendee.status,
        parent_id=attendee.parent_id,
    )


def _hash(stream_id: str) -> str:
    """The end of a stream's id, which stays the same under another name."""
    return stream_id.rpartition("_")[2]


def _unix(started_at: str) -> float:
    return datetime.fromisoformat(started_at).timestamp()
