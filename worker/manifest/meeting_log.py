"""Collects from a tape's events who was in the call, what they did, and what was written in its chat (pure)."""

from __future__ import annotations

from collections import Counter
from typing import Final, TypeVar

import msgspec

from worker.iso_time import iso_utc
from worker.manifest.filenames import display_name
from worker.manifest.meeting_schema import (
    JOIN,
    LEAVE,
    SCREENSHARE_OFF,
    SCREENSHARE_ON,
    UPDATE,
    WEBCAM_OFF,
    WEBCAM_ON,
    Attendee,
    LeftOut,
    LoggedChange,
    LoggedMessage,
    MeetingLog,
)
from worker.roster.changes import CAMERA_OFF, CAMERA_ON, SHARES, STOPS_SHARING
from worker.roster.roster import Device, Roster, Status
from worker.tape.events import ChatReceived, PageEvent, RosterChanged, WorkerEvent

MOST_PARTICIPANTS: Final = 10_000
"""Bound on the participants, since the page is untrusted."""

MOST_CHANGES: Final = 20_000
MOST_CHANGES_OF_ONE: Final = 1_000
"""Bounds on the changes, of all and of one participant: who joins and leaves without end does not crowd out the others."""

MOST_MESSAGES: Final = 10_000
MOST_TEXT: Final = 4_000_000
"""Bounds on the messages, and on the characters of all of them together."""

LONGEST_MESSAGE: Final = 20_000
LONGEST_NAME: Final = 1_000
LONGEST_ID: Final = 500
"""Characters that are kept of one message, name or id."""

_ACTIONS: Final = {
    "join": JOIN,
    "leave": LEAVE,
    "rename": UPDATE,
    SHARES: SCREENSHARE_ON,
    STOPS_SHARING: SCREENSHARE_OFF,
    CAMERA_ON: WEBCAM_ON,
    CAMERA_OFF: WEBCAM_OFF,
}
"""Changes of the roster → actions. Who is muted is left out: the stems show who speaks."""

Logged = TypeVar("Logged", LoggedChange, LoggedMessage)

_BEGINS_AND_ENDS: Final = ((JOIN, LEAVE), (SCREENSHARE_ON, SCREENSHARE_OFF), (WEBCAM_ON, WEBCAM_OFF))


class MeetingCollector:
    """Takes the events of one tape in order."""

    def __init__(self) -> None:
        self._came: dict[str, None] = {}
        """Those who joined, in order."""
        self._present: dict[tuple[str, str], LoggedChange] = {}
        """What held when the recording began, by participant and action."""
        self._changes: list[LoggedChange] = []
        self._of_one: Counter[str] = Counter()
        self._messages: list[LoggedMessage] = []
        self._text = 0
        self._changes_left_out = 0
        self._messages_left_out = 0

    def begin(self) -> None:
        """The recording begins: what holds now is at 0."""
        present, self._present = self._present, {}
        for change in present.values():
            self._add(change)

    def observe(self, event: PageEvent | WorkerEvent, at: float | None) -> None:
        """Takes the next event, at ``at`` seconds of meeting time; None: before the recording began."""
        match event:
            case RosterChanged():
                action = _ACTIONS.get(event.change)
                if action is not None:
                    self._take_change(event, action, at)
            case ChatReceived():
                self._take_message(event, at)
            case _:
                pass

    def log(self, roster: Roster, started_at: float, duration: float) -> MeetingLog:
        """The document of a recording that began at ``started_at`` (Unix seconds) and lasted ``duration`` seconds.

        ``roster`` is that of the end: it decides who was in the call, and who of them is the bot, whose changes are left out.
        """
        attendees = [
            _attendee(device) for device in roster.devices.values() if _belongs(device, self._came, roster)
        ]
        people = {each.participant_id for each in attendees if not each.is_bot}
        return MeetingLog(
            started_at=iso_utc(started_at, "microseconds"),
            participants=attendees[:MOST_PARTICIPANTS],
            events=[_ended_by(each, duration) for each in self._changes if each.participant_id in people],
            messages=[_ended_by(each, duration) for each in self._messages],
            left_out=LeftOut(
                participants=max(0, len(attendees) - MOST_PARTICIPANTS),
                events=self._changes_left_out,
                messages=self._messages_left_out,
            ),
        )

    def _take_change(self, event: RosterChanged, action: str, at: float | None) -> None:
        change = LoggedChange(
            at_seconds=_seconds(at),
            action=action,
            participant_id=written_text(event.participant_id, LONGEST_ID),
            name=visible_name(event.name),
        )
        if action == JOIN and len(self._came) < MOST_PARTICIPANTS:
            self._came[change.participant_id] = None
        if at is not None:
            self._add(change)
            return
        for begins, ends in _BEGINS_AND_ENDS:
            if action == begins and len(self._present) < MOST_CHANGES:
                self._present[change.participant_id, begins] = change
            elif action == ends:
                self._present.pop((change.participant_id, begins), None)

    def _add(self, change: LoggedChange) -> None:
        of_one = self._of_one[change.participant_id]
        if len(self._changes) >= MOST_CHANGES or of_one >= MOST_CHANGES_OF_ONE:
            self._changes_left_out += 1
            return
        self._of_one[change.participant_id] = of_one + 1
        self._changes.append(change)

    def _take_message(self, event: ChatReceived, at: float | None) -> None:
        text = written_text(event.text, LONGEST_MESSAGE)
        if len(self._messages) >= MOST_MESSAGES or self._text + len(text) > MOST_TEXT:
            self._messages_left_out += 1
            return
        self._text += len(text)
        self._messages.append(
            LoggedMessage(
                at_seconds=_seconds(at),
                message_id=written_text(event.message_id, LONGEST_ID),
                participant_id=written_text(event.participant_id, LONGEST_ID),
                name=visible_name(event.name),
                text=text,
                sent_at=event.sent_at,
            )
        )


def _belongs(device: Device, came: dict[str, None], roster: Roster) -> bool:
    """Whether a device was in the call: not in its waiting room alone, nor only named as the owner of a source."""
    if device.is_us:
        return device is roster.us
    if device.parent_id is not None:
        return True
    is_shown = device.status is Status.IN or (device.status is Status.UNKNOWN and device.name is not None)
    return is_shown or device.device_id in came


def _attendee(device: Device) -> Attendee:
    return Attendee(
        participant_id=written_text(device.device_id, LONGEST_ID),
        name=visible_name(device.name),
        full_name=visible_name(device.full_name),
        display_name=visible_name(device.display_name),
        name_source=device.name_evidence.value,
        is_host=device.is_host,
        is_bot=device.is_us,
        status=device.status.value,
        parent_id=None if device.parent_id is None else written_text(device.parent_id, LONGEST_ID),
    )


def _ended_by(logged: Logged, duration: float) -> Logged:
    """The same; at the end of the recording, where the clocks put it after that."""
    if logged.at_seconds <= duration:
        return logged
    return msgspec.structs.replace(logged, at_seconds=round(duration, 4))


def _seconds(at: float | None) -> float:
    return 0.0 if at is None else round(max(0.0, at), 4)


def visible_name(name: str | None) -> str | None:
    """The name without surrounding blanks, in LONGEST_NAME characters; None where nothing of it is visible."""
    return written_text(name.strip(), LONGEST_NAME) if name and display_name(name) else None


def written_text(text: str, longest: int) -> str:
    """At most ``longest`` characters, without halves of surrogate pairs, which UTF-8 does not have."""
    return text[:longest].encode("utf-8", "replace").decode()
