"""Reads the messages of a Meet call's chat from its data channels (pure).

What others write comes over the channel ``collections``, whichever panels are open, and comes again with the same id. Whether
what the bot itself writes is echoed there is disputed: one public bot saw it, another did not. The page sends it over
``meet_messages``, with neither id nor sender. Received messages have a time, too, but it is the meeting's beginning. All of it
is hostile input: what cannot be read is ignored.
"""

from __future__ import annotations

from typing import Final

from google.protobuf.message import DecodeError

from worker.platforms.meet.collections_pb2 import ChatMessage as Received
from worker.platforms.meet.collections_pb2 import Collections
from worker.platforms.meet.compression import unpack
from worker.platforms.meet.protobuf_harvest import (
    DEVICE_ID,
    DEVICE_PART,
    HarvestedChat,
    harvest_chat,
    harvest_sent_chat,
)
from worker.roster.chat import ChatMessage
from worker.tape.events import ChannelMessage, TapeEvent

MAX_CHARACTERS: Final = 10_000
"""Of a message's text; Meet's own field takes 500 UTF-16 code units."""
MAX_NAME_CHARACTERS: Final = 1_000


def chat_in(event: TapeEvent) -> list[ChatMessage]:
    """The chat messages in an event of the tape; with ``sent`` those that the page was seen sending. Never raises."""
    match event:
        case ChannelMessage(label="meet_messages", sent=True):
            return _sent(event)
        case ChannelMessage(label="collections" | "meet_messages", sent=False):
            return _received(event)
        case _:
            return []


def _received(event: ChannelMessage) -> list[ChatMessage]:
    data = unpack(event.payload)
    if data is None or DEVICE_PART not in data:
        return []
    found = _by_schema(data)
    if not found:
        found = harvest_chat(data)
    return [message for each in found if (message := _message(each)) is not None]


def _by_schema(data: bytes) -> list[HarvestedChat]:
    try:
        people = Collections.FromString(data).body.update.people
    except DecodeError:
        return []
    return [_harvested(message) for chat in people.chat for message in chat.messages]


def _harvested(message: Received) -> HarvestedChat:
    return HarvestedChat(message.message_id, message.device_id, message.body.text, message.sender.name)


def _message(found: HarvestedChat) -> ChatMessage | None:
    text = found.text.strip()[:MAX_CHARACTERS]
    if not found.message_id or not text or not DEVICE_ID.fullmatch(found.device_id):
        return None
    return ChatMessage(
        message_id=found.message_id[:MAX_NAME_CHARACTERS],
        participant_id=found.device_id,
        name=found.name.strip()[:MAX_NAME_CHARACTERS] or None,
        text=text,
        sent_at=None,
    )


def _sent(event: ChannelMessage) -> list[ChatMessage]:
    data = unpack(event.payload)
    if data is None:
        return []
    return [
        ChatMessage(
            message_id=f"{event.document}/{time}",
            participant_id="",
            name=None,
            text=text.strip()[:MAX_CHARACTERS],
            sent_at=time / 1000,
            sent=True,
        )
        for time, text in harvest_sent_chat(data)
        if text.strip()
    ]
