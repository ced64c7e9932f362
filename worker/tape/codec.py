"""Encodes an event as the bytes of one message of the tape, and decodes it (pure)."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import msgspec

from worker.tape.events import Frame, FrameBatch, PageEvent, TapeEvent, WorkerEvent

FRAMES: Final = "frames"
"""Topic of the encoded audio: a FrameBatch as MessagePack."""

EVENTS: Final = "events"
"""Topic of everything else: an Event as JSON."""

JsonEvent: TypeAlias = PageEvent | WorkerEvent

EVENT_SCHEMA: Final = msgspec.json.encode(msgspec.json.schema(JsonEvent))
"""JSON Schema of the ``events`` topic."""

FRAME_FIELDS: Final = {
    "batch": ", ".join(FrameBatch.__struct_fields__),
    "frame": ", ".join(Frame.__struct_fields__),
}
"""Field names of the arrays of the ``frames`` topic, in order; MessagePack has no schema language."""


class LoggedEvent(NamedTuple):
    """An event with the log time of its message, in seconds since the Unix epoch, as a reader of the tape gets both."""

    logged: float
    event: TapeEvent


_NANOSECONDS: Final = 1_000_000_000

_event_encoder = msgspec.json.Encoder()
_event_decoder = msgspec.json.Decoder(JsonEvent)
_frames_encoder = msgspec.msgpack.Encoder()
_frames_decoder = msgspec.msgpack.Decoder(FrameBatch)


def encode(event: TapeEvent) -> tuple[str, bytes]:
    """The topic and the bytes of an event."""
    if isinstance(event, FrameBatch):
        return FRAMES, _frames_encoder.encode(event)
    return EVENTS, _event_encoder.encode(event)


def decode_event(data: bytes) -> JsonEvent:
    """A message of the ``events`` topic. Raises msgspec.DecodeError or UnicodeDecodeError."""
    event: JsonEvent = _event_decoder.decode(data)
    return event


def decode_frames(data: bytes) -> FrameBatch:
    """A message of the ``frames`` topic. Raises msgspec.DecodeError or UnicodeDecodeError."""
    return _frames_decoder.decode(data)


def log_time(seconds: float) -> int:
    """A log time as a message stores it: nanoseconds since the Unix epoch."""
    return round(seconds * _NANOSECONDS)


def log_seconds(log_time: int) -> float:
    """A stored log time in seconds since the Unix epoch."""
    return log_time / _NANOSECONDS


def decode(topic: str, data: bytes) -> TapeEvent:
    """The event that ``data``, a message of ``topic``, encodes. Raises msgspec.DecodeError or UnicodeDecodeError."""
    return decode_frames(data) if topic == FRAMES else decode_event(data)
