"""What people did in the call, for a bot's page. The one place that knows which document tells of it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from worker.contracts.recall_documents import events_document
from worker.manifest.filenames import display_name
from worker.manifest.meeting_schema import Meeting
from worker.rendering.timeline.speaker import clock_time

MOST_EVENTS: Final = 500
"""Events that a bot's page shows."""


class EventView(NamedTuple):
    """Something in the call. ``at``: m:ss of the recording. ``text``: what was written, may be empty."""

    at: str
    who: str
    what: str
    text: str


def events(meeting: Meeting) -> list[EventView]:
    """What people did in the call, in order; at most MOST_EVENTS."""
    return [_event(event) for event in events_document(meeting)[:MOST_EVENTS]]


_ACTIONS: Final = {
    "join": "joined",
    "leave": "left",
    "update": "changed",
    "speech_on": "began to speak",
    "speech_off": "stopped speaking",
    "webcam_on": "switched the camera on",
    "webcam_off": "switched the camera off",
    "screenshare_on": "began to share the screen",
    "screenshare_off": "stopped sharing the screen",
    "chat_message": "wrote",
}


def _event(event: dict[str, Any]) -> EventView:
    action, data = str(event["action"]), event.get("data") or {}
    person = event.get("participant") or {}
    return EventView(
        at=clock_time(max(0.0, event["timestamp"]["relative"])),
        who=display_name(str(person.get("name") or "")) or "Somebody",
        what=_ACTIONS.get(action, action.replace("_", " ")),
        text=str(data.get("text") or ""),
    )
