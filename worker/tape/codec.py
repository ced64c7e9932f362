"""Encodes an event as the bytes of one message of the tape, and decodes it (pure)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias, Union, get_args, get_type_hints

import msgspec

from worker.tape.events import (
    Frame,
    FrameBatch,
    PageEvent,
    TapeEvent,
    VideoBatch,
    VideoFrame,
    VideoRequested,
    VideoRoomChanged,
    VideoTrackSeen,
    WorkerEvent,
)

FRAMES: Final = "frames"
"""Topic of the encoded audio: a FrameBatch as MessagePack."""

VIDEO: Final = "video"
"""Topic of the encoded video: a VideoBatch as MessagePack. Only tapes with video have it."""

EVENTS: Final = "events"
"""Topic of everything else: an Event as JSON."""

JsonEvent: TypeAlias = PageEvent | WorkerEvent

VIDEO_EVENTS: Final = (VideoRequested, VideoTrackSeen, VideoRoomChanged)
"""The events that only tapes with video have."""

MOST_EVENT_BYTES: Final = 12 * 1024 * 1024
"""Bound on an event's message. The page sends at most 8 Mi characters, nearly all of them base64."""

MOST_LISTED_BYTES: Final = 2 * 1024 * 1024
"""Bound on the message of an event that has no payload, whose lists need many times as much memory."""

MOST_VIDEO_BYTES: Final = 12 * 1024 * 1024
"""Bound on a message of video, as a part takes no more (see worker.tape.parts). The page ends a batch once it has a twelfth of
it, so that one frame can have the rest: key frames of a shared screen have about 1 MiB."""


def _without_descriptions(schema: object) -> object:
    match schema:
        case dict():
            kept = (item for item in schema.items() if item[0] not in ("description", "title"))
            return {key: _without_descriptions(value) for key, value in kept}
        case list():
            return [_without_descriptions(each) for each in schema]
        case _:
            return schema


def _schema(*events: type[msgspec.Struct]) -> bytes:
    return msgspec.json.encode(_without_descriptions(msgspec.json.schema(Union[events])))  # noqa: UP007


EVENT_SCHEMA: Final = _schema(*(event for event in get_args(JsonEvent) if event not in VIDEO_EVENTS))
"""JSON Schema of the ``events`` topic, in every part of a tape without video; so it is short."""

VIDEO_EVENT_SCHEMA: Final = _schema(*get_args(JsonEvent))
"""JSON Schema of the ``events`` topic of a tape with video."""

FRAME_FIELDS: Final = {
    "batch": ", ".join(FrameBatch.__struct_fields__),
    "frame": ", ".join(Frame.__struct_fields__),
}
"""Field names of the arrays of the ``frames`` topic, in order; MessagePack has no schema language."""

VIDEO_FIELDS: Final = {
    "batch": ", ".join(VideoBatch.__struct_fields__),
    "frame": ", ".join(VideoFrame.__struct_fields__),
}
"""The same of the ``video`` topic."""


class LoggedEvent(NamedTuple):
    """An event with the log time of its message, in seconds since the Unix epoch, as a reader of the tape gets both."""

    logged: float
    event: TapeEvent


_NANOSECONDS: Final = 1_000_000_000


class _Tag(msgspec.Struct):
    type: str


_PAYLOAD_TAGS: Final = frozenset(
    event.__struct_config__.tag
    for event in get_args(JsonEvent)
    if get_type_hints(event).get("payload") is bytes
)

_tag_decoder = msgspec.json.Decoder(_Tag)
_event_encoder = msgspec.json.Encoder()
_event_decoder = msgspec.json.Decoder(JsonEvent)
_frames_encoder = msgspec.msgpack.Encoder()
_frames_decoder = msgspec.msgpack.Decoder(FrameBatch)
_video_decoder = msgspec.msgpack.Decoder(VideoBatch)


def encode(event: TapeEvent) -> tuple[str, bytes]:
    """The topic and the bytes of an event."""
    if isinstance(event, FrameBatch):
        return FRAMES, _frames_encoder.encode(event)
    if isinstance(event, VideoBatch):
        return VIDEO, _frames_encoder.encode(event)
    return EVENTS, _event_encoder.encode(event)


def check_event_size(data: bytes | memoryview) -> None:
    """Raises msgspec.ValidationError for an event's message that is too large."""
    size = len(data)
    if size > MOST_LISTED_BYTES:
        most = MOST_EVENT_BYTES if _tag_decoder.decode(data).type in _PAYLOAD_TAGS else MOST_LISTED_BYTES
        if size > most:
            raise msgspec.ValidationError(f"an event of {size} bytes, expected at most {most}")


def decode_event(data: bytes | memoryview) -> JsonEvent:
    """A message of the ``events`` topic. Raises msgspec.DecodeError or UnicodeDecodeError."""
    check_event_size(data)
    event: JsonEvent = _event_decoder.decode(data)
    return event


def decode_frames(data: bytes | memoryview) -> FrameBatch:
    """A message of the ``frames`` topic. Raises msgspec.DecodeError or UnicodeDecodeError."""
    return _frames_decoder.decode(data)


def decode_video(data: bytes | memoryview) -> VideoBatch:
    """A message of the ``video`` topic. Raises msgspec.DecodeError or UnicodeDecodeError."""
    if len(data) > MOST_VIDEO_BYTES:
        raise msgspec.ValidationError(f"video of {len(data)} bytes, expected at most {MOST_VIDEO_BYTES}")
    return _video_decoder.decode(data)


def log_time(seconds: float) -> int:
    """A log time as a message stores it: nanoseconds since the Unix epoch."""
    return round(seconds * _NANOSECONDS)


def log_seconds(log_time: int) -> float:
    """A stored log time in seconds since the Unix epoch."""
    return log_time / _NANOSECONDS


DECODERS: Final[dict[str, Callable[[bytes | memoryview], TapeEvent]]] = {
    FRAMES: decode_frames,
    VIDEO: decode_video,
    EVENTS: decode_event,
}
"""The decoder of each topic."""


def decode(topic: str, data: bytes) -> TapeEvent:
    """The event that ``data``, a message of ``topic``, encodes. Raises msgspec.DecodeError or UnicodeDecodeError."""
    return DECODERS[topic](data)
