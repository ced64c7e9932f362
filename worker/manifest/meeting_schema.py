"""The schema of ``meeting.json``: who was in the call, what they did, and what was written in its chat (pure).

Each attempt has a MeetingLog among its files; the bot has a Meeting, of all attempts together. All times are seconds of meeting
time, from 0 on, unless a field says otherwise: what happened before the recording began is at 0. Names and messages are what
people wrote: plain text, which whoever shows it has to escape.
"""

from __future__ import annotations

import msgspec

from worker.manifest.schema import Interval

JOIN = "join"
LEAVE = "leave"
UPDATE = "update"
SCREENSHARE_ON = "screenshare_on"
SCREENSHARE_OFF = "screenshare_off"
WEBCAM_ON = "webcam_on"
WEBCAM_OFF = "webcam_off"


class Attendee(msgspec.Struct, frozen=True, kw_only=True):
    """A device of the roster. ``name`` is its full name, else its display name; None: not known. ``name_source`` is the
    evidence for it, as in the manifest.

    ``status`` is the last one, a value of worker.roster.roster.Status. ``parent_id`` is the device of the participant whose
    screen this one shows, None for a person's own device.
    """

    participant_id: str
    name: str | None
    full_name: str | None
    display_name: str | None
    name_source: str
    is_host: bool
    is_bot: bool
    status: str
    parent_id: str | None


class LoggedChange(msgspec.Struct, frozen=True, kw_only=True):
    """``action`` is one of the constants above, UPDATE for a new name; ``name`` was the name then."""

    at_seconds: float
    action: str
    participant_id: str
    name: str | None


class LoggedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message of the chat, also of the bot itself. ``sent_at`` is the platform's own time in Unix seconds, None: unknown."""

    at_seconds: float
    message_id: str
    participant_id: str
    name: str | None
    text: str
    sent_at: float | None


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """How many of each there were beyond the bounds of the document."""

    participants: int = 0
    events: int = 0
    messages: int = 0

    def __add__(self, other: LeftOut) -> LeftOut:
        return LeftOut(
            participants=self.participants + other.participants,
            events=self.events + other.events,
            messages=self.messages + other.messages,
        )


class MeetingLog(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt's document. ``started_at`` is its meeting time 0, in ISO 8601 and UTC. ``title`` None: no evidence of one."""

    started_at: str
    title: str | None = None
    participants: list[Attendee] = []
    events: list[LoggedChange] = []
    messages: list[LoggedMessage] = []
    left_out: LeftOut = LeftOut()


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A participant: first those who were heard, as in the manifest, then all others. ``id`` is that of
    worker.manifest.person_numbers; documents of older versions have 100, 200, ….

    ``participant_id`` is that of the platform, None where none is known. ``name`` is as in the manifest; an empty one: unknown.
    ``status`` and ``parent_id`` are those of Attendee. ``stream_ids`` are those of the manifest, and ``speech`` the stretches
    in which the person spoke; both are empty for those who were not heard.
    """

    id: int
    participant_id: str | None
    name: str
    full_name: str | None = None
    display_name: str | None = None
    name_source: str = "none"
    is_host: bool = False
    is_bot: bool = False
    status: str = "unknown"
    parent_id: str | None = None
    stream_ids: list[str] = []
    speech: list[Interval] = []


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A LoggedChange of the person with the id ``person``."""

    at_seconds: float
    action: str
    person: int


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A LoggedMessage. ``person`` is the id of its sender, None where the roster does not know one; ``name`` is theirs then.

    ``stranger`` is the id of such a sender, whom the document does not list; else 0, as for all in documents of older versions.
    """

    at_seconds: float
    message_id: str
    person: int | None
    name: str
    text: str
    sent_at: float | None
    stranger: int = 0


class Meeting(msgspec.Struct, frozen=True, kw_only=True):
    """The bot's document. ``started_at`` and ``duration_seconds`` are those of its manifest, as is ``platform``."""

    bot_id: str
    platform: str
    started_at: str
    duration_seconds: float
    title: str | None = None
    participants: list[Person] = []
    events: list[Change] = []
    messages: list[Message] = []
    left_out: LeftOut = LeftOut()


def encode_meeting(document: MeetingLog | Meeting) -> bytes:
    """The document as indented UTF-8 JSON with a final newline."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
