"""Finds roster facts and chat messages in a protobuf message of unknown schema (pure).

The web client's schema changes without notice. The form of device ids stays recognisable, so any message in the tree that
pairs one with a source, a name or a text counts as a fact.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

DEVICE_ID = re.compile(r"spaces/[^/\s]{1,200}/devices/[^/\s]{1,200}")
DEVICE_PART = b"/devices/"
"""A part of each device id, by which messages without any are told quickly."""
MAX_DEPTH = 16
MAX_FIELDS = 50_000
MAX_BYTES = 256 * 1024
"""Meet's own messages are far smaller; a larger one would delay the recording for too long."""

_VARINT = 0
_LENGTH_DELIMITED = 2
_VIDEO = 2
_MOST_STATUSES = 32
_GZIP_MAGIC = b"\x1f\x8b"
"""RFC 1952 §2.3.1."""

Fields = dict[int, list[int | bytes]]
"""Field number → values in wire order; varints as int, length-delimited ones as bytes."""

_CHAT_ID = 1
_CHAT_DEVICE = 2
_CHAT_TIME = 3
_CHAT_BODY = 5
_CHAT_SENDER = 8
_EARLIEST_SENT = 1_500_000_000_000
"""Unix milliseconds, in 2017: before Meet. A smaller number in a message's place of its time is something else."""
_LATEST_SENT = 10_000_000_000_000


class HarvestedChat(NamedTuple):
    """A chat message; ``name`` is its sender's, "" where it holds none."""

    message_id: str
    device_id: str
    text: str
    name: str


def harvest_outputs(data: bytes) -> list[tuple[str, str]]:
    """All (stream id, device id) pairs: messages with a numeric string in field 4 and a device id in field 6.

    A message whose field 2 says video is skipped. Returns an empty list where ``data`` is not protobuf.
    """
    pairs = []
    for fields in _messages(data):
        stream_id, device_id = _text(fields, 4), _device_id(fields, 6)
        if stream_id.isdecimal() and stream_id.isascii() and device_id and fields.get(2) != [_VIDEO]:
            pairs.append((stream_id, device_id))
    return pairs


def harvest_video_outputs(data: bytes) -> list[tuple[str, str]]:
    """All (stream id, device id) pairs of videos: messages whose field 2 says video, with a text in field 4 and a device id in
    field 6.
    """
    pairs = []
    for fields in _messages(data):
        stream_id, device_id = _text(fields, 4), _device_id(fields, 6)
        if stream_id and device_id and fields.get(2) == [_VIDEO]:
            pairs.append((stream_id, device_id))
    return pairs


def harvest_names(data: bytes) -> list[tuple[str, str]]:
    """All (device id, name) pairs: messages with a device id in field 1 and a name in field 2, else in field 29."""
    pairs = []
    for fields in _messages(data):
        device_id = _device_id(fields, 1)
        name = _text(fields, 2) or _text(fields, 29)
        if device_id and name and not DEVICE_ID.fullmatch(name):
            pairs.append((device_id, name))
    return pairs


def harvest_users(data: bytes) -> list[tuple[str, str]]:
    """The (device id, name) pairs of harvest_names() that look like a user: a short number in field 4, or a name in field 29,
    stands beside them. On a channel of another purpose a device may stand beside any text.
    """
    pairs = []
    for fields in _messages(data):
        device_id, name = _device_id(fields, 1), _text(fields, 2)
        status = fields.get(4, [None])[0]
        is_user = (isinstance(status, int) and status < _MOST_STATUSES) or bool(_text(fields, 29))
        if device_id and name and is_user and not DEVICE_ID.fullmatch(name):
            pairs.append((device_id, name))
    return pairs


def harvest_chat(data: bytes) -> list[HarvestedChat]:
    """All chat messages: messages with an id in field 1, a device id in field 2 and a text in field 5.1."""
    found = []
    for fields in _messages(data):
        message_id, device_id = _text(fields, _CHAT_ID), _device_id(fields, _CHAT_DEVICE)
        text = _inner_text(fields, _CHAT_BODY)
        if message_id and device_id and text:
            found.append(HarvestedChat(message_id, device_id, text, _inner_text(fields, _CHAT_SENDER)))
    return found


def harvest_sent_chat(data: bytes) -> list[tuple[int, str]]:
    """All (time in Unix milliseconds, text) pairs of chat messages as the page sends them: a time in field 3 and a text in
    field 5.1, and no id.
    """
    found = []
    for fields in _messages(data):
        time, text = fields.get(_CHAT_TIME, [None])[0], _inner_text(fields, _CHAT_BODY)
        if isinstance(time, int) and _EARLIEST_SENT < time < _LATEST_SENT and text and _CHAT_ID not in fields:
            found.append((time, text))
    return found


def packed_frame(data: bytes) -> bytes | None:
    """The gzip in a field of a frame, in which channels pack longer messages; None without one. In ``dcrpc`` and
    ``media-director`` it is field 2; one public bot finds it elsewhere, too, behind three bytes.
    """
    if _GZIP_MAGIC not in data:
        return None
    values = (value for values in _fields(data).values() for value in values)
    return next((each for each in values if isinstance(each, bytes) and each.startswith(_GZIP_MAGIC)), None)


def is_protobuf(data: bytes) -> bool:
    """Whether ``data`` follows the wire format."""
    return bool(_fields(data))


def _messages(data: bytes) -> Iterator[Fields]:
    """Every message of the tree, outer ones first. At most MAX_DEPTH levels and MAX_FIELDS fields are read."""
    level = [data]
    budget = MAX_FIELDS
    for _ in range(MAX_DEPTH):
        below = []
        for candidate in level:
            fields = _fields(candidate)
            budget -= sum(map(len, fields.values()))
            if budget < 0:
                return
            if fields:
                yield fields
            below += [value for values in fields.values() for value in values if isinstance(value, bytes)]
        level = below


def _fields(data: bytes) -> Fields:
    """The fields of one message; empty where ``data`` is not one, is over MAX_BYTES or has more than MAX_FIELDS."""
    if len(data) > MAX_BYTES:
        return {}
    try:
        unknown = UnknownFieldSet(Empty.FromString(data))
    except DecodeError:
        return {}
    if len(unknown) > MAX_FIELDS:
        return {}
    fields: Fields = {}
    for field in (unknown[index] for index in range(len(unknown))):
        if field.wire_type in (_VARINT, _LENGTH_DELIMITED):
            fields.setdefault(field.field_number, []).append(field.data)
    return fields


def _text(fields: Fields, number: int) -> str:
    """The first string of a field, "" where there is none; bytes that are not UTF-8 become U+FFFD."""
    value = next(iter(fields.get(number, [])), None)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""


def _inner_text(fields: Fields, number: int) -> str:
    """The first string of the field 1 of the message in a field, "" where there is none."""
    value = next(iter(fields.get(number, [])), None)
    return _text(_fields(value), 1) if isinstance(value, bytes) else ""


def _device_id(fields: Fields, number: int) -> str:
    text = _text(fields, number)
    return text if DEVICE_ID.fullmatch(text) else ""
