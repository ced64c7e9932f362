"""Unpacks messages of Meet's data channels, which are compressed or not (pure)."""

from __future__ import annotations

import zlib
from typing import Final

from worker.platforms.meet.protobuf_harvest import packed_frame

MAX_MESSAGE_BYTES: Final = 2 * 1024 * 1024
"""Of one decompressed message: a meeting of a thousand people needs less than one megabyte."""

_GZIP: Final = b"\x1f\x8b"


def unpack(payload: bytes) -> bytes | None:
    """Unpacks a message that is compressed, or is a frame with a compressed message in a field; None as decompress()."""
    data = decompress(payload)
    packed = None if data is None else packed_frame(data)
    return data if packed is None else decompress(packed)


def decompress(payload: bytes) -> bytes | None:
    """Unpacks a message that is compressed with zlib, gzip or not at all; None where it is broken, empty or larger than
    MAX_MESSAGE_BYTES.
    """
    if not _looks_compressed(payload):
        return payload if 0 < len(payload) <= MAX_MESSAGE_BYTES else None
    decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # either header
    try:
        data = decompressor.decompress(payload, MAX_MESSAGE_BYTES)
    except zlib.error:
        return None
    return data if data and not decompressor.unconsumed_tail else None


def _looks_compressed(payload: bytes) -> bool:
    """A gzip magic (RFC 1952 §2.3.1), or a zlib header with its check bits (RFC 1950 §2.2)."""
    if payload[:2] == _GZIP:
        return True
    return len(payload) >= 2 and payload[0] == 0x78 and int.from_bytes(payload[:2], "big") % 31 == 0
