"""Reads the messages of a Teams meeting's chat from frames on the page's WebSocket (pure).

The path of such a frame ends in ``/messaging``; its body is JSON with ``resourceType`` and ``resource``. The chat's pane need
not be open. All of it is hostile input: what cannot be read is ignored.
"""

from __future__ import annotations

import re
from datetime import datetime
from html import unescape
from typing import Final

from worker.platforms.teams.trouter import read_frame, well_formed
from worker.roster.chat import ChatMessage
from worker.tape.events import SocketMessage, TapeEvent

MAX_CHARACTERS: Final = 30_000
"""Of a message's content: Teams' own limit is about 28 KB."""
MAX_NAME_CHARACTERS: Final = 1_000

_TYPES: Final = frozenset({"text", "richtext", "richtext/html"})
"""What people write, in lower case; the other types tell of calls, members and the like."""
_TAG: Final = re.compile(r"</?([a-zA-Z][a-zA-Z0-9]*)[^<>]*>")
"""A tag of HTML. An HTML parser would take seconds for hostile text of this length."""
_BLOCKS: Final = frozenset({"p", "div", "br", "li", "blockquote", "tr", "h1", "h2", "h3"})
_LATEST: Final = 1e10
"""Unix seconds, in the year 2286."""


def chat_in(event: TapeEvent) -> list[ChatMessage]:
    """The chat messages in an event of the tape. Never raises."""
    if not isinstance(event, SocketMessage):
        return []
    frame = read_frame(event.payload)
    if frame is None or frame.kind != "chat" or frame.body.get("resourceType") != "NewMessage":
        return []
    resource = frame.body.get("resource")
    message = _message(resource) if isinstance(resource, dict) else None
    return [message] if message is not None else []


def _message(resource: dict[str, object]) -> ChatMessage | None:
    message_id, kind, content, sender = (
        _text(resource.get(key)) for key in ("id", "messagetype", "content", "from")
    )
    if not message_id or kind.lower() not in _TYPES or resource.get("threadtype") not in (None, "meeting"):
        return None
    text = content if kind.lower() == "text" else _plain(content)
    if not text.strip():
        return None
    return ChatMessage(
        message_id=message_id[:MAX_NAME_CHARACTERS],
        participant_id=sender.rpartition("/")[2][:MAX_NAME_CHARACTERS],
        name=_text(resource.get("imdisplayname"))[:MAX_NAME_CHARACTERS] or None,
        text=text.strip(),
        sent_at=_time(_text(resource.get("originalarrivaltime"))),
    )


def _text(value: object) -> str:
    return well_formed(value[:MAX_CHARACTERS]) if isinstance(value, str) else ""


def _time(value: str) -> float | None:
    """Unix seconds of an ISO 8601 time with its zone; None for anything else."""
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    if at.tzinfo is None:
        return None
    seconds = at.timestamp()
    return seconds if 0 <= seconds < _LATEST else None


def _plain(content: str) -> str:
    """The text of HTML, one line for each block."""
    lines = unescape(_TAG.sub(_break_at_block, content)).splitlines()
    return "\n".join(filter(None, (" ".join(line.split()) for line in lines)))


def _break_at_block(tag: re.Match[str]) -> str:
    return "\n" if tag[1].lower() in _BLOCKS else ""
