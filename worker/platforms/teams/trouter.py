"""Parses a message of a Teams page's own WebSocket: ``3:::`` and JSON, whose body may be compressed."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

import msgspec

from worker.safe_text import printable

MARK: Final = b"3:::"
MAX_FRAME_BYTES: Final = 2 * 1024 * 1024
MAX_BODY_BYTES: Final = 4 * 1024 * 1024
"""Of an unpacked body: a meeting of a thousand people needs less than one megabyte."""

MAX_PHRASE: Final = 120

Kind: TypeAlias = Literal["roster", "end", "leg_end", "chat", "other"]

_CHAIN_ID: Final = "x-microsoft-skype-chain-id"
_SUB_CODE: Final = frozenset({"subcode", "sub_code"})
_MAX_DEPTH: Final = 6
_MAX_NESTED: Final = 3


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """A message. ``chain_id`` names the call, empty where none is given; ``body`` is empty for messages of another kind.

    ``end`` is the end of the conversation for us, ``leg_end`` that of one connection to it, which another may replace.
    """

    kind: Kind
    chain_id: str = ""
    body: dict[str, object] = {}
    sub_code: int | None = None
    """Why a conversation ended, where the message says so."""
    phrase: str = ""
    """The same in the service's words, without control characters, at most MAX_PHRASE characters."""


def read_frame(payload: bytes) -> Frame | None:
    """Parses a message; None where it is broken, too large or not a frame. Never raises."""
    if not payload.startswith(MARK) or len(payload) > MAX_FRAME_BYTES:
        return None
    message = read_json(payload[len(MARK) :])
    if not isinstance(message, dict):
        return None
    url = message.get("url")
    kind = _kind(url) if isinstance(url, str) else "other"
    if kind == "other":
        return Frame(kind="other")
    body = _unpack(message.get("body"))
    if body is None and kind == "roster":
        return None
    return Frame(
        kind=kind,
        chain_id=_chain_id(message.get("headers")),
        body=body or {},
        sub_code=next(_sub_codes(body), None),
        phrase=_phrase(body or {}),
    )


def read_participants(payload: bytes) -> dict[str, object] | None:
    """The participants in the answer to a request of the page's, as in a frame; None where it has none. Never raises."""
    return _participants(read_json(payload)) if len(payload) <= MAX_BODY_BYTES else None


def read_json(data: bytes) -> object:
    """The value; None where the data is not JSON. Half a surrogate pair, which names may contain, is accepted."""
    try:
        value: object = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value


def well_formed(text: str) -> str:
    """The text with half surrogate pairs replaced: JSON can hold them, UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()


def _kind(url: str) -> Kind:
    path = url.split("?", maxsplit=1)[0].rstrip("/")
    if path.endswith("rosterUpdate"):
        return "roster"
    if path.endswith("/call/end"):
        return "leg_end"
    if path.endswith("/messaging"):
        return "chat"
    return "end" if "conversation/conversationEnd" in path else "other"


def _phrase(body: dict[str, object]) -> str:
    phrase = body.get("phrase")
    return printable(phrase, MAX_PHRASE) if isinstance(phrase, str) else ""


def _participants(value: object, depth: int = 0) -> dict[str, object] | None:
    """The first ``participants`` of a body that are entries of a roster, at most _MAX_NESTED levels deep."""
    if not isinstance(value, dict) or depth > _MAX_NESTED:
        return None
    found = value.get("participants")
    if isinstance(found, dict) and any(
        isinstance(entry, dict) and isinstance(entry.get("details"), dict) for entry in found.values()
    ):
        return found
    inner = (_participants(each, depth + 1) for each in value.values())
    return next((each for each in inner if each is not None), None)


def _chain_id(headers: object) -> str:
    if isinstance(headers, dict):
        for name, value in headers.items():
            if str(name).lower() == _CHAIN_ID and isinstance(value, str):
                return value[:200]
    return ""


def _unpack(body: object) -> dict[str, object] | None:
    """The body's object. The body is an object, JSON text, or base64 of JSON, compressed by zlib, gzip, raw deflate or not."""
    if isinstance(body, str):
        data = body.strip().encode("utf-8", "replace")
        if not data.startswith(b"{"):
            data = _inflate(_from_base64(data))
        body = read_json(data)
    return body if isinstance(body, dict) else None


def _from_base64(data: bytes) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        return b""


def _inflate(data: bytes) -> bytes:
    """Decompresses RFC 1950, 1952 or 1951. The data itself where it is none of these, empty where it is too large."""
    for wbits in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
        inflater = zlib.decompressobj(wbits)
        try:
            inflated = inflater.decompress(data, MAX_BODY_BYTES)
        except zlib.error:
            continue
        if inflater.unconsumed_tail:
            return b""
        if inflater.eof:
            return inflated
    return data


def _sub_codes(value: object, depth: int = 0) -> Iterator[int]:
    """Every sub-code in a body, at most _MAX_DEPTH levels deep: its place is not certain."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            if name.lower() in _SUB_CODE:
                code = (
                    int(inner) if isinstance(inner, str) and inner.isdecimal() and inner.isascii() else inner
                )
                if isinstance(code, int) and not isinstance(code, bool):
                    yield code
        for inner in value.values():
            yield from _sub_codes(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value[:100]:
            yield from _sub_codes(inner, depth + 1)


def parse_whole(value: object) -> int | None:
    """A whole number of up to ten digits, given as one or in decimal; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 10:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value
