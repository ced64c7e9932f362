"""What a link to a Google Meet call looks like."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from worker.errors import InputError

HOST: Final = "meet.google.com"

_CODE: Final = re.compile(r"/([a-z]{3}-[a-z]{4}-[a-z]{3})/?", re.IGNORECASE | re.ASCII)
_LOOKUP: Final = re.compile(r"/lookup/([a-z0-9_-]{1,100})/?", re.IGNORECASE | re.ASCII)
_EXPECTED: Final = f"https://{HOST}/abc-defg-hij"
_SHOWN_LENGTH: Final = 100


class MeetLinkError(InputError):
    """A text is no link to a Google Meet call."""


class MeetLink(NamedTuple):
    """A call: its code (``abc-defg-hij``) or lookup name, and the address at which its page opens in English."""

    code: str
    url: str

    @property
    def platform(self) -> str:
        """Always ``google_meet``."""
        return "google_meet"

    @property
    def shown(self) -> str:
        """The address for logs and files: a Meet link holds no secret."""
        return self.url


def parse_meet_link(value: str) -> MeetLink:
    """The call that ``value`` links to; the scheme may be left out, a query is kept. Raises MeetLinkError."""
    text = value.strip()
    if not text.isprintable():
        raise _refused(value, "it holds a control character")
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        port = parts.port
    except ValueError as error:
        raise _refused(value, str(error)) from error
    if parts.scheme not in ("https", "http") or parts.hostname != HOST:
        raise _refused(value)
    if parts.username is not None or port not in (None, 80, 443):
        raise _refused(value, "it names a user or a port")
    if code := _CODE.fullmatch(parts.path):
        call = code[1].lower()
        path = call
    elif lookup := _LOOKUP.fullmatch(parts.path):
        call = lookup[1]
        path = f"lookup/{call}"
    else:
        raise _refused(value, f"its path {parts.path[:_SHOWN_LENGTH]!r} is no meeting code")
    query = [(key, text) for key, text in parse_qsl(parts.query, keep_blank_values=True) if key != "hl"]
    return MeetLink(call, f"https://{HOST}/{path}?{urlencode([*query, ('hl', 'en')])}")


def _refused(value: str, why: str = "") -> MeetLinkError:
    shown = value if len(value) <= _SHOWN_LENGTH else value[:_SHOWN_LENGTH] + "…"
    return MeetLinkError(
        f"meeting link {shown!r}: is not a Google Meet link, expected one like {_EXPECTED}"
        + (f" ({why})" if why else "")
    )
