"""What a link to a Google Meet call looks like (pure)."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from worker.platforms.address import AddressError, MeetingAddress
from worker.platforms.wrapped_links import without_ending
from worker.safe_text import address_start

HOST: Final = "meet.google.com"

SHORT_HOST: Final = "g.co"
"""``g.co/meet/NICKNAME`` (Google Meet Help, "Start a video meeting with a nickname")."""

PHONE_HOST: Final = "tel.meet"
"""The page with a meeting's phone numbers: ``tel.meet/abc-defg-hij?pin=…``. Its query is for those who call."""

HOSTS: Final = frozenset({HOST, SHORT_HOST, PHONE_HOST})

EXAMPLE: Final = f"https://{HOST}/abc-defg-hij"

_CODE: Final = re.compile(r"/(?:_meet/|tel/)?([a-z]{3})-?([a-z]{4})-?([a-z]{3})/?", re.IGNORECASE | re.ASCII)
_LOOKUP: Final = re.compile(r"/(?:_meet/)?lookup/([a-z0-9_-]{1,100})/?", re.IGNORECASE | re.ASCII)
_SHORT: Final = re.compile(r"/meet/([a-z0-9_-]{1,100})/?", re.IGNORECASE | re.ASCII)
_NICKNAME: Final = re.compile(r"/([a-z0-9]+(?:[_-][a-z0-9]+)+)/?", re.IGNORECASE | re.ASCII)
_LONGEST_NICKNAME: Final = 100
_MISSPELT_CODE: Final = re.compile(r"/[a-z]{2,4}-[a-z]{3,5}-[a-z]{2,4}/?", re.IGNORECASE | re.ASCII)
_NO_CODE: Final = "it has no meeting code"
_CODE_ALONE: Final = re.compile(r"[a-z]{3}-[a-z]{4}-[a-z]{3}", re.IGNORECASE | re.ASCII)


def short_form(text: str) -> str | None:
    """The link that the meeting code ``text`` stands for, None if it is none. Without its hyphens a code is like any word."""
    return f"https://{HOST}/{text}" if _CODE_ALONE.fullmatch(text) else None


def parse_meet_link(value: str) -> MeetingAddress:
    """The call that ``value`` links to; the scheme may be left out, a query is kept. Raises AddressError.

    Its code is that of the meeting (``abc-defg-hij``) or a nickname, which is looked up; its page opens in English. Short links
    and those to phone numbers lead to the call itself. A Meet link holds no secret, but its query may name an account, so it is
    not shown.
    """
    text = value.strip()
    if not text.isprintable():
        raise _refused(value, "it has a control character")
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        port = parts.port
    except ValueError as error:
        raise _refused(value, "it is no address") from error
    if parts.scheme not in ("https", "http") or parts.hostname not in HOSTS:
        raise _refused(value)
    if parts.username is not None or port not in (None, 80, 443):
        raise _refused(value, "it names a user or a port")
    if parts.hostname == SHORT_HOST:
        call, path = _named(value, _SHORT.fullmatch(parts.path))
    elif code := _CODE.fullmatch(parts.path):
        call = path = "-".join(code.groups()).lower()
    elif parts.hostname == HOST:
        call, path = _named(value, _LOOKUP.fullmatch(parts.path) or _nickname(parts.path))
    else:
        raise _refused(value, _NO_CODE)
    address = f"https://{HOST}/{path}"
    query = parse_qsl(parts.query, keep_blank_values=True) if parts.hostname == HOST else []
    kept = [(key, without_ending(text)) for key, text in query if key != "hl"]
    return MeetingAddress(call, f"{address}?{urlencode([*kept, ('hl', 'en')])}", address)


def _named(value: str, name: re.Match[str] | None) -> tuple[str, str]:
    """The call and the path of a nickname, which may be a code as well. Raises AddressError without one."""
    if name is None:
        raise _refused(value, _NO_CODE)
    if _CODE_ALONE.fullmatch(name[1]):
        return name[1].lower(), name[1].lower()
    return name[1], f"lookup/{name[1]}"


def _nickname(path: str) -> re.Match[str] | None:
    """A nickname of several words. Those of one word cannot be distinguished from Meet's own pages, nor short ones from
    misspelt codes."""
    if len(path) > _LONGEST_NICKNAME or _MISSPELT_CODE.fullmatch(path):
        return None
    return _NICKNAME.fullmatch(path)


def _refused(value: str, why: str = "") -> AddressError:
    return AddressError(
        f"meeting link {address_start(value)!r}: is not a Google Meet link, expected one like {EXAMPLE}"
        + (f" ({why})" if why else ""),
        why,
    )
