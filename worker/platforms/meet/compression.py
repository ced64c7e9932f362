"""Unpacks messages of Meet's data channels, which are compressed or not (pure)."""

from __future__ import annotations

import zlib
from typing import Final

MAX_MESSAGE_BYTES: Final = 2 * 1024 * 1024
"""Of one decompressed message: a meeting of a thousand people needs less than one megabyte."""

_GZIP: Final = b"\x1f\x8b"
_DEFLATE: Final = b"\x08"
_LENGTH_DELIMITED: Final = 2
_MOST_LENGTH: Final = 4
"""Bytes of the length of a field that may stand around a packed message."""


def decompress(payload: bytes) -> bytes | None:
    """Unpacks a message that is compressed with zlib, gzip or not at all; None where it is broken, empty or larger than
    MAX_MESSAGE_BYTES. A gzip message may be the only field of a protobuf message, as public bots find it.
    """
    payload = _unwrap(payload)
    if not _looks_compressed(payload):
        return payload if 0 < len(payload) <= MAX_MESSAGE_BYTES else None
    decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # either header
    try:
        data = decompressor.decompress(payload, MAX_MESSAGE_BYTES)
    except zlib.error:
        return None
    return data if data and not decompressor.unconsumed_tail else None


def _unwrap(payload: bytes) -> bytes:
    """The gzip message in a field that is the whole of ``payload``; ``payload`` itself without one."""
    start = payload.find(_GZIP + _DEFLATE, 2, 1 + _MOST_LENGTH + 3)
    if start < 0 or payload[0] & 7 != _LENGTH_DELIMITED or payload[0] & 0x80:
        return payload
    length = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(payload[1:start]))
    return payload[start:] if length == len(payload) - start else payload


def _looks_compressed(payload: bytes) -> bool:
    """A gzip magic (RFC 1952 §2.3.1), or a zlib header with its check bits (RFC 1950 §2.2)."""
    if payload[:2] == _GZIP:
        return True
    return len(payload) >= 2 and payload[0] == 0x78 and int.from_bytes(payload[:2], "big") % 31 == 0
