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
from worker.platforms.wrapped_links import without_ending
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
_CLIENT: Final = frozenset({"", "/", "/_", "/go", "/v2", "/v2/", _LAUNCHER})
"""Paths of the client's own pages. Where they lead is behind ``#``, as a path with a query."""
_ROUTES: Final = ("/l/meetup-join/", "/meet/")
_BEFORE_ROUTE: Final = re.compile(r"\A[^#]*#(?=/)")
_APP: Final = re.compile(r"ms-?teams:(?://(?P<host>[^/?#]*))?/*(?P<rest>.*)", re.IGNORECASE)
"""Links that open the installed app (learn.microsoft.com, "Deep links"): ``msteams:/l/…``, ``msteams://teams.microsoft.com/l/…``."""
_LAUNCHER_FIELDS: Final = frozenset(
    {"type", "deeplinkId", "directDl", "msLaunch", "enableMobilePage", "suppressPrompt"}
)
"""Fields of the launcher's own query, which an address bar shows among the meeting's."""
_MEET: Final = re.compile(r"/meet/([0-9a-z]{2,64})/?", re.IGNORECASE | re.ASCII)
_MEETUP: Final = re.compile(r"/l/meetup-join/([^/]{1,300})(?:/([0-9]{1,20}))?/?", re.ASCII)
_SHORT: Final = re.compile(r"/[A-Za-z0-9_.-]{1,100}", re.ASCII)
_THREAD: Final = re.compile(r"19:[A-Za-z0-9_.-]{1,200}@thread\.(?:v2|tacv2|skype)", re.ASCII)
_NO_MEETING: Final = "it names no meeting"
_STANDARD_BASE64: Final = str.maketrans("-_", "+/")
_SECRET_FIELDS: Final = frozenset({"p", "passcode", "password", "pwd", "coords"})
"""Fields of the query, or of the JSON in ``coords``, that let somebody into the meeting."""


def short_form(text: str) -> str | None:
    """The link that one of the installed app stands for, None if ``text`` is none."""
    if not (app := _APP.fullmatch(text)):
        return None
    host, rest = app["host"], app["rest"]
    if not host or host.lower() in ("l", "meet"):
        return "/".join(filter(None, [f"https://{HOSTS[0]}", host, rest]))
    return f"https://{host}/{rest}"


def parse_teams_link(value: str) -> MeetingAddress:
    """The meeting that ``value`` links to; the scheme may be left out, the query is kept. Raises AddressError.

    Taken are ``/l/meetup-join/…``, ``/meet/…``, the light client's ``/light-meetings/launch?coords=…``, and the addresses of
    the client's own pages, which hold one of the first two. So is any short link of Microsoft's. The code is the meeting's
    number or thread (``19:meeting_…@thread.v2``). The passcode is in the query, which is not shown. Where a short link leads,
    anybody can see who has it, so its path is secret.
    """
    text = value.strip()
    if not text.isprintable():
        raise _refused(value, "it has a control character")
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
    if parts.path in _CLIENT:
        parts = _route(value, parts)
    return _meeting(value, str(parts.hostname), parts)


def _short(value: str, parts: SplitResult) -> MeetingAddress:
    if not _SHORT.fullmatch(parts.path):
        raise _refused(f"{SHORT_HOST}/", "its path is no short link")
    root = f"https://{SHORT_HOST}/"
    name = parts.path[1:]
    return MeetingAddress("", f"{root}{name}", root, (name,))


def _route(value: str, client: SplitResult) -> SplitResult:
    """The address that a page of the client leads to: behind ``#``, or in the launcher's ``url`` (``/_#/l/meetup-join/…``)."""
    if client.fragment.startswith(_ROUTES):
        route = client.fragment
    elif client.path == _LAUNCHER:
        route = dict(parse_qsl(client.query)).get("url", "")
        while (decoded := unquote(route)) != route and route.startswith("%"):
            route = decoded
        route = _BEFORE_ROUTE.sub("", route)
    else:
        raise _refused(value, _NO_MEETING)
    path, _, query = route.partition("?")
    if not path.startswith("/"):
        raise _refused(value, _NO_MEETING)
    fields = [field for field in query.split("&") if field.partition("=")[0] not in _LAUNCHER_FIELDS]
    return client._replace(path=path, query="&".join(fields))


def _meeting(value: str, host: str, parts: SplitResult) -> MeetingAddress:
    fields = [(field, without_ending(text)) for field, text in parse_qsl(parts.query, keep_blank_values=True)]
    query = urlencode(fields, quote_via=quote)
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
        raise _refused(value, _NO_MEETING)
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
        + (f" ({why})" if why else ""),
        why,
    )
