"""Unpacks RED payloads, redundant audio data by RFC 2198, section 3 (pure)."""

from __future__ import annotations

from typing import NamedTuple


class RedError(ValueError):
    """A RED payload ends too early or its lengths do not fit; the message says where."""


class RedundantBlock(NamedTuple):
    """An older packet's copy: ``timestamp_offset`` RTP ticks (0 to 16,383) before the packet that carries it."""

    timestamp_offset: int
    payload_type: int
    payload: bytes


class RedPayload(NamedTuple):
    """A RED payload's blocks; ``redundant`` is oldest first, as on the wire."""

    primary: bytes
    redundant: list[RedundantBlock]


def without_copies(payload: bytes) -> bytes:
    """A RED payload without its redundant blocks, which is RED as well. Raises RedError."""
    blocks = unpack_red(payload)
    header = payload[4 * len(blocks.redundant)]
    return bytes([header]) + blocks.primary


def unpack_red(payload: bytes) -> RedPayload:
    """Splits a RED payload. Raises RedError where the headers or the blocks do not fit into it.

    ::

        redundant header: |1| block PT (7) | timestamp offset (14) | block length (10) |
        primary header:   |0| block PT (7) |
    """
    headers: list[tuple[int, int, int]] = []
    at = 0
    while True:
        if at >= len(payload):
            raise RedError(f"red: {len(payload)} bytes end before the primary header")
        first = payload[at]
        if not first & 0x80:
            at += 1
            break
        if at + 4 > len(payload):
            raise RedError(f"red: the redundant header at byte {at} is cut off at {len(payload)}")
        fields = int.from_bytes(payload[at + 1 : at + 4], "big")
        headers.append((first & 0x7F, fields >> 10, fields & 0x3FF))
        at += 4
    blocks: list[RedundantBlock] = []
    for payload_type, timestamp_offset, length in headers:
        if at + length > len(payload):
            raise RedError(f"red: a block of {length} bytes at byte {at} does not fit into {len(payload)}")
        blocks.append(RedundantBlock(timestamp_offset, payload_type, payload[at : at + length]))
        at += length
    return RedPayload(payload[at:], blocks)
