"""What a link to a Microsoft Teams meeting looks like (pure).

Teams documents no parameter for the language of its page: that follows the browser's locale.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from worker.platforms.address import AddressError, MeetingAddress
from worker.safe_text import address_start

HOSTS: Final = (
    "teams.microsoft.com",
    "teams.live.com",
    "teams.cloud.microsoft",
    "teams.microsoft.us",
    "gov.teams.microsoft.us",
    "dod.teams.microsoft.us",
)
"""Work and school, private accounts, the unified domain, and the clouds of the US government (GCC High, DoD).

Source: Microsoft's lists of Microsoft 365 endpoints, worldwide and U.S. Government.
"""

SHORT_HOST: Final = "aka.ms"
"""Microsoft's own short links. Where one leads is seen only by following it."""

EXAMPLE: Final = "https://teams.microsoft.com/meet/1234567890123?p=passcode"

_LAUNCHER: Final = "/dl/launcher/launcher.html"
_LIGHT: Final = "/light-meetings/launch"
_MEET: Final = re.compile(r"/meet/([0-9a-z]{2,64})/?", re.IGNORECASE | re.ASCII)
_MEETUP: Final = re.compile(r"/l/meetup-join/([^/]{1,300})(?:/([0-9]{1,20}))?/?", re.ASCII)
_SHORT: Final = re.compile(r"/[A-Za-z0-9_.-]{1,100}", re.ASCII)
_THREAD: Final = re.compile(r"19:[A-Za-z0-9_.-]{1,200}@thread\.(?:v2|tacv2|skype)", re.ASCII)
_STANDARD_BASE64: Final = str.maketrans("-_", "+/")
_SECRET_FIELDS: Final = frozenset({"p", "passcode", "password", "pwd", "coords"})
"""Fields of the query, or of the JSON in ``coords``, that let somebody into the meeting."""


def parse_teams_link(value: str) -> MeetingAddress:
    """The meeting that ``value`` links to; the scheme may be left out, the query is kept. Raises AddressError.

    Taken are ``/l/meetup-join/…``, ``/meet/…``, the light client's ``/light-meetings/launch?coords=…``, and the address of the
    launcher page, which holds one of the first two. So is any short link of Microsoft's. The code is the meeting's number or
    thread (``19:meeting_…@thread.v2``). The passcode is in the query, which is not shown. Where a short link leads, anybody
    can see who has it, so its path is secret.
    """
    text = value.strip()
    if not text.isprintable():
        raise _refused(value, "it holds a control character")
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        port = parts.port
    except ValueError as error:
        raise _refused(value, "it is no address") from error
    if parts.scheme not in ("https", "http") or parts.hostname not in (*HOSTS, SHORT_HOST):
        raise _refused(value)
    if parts.username is not None or port not in (None, 80, 443):
        raise _refused(value, "it names a user or a port")
    if parts.hostname == SHORT_HOST:
        return _short(value, parts)
    if parts.path == _LAUNCHER:
        parts = _unwrapped(parts)
    return _meeting(value, str(parts.hostname), parts)


def _short(value: str, parts: SplitResult) -> MeetingAddress:
    if not _SHORT.fullmatch(parts.path):
        raise _refused(f"{SHORT_HOST}/", "its path is no short link")
    root = f"https://{SHORT_HOST}/"
    name = parts.path[1:]
    return MeetingAddress("", f"{root}{name}", root, (name,))


def _unwrapped(launcher: SplitResult) -> SplitResult:
    """The address inside the launcher's: ``?url=/_#/l/meetup-join/…``."""
    inside = dict(parse_qsl(launcher.query)).get("url", "")
    path, _, query = inside.removeprefix("/_#").partition("?")
    return launcher._replace(path=path, query=query)


def _meeting(value: str, host: str, parts: SplitResult) -> MeetingAddress:
    query = urlencode(parse_qsl(parts.query, keep_blank_values=True), quote_via=quote)
    if meet := _MEET.fullmatch(parts.path):
        code, path = meet[1], f"/meet/{meet[1]}"
    elif (meetup := _MEETUP.fullmatch(parts.path)) and _THREAD.fullmatch(unquote(meetup[1])):
        code = unquote(meetup[1])
        path = f"/l/meetup-join/{quote(code, safe='')}/{meetup[2] or '0'}"
    elif parts.path.rstrip("/") == _LIGHT:
        if not dict(parse_qsl(parts.query)).get("coords"):
            raise _refused(value, "it has no coords")
        code, path = "", _LIGHT
    else:
        raise _refused(value, f"its path {address_start(parts.path)!r} names no meeting")
    address = f"https://{host}{path}"
    return MeetingAddress(code, f"{address}?{query}" if query else address, address, tuple(_secrets(query)))


def _secrets(query: str) -> Iterator[str]:
    """The values of _SECRET_FIELDS, in ``coords`` too, which is base64 of JSON with ``meetingUrl`` and ``passcode``."""
    for field, value in parse_qsl(query):
        if field.lower() in _SECRET_FIELDS:
            yield value
        if field.lower() == "coords":
            for inner, text in _coordinates(value).items():
                if isinstance(text, str):
                    yield from [text] if inner.lower() in _SECRET_FIELDS else _secrets(urlsplit(text).query)


def _coordinates(coords: str) -> dict[str, Any]:
    try:
        found = json.loads(base64.b64decode(coords.translate(_STANDARD_BASE64) + "=="))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _refused(value: str, why: str = "") -> AddressError:
    """Never repeats the query, which may contain a passcode."""
    return AddressError(
        f"meeting link {address_start(value)!r}: is not a Microsoft Teams link, expected one like {EXAMPLE}"
        + (f" ({why})" if why else "")
    )
