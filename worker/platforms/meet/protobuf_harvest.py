"""Finds roster facts in a protobuf message of unknown schema.

The web client's schema changes without notice. The form of device ids stays recognisable, so any message in the tree that
pairs one with a source or with a name counts as a fact.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

DEVICE_ID = re.compile(r"spaces/[^/\s]{1,200}/devices/[^/\s]{1,200}")
MAX_DEPTH = 16
MAX_FIELDS = 50_000
MAX_BYTES = 256 * 1024
"""Meet's own messages are far smaller; a larger one would delay the recording for too long."""

_VARINT = 0
_LENGTH_DELIMITED = 2
_VIDEO = 2
_MOST_STATUSES = 32
_PACKED = 2
_GZIP_MAGIC = b"\x1f\x8b"
"""RFC 1952 §2.3.1."""

Fields = dict[int, list[int | bytes]]
"""Field number → values in wire order; varints as int, length-delimited ones as bytes."""


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


def packed_frame(data: bytes) -> bytes | None:
    """The gzip in field 2 of a frame, in which ``dcrpc`` and ``media-director`` pack longer messages; None without one."""
    if _GZIP_MAGIC not in data:
        return None
    packed = next(iter(_fields(data).get(_PACKED, [])), None)
    return packed if isinstance(packed, bytes) and packed.startswith(_GZIP_MAGIC) else None


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


def _device_id(fields: Fields, number: int) -> str:
    text = _text(fields, number)
    return text if DEVICE_ID.fullmatch(text) else ""
