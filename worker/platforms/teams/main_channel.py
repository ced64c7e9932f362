"""Reads messages of the ``main-channel`` of a Teams call: dominant speakers, live captions, and requests for video.

A message is a binary prefix of unknown length, then JSON. All of it is hostile input: what cannot be read is ignored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from worker.platforms.teams.trouter import parse_whole, well_formed
from worker.roster.speaking import Caption, Dominance, Said
from worker.tape.events import ChannelMessage, TapeEvent

LABEL: Final = "main-channel"

MAX_MESSAGE_BYTES: Final = 256 * 1024
MAX_HISTORY: Final = 64
MAX_RESULTS: Final = 64
MAX_USER_ID: Final = 500
MAX_REQUESTS: Final = 64
"""Requests in one message that are read."""
MAX_SLOT: Final = 64
"""Characters of a slot's id."""
NO_SOURCE: Final = -1
"""What a page requests to free a slot."""
ANY_SOURCE: Final = -2
"""What a page requests to be shown whoever is worth showing."""

_MAX_PREFIX: Final = 256
"""Bytes of the longest prefix: JSON that begins later is not found."""
_MAX_TRIES: Final = 16
_NTP_TO_UNIX: Final = 2_208_988_800
"""Seconds from 1900, where NTP counts from, to 1970 (RFC 5905, section 6)."""
_TICKS: Final = 10_000_000
"""Captions count in units of 100 ns."""
_LONGEST_CAPTION: Final = 120.0
"""Seconds."""

_SEQUENCE: Final = "sequenceNumber"
_DEEPEST: Final = 4
"""Levels of an answer in which its number is looked for: its form is not known."""

_decoder = json.JSONDecoder()


class VideoRequest(NamedTuple):
    """A page's request (``sr``) for a source in a slot. ``source`` may be NO_SOURCE or ANY_SOURCE; ``sequence`` is the
    request's number, None where it has none.
    """

    slot: str
    source: int
    sequence: int | None


class VideoAnswer(NamedTuple):
    """An answer (``sr_res``) to a request. ``sequence`` is the request's number, None where the answer names none."""

    sequence: int | None


def speaking_hints(event: TapeEvent) -> list[Said]:
    """What an event of the tape says about who speaks; empty for all events but messages of the main channel. Never raises."""
    if isinstance(event, ChannelMessage) and event.label == LABEL and not event.sent:
        return read_main_channel(event.payload)
    return []


def read_main_channel(payload: bytes) -> list[Said]:
    """The hints in a message, in its order; empty for one that is of another kind, broken or too large. Never raises."""
    said: list[Said] = []
    for entry in _entries(_find_json(payload)):
        if entry.get("type") == "dsh":
            said += _dominance(entry.get("history"))
        results = entry.get("recognitionResults")
        if isinstance(results, list):
            for result in results[:MAX_RESULTS]:
                said += _caption(result)
    return said


def video_requests(payload: bytes) -> list[VideoRequest]:
    """The requests for video in a message that the page sent, in its order. Never raises."""
    requests = []
    for entry in islice(_entries(_find_json(payload)), MAX_REQUESTS):
        control = entry.get("controlVideoStreaming")
        if entry.get("type") != "sr" or not isinstance(control, dict):
            continue
        infos = control.get("controlInfo")
        for info in (infos if isinstance(infos, list) else [infos])[:MAX_REQUESTS]:
            if not isinstance(info, dict):
                continue
            source, slot = _wanted(info.get("sourceId")), parse_slot(info.get("streamMsid"))
            if source is not None and slot:
                requests.append(VideoRequest(slot, source, parse_whole(control.get(_SEQUENCE))))
    return requests


def video_answers(payload: bytes) -> list[VideoAnswer]:
    """The answers to requests for video in a message that the page received, in its order. Never raises."""
    entries = islice(_entries(_find_json(payload)), MAX_REQUESTS)
    return [VideoAnswer(_sequence(entry)) for entry in entries if entry.get("type") == "sr_res"]


def parse_slot(value: object) -> str:
    """A slot's id, given as text or as a number; empty for anything else."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**20:
        value = str(value)
    return well_formed(value) if isinstance(value, str) and len(value) <= MAX_SLOT else ""


def _wanted(value: object) -> int | None:
    """The source of a request, NO_SOURCE and ANY_SOURCE included; None for anything else."""
    if value in (NO_SOURCE, str(NO_SOURCE)):
        return NO_SOURCE
    return ANY_SOURCE if value in (ANY_SOURCE, str(ANY_SOURCE)) else parse_source(value)


def _sequence(value: object, depth: int = 0) -> int | None:
    """The first number of a request in an answer."""
    if not isinstance(value, dict) or depth > _DEEPEST:
        return None
    number = parse_whole(value.get(_SEQUENCE))
    if number is not None:
        return number
    inner = (_sequence(each, depth + 1) for each in islice(value.values(), MAX_REQUESTS))
    return next((each for each in inner if each is not None), None)


def _find_json(payload: bytes) -> object:
    """The JSON behind the prefix: the first bracket from which an array or an object can be read."""
    if len(payload) > MAX_MESSAGE_BYTES:
        return None
    at = -1
    for _ in range(_MAX_TRIES):
        at = min((place for mark in b"[{" if (place := payload.find(mark, at + 1)) >= 0), default=-1)
        if not 0 <= at <= _MAX_PREFIX:
            return None
        try:
            value: object = _decoder.raw_decode(payload[at:].decode("utf-8", "replace"))[0]
        except (ValueError, RecursionError):
            continue
        if _is_message(value):
            return value
    return None


def _is_message(value: object) -> bool:
    """Whether it contains an object: bytes of the prefix may happen to be an array."""
    return isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(each, dict) for each in value)
    )


def _entries(value: object) -> Iterator[dict[str, object]]:
    for entry in value if isinstance(value, list) else [value]:
        if isinstance(entry, dict):
            yield entry


def _dominance(history: object) -> list[Said]:
    if not isinstance(history, list):
        return []
    ids = tuple(source for each in history[:MAX_HISTORY] if (source := parse_source(each)) is not None)
    return [Dominance(ids)] if ids else []


def _caption(result: object) -> list[Said]:
    if not isinstance(result, dict):
        return []
    user, begin, duration = (result.get(key) for key in ("userId", "timestampAudioSent", "duration"))
    begin, duration = _number(begin), _number(duration)
    if not isinstance(user, str) or not 0 < len(user) <= MAX_USER_ID or begin is None or duration is None:
        return []
    start, seconds = begin / _TICKS - _NTP_TO_UNIX, duration / _TICKS
    if not 0 <= seconds <= _LONGEST_CAPTION:
        return []
    return [
        Caption(
            user_id=well_formed(user), start=start, end=start + seconds, final=result.get("isFinal") is True
        )
    ]


def parse_source(value: object) -> int | None:
    """A source id (1 to 2³²-1) as a number or in decimal digits; None for anything else."""
    source = parse_whole(value)
    return source if source is not None and 0 < source < 2**32 else None


def _number(value: object) -> float | None:
    """A finite number, given as one or in decimal digits; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e20:
        return None
    return float(value)
