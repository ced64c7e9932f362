"""Writes protobuf without a schema, so that the decoder is tested against the wire format, not against its own schema."""

from __future__ import annotations


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number: int, value: int | str | bytes) -> bytes:
    """One field: an int as a varint, everything else length-delimited."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def message(*fields: tuple[int, int | str | bytes]) -> bytes:
    return b"".join(field(number, value) for number, value in fields)


def nested(path: str, body: bytes) -> bytes:
    """``body`` at a path such as ``1.2.13``."""
    for number in reversed(path.split(".")):
        body = field(int(number), body)
    return body


def device(number: int) -> str:
    return f"spaces/abc-123/devices/{number}"


def output(number: int, stream: str, kind: int = 1) -> bytes:
    """A device output inside a collections message."""
    return nested("1.2.3.2", message((2, kind), (4, stream), (6, device(number))))


def user(number: int, name: str, *more: tuple[int, int | str | bytes]) -> bytes:
    """A user's fields, without the messages around them."""
    return message((1, device(number)), (2, name), *more)


def listed(body: bytes) -> bytes:
    """A user inside a collections message."""
    return nested("1.2.13.1.2", body)
