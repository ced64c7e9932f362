"""The file that signs the bot in: a Playwright storage state, the cookies and the local storage of an account's browser.

The file gives access to the account: its content is never part of a message, a log or anything that is uploaded. Fields are
named, and shown only where their value is no secret: ``sameSite`` and ``expires``.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from worker.errors import InputError

LARGEST: Final = 16 * 2**20
"""Bytes; a browser keeps at most 5 MB of local storage for an origin."""

LATEST_EXPIRY: Final = 253_402_300_799
"""Seconds since the Unix epoch: the end of the year 9999, after which Playwright accepts no expiry."""

_LARGEST_COOKIE: Final = 4096
"""Bytes of a cookie's name and value together (RFC 6265bis §5.6)."""

_SAVED: Final = "what Playwright's storage_state() saves, with cookies or origins"

_SAME_SITE: Final = ("Strict", "Lax", "None")
_OTHERS_WORDS: Final = frozenset(
    {"no_restriction", "unspecified", "strict", "lax", "none", "default", "", "0", "-1"}
)
"""Values of ``sameSite`` that cookie extensions and other libraries write; they may be shown."""

_REFUSED: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f;]")
_PLACE: Final = re.compile(r"\$([\w.\[\]]*)\Z")
_MISSING: Final = re.compile(r"missing required field `(\w+)`")
_PREFIX: Final = re.compile(r"__(?:Host|Secure)-", re.IGNORECASE)


class StorageStateError(InputError):
    """The file of MEETSTEMS_STORAGE_STATE cannot be used; the message says why, without its content."""


class _Cookie(msgspec.Struct):
    name: str
    value: str
    domain: str
    path: str
    expires: float | None = None
    httpOnly: bool | None = None  # noqa: N815 - Playwright's name
    secure: bool | None = None
    sameSite: Any = None  # noqa: N815
    partitionKey: str | None = None  # noqa: N815
    url: str | None = None

    def is_left(self, now: float) -> bool:
        """Whether Chromium keeps the cookie: it has not expired, and is not refused without an error."""
        expired = self.expires is not None and self.expires != -1 and self.expires <= now
        return not expired and (bool(self.secure) or self.sameSite != "None")


class _Item(msgspec.Struct):
    name: str
    value: str


class _Origin(msgspec.Struct):
    origin: str
    localStorage: list[_Item]  # noqa: N815 - Playwright's name


class _State(msgspec.Struct):
    cookies: list[_Cookie] = []
    origins: list[_Origin] = []


def check_storage_state(path: Path | None, now: float) -> str | None:
    """Raises StorageStateError (one line, which names the field) unless Chromium accepts the file at ``path``.

    Returns a warning where no cookie is left at ``now`` (Unix seconds): the bot joins as a guest then. None, as without a file,
    if there is nothing to warn of.
    """
    if path is None:
        return None
    state = _read(path)
    for number, cookie in enumerate(state.cookies):
        for fault in _faults(cookie):
            raise _wrong(path, f"cookies[{number}].{fault.field}: {fault.why}", fault.expected)
    if any(cookie.is_left(now) for cookie in state.cookies):
        return None
    what = f"its cookies ({len(state.cookies)}) have all expired" if state.cookies else "it has no cookies"
    return f"MEETSTEMS_STORAGE_STATE={str(path)!r}: {what}, so the bot is not signed in; save it again"


def _read(path: Path) -> _State:
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= LARGEST else b""
    except OSError as error:
        raise _wrong(path, f"cannot be read ({error.strerror})") from error
    if size > LARGEST:
        raise _wrong(path, f"has {size} bytes, more than {LARGEST}")
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        state = msgspec.json.decode(data, type=_State)
    except (msgspec.DecodeError, UnicodeError) as error:
        # Neither the error nor its cause: their texts may contain the file's content.
        raise _wrong(path, _structure(data, error)) from None
    if not state.cookies and not state.origins:
        raise _wrong(path, "is empty")
    return state


def _structure(data: bytes, error: Exception) -> str:
    if not isinstance(error, msgspec.ValidationError):
        return "is not JSON" + (", but a Netscape cookie file" if b"Netscape" in data[:200] else "")
    if data.lstrip().startswith(b"["):
        return "is a list, as cookie extensions save it"
    found = _PLACE.search(str(error).rstrip("`"))
    place = found[1].lstrip(".") if found else ""
    if missing := _MISSING.search(str(error)):
        return f"{f'{place}.' if place else ''}{missing[1]} is missing"
    return f"{place} has another type" if place else "has another structure"


class _Fault(NamedTuple):
    field: str
    why: str
    expected: str


def _faults(cookie: _Cookie) -> Iterator[_Fault]:
    """What Playwright or Chromium refuses in a cookie."""
    same_site, expires = cookie.sameSite, cookie.expires
    if same_site is not None and same_site not in _SAME_SITE:
        known = isinstance(same_site, str) and same_site in _OTHERS_WORDS
        yield _Fault("sameSite", repr(same_site) if known else "another value", "'Strict', 'Lax' or 'None'")
    if expires is not None and expires != -1 and not 0 <= expires <= LATEST_EXPIRY:
        unit = " (milliseconds, it seems)" if expires > LATEST_EXPIRY else ""
        yield _Fault("expires", f"{expires:.15g}{unit}", "seconds since 1970, or -1 for a session")
    if cookie.url is not None:
        yield _Fault("url", "is given as well as domain and path", "one of them")
    if not cookie.domain:
        yield _Fault("domain", "is empty", "a host")
    if not cookie.path.startswith("/"):
        yield _Fault("path", "does not begin with '/'", "a path")
    if _REFUSED.search(cookie.name) or "=" in cookie.name or not (cookie.name or cookie.value):
        yield _Fault("name", "is empty, or has '=', ';' or a control character", "the name of a cookie")
    if _REFUSED.search(cookie.value):
        yield _Fault("value", "has ';' or a control character", "the value of a cookie")
    if len(cookie.name.encode()) + len(cookie.value.encode()) > _LARGEST_COOKIE:
        yield _Fault("value", "is too long", f"at most {_LARGEST_COOKIE} bytes together with the name")
    yield from _faults_of_scope(cookie)


def _faults_of_scope(cookie: _Cookie) -> Iterator[_Fault]:
    """Conditions of names that begin with ``__Host-`` or ``__Secure-`` (RFC 6265bis §4.1.3), and of partitioned cookies."""
    prefix = _PREFIX.match(cookie.name)
    if (prefix or cookie.partitionKey) and not cookie.secure:
        yield _Fault("secure", "is not true", "true for this name" if prefix else "true beside partitionKey")
    if prefix and prefix[0].lower() == "__host-":
        if cookie.domain.startswith("."):
            yield _Fault("domain", "begins with '.'", "the host alone, since the name begins with __Host-")
        if cookie.path != "/":
            yield _Fault("path", "is not '/'", "'/', since the name begins with __Host-")


def _wrong(path: Path, why: str, expected: str = _SAVED) -> StorageStateError:
    return StorageStateError(f"MEETSTEMS_STORAGE_STATE={str(path)!r}: {why}; expected {expected}")
