"""What a link to a Google Meet call looks like (pure)."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from worker.platforms.address import AddressError, MeetingAddress
from worker.safe_text import address_start

HOST: Final = "meet.google.com"

_CODE: Final = re.compile(r"/([a-z]{3}-[a-z]{4}-[a-z]{3})/?", re.IGNORECASE | re.ASCII)
_LOOKUP: Final = re.compile(r"/lookup/([a-z0-9_-]{1,100})/?", re.IGNORECASE | re.ASCII)
EXAMPLE: Final = f"https://{HOST}/abc-defg-hij"


def parse_meet_link(value: str) -> MeetingAddress:
    """The call that ``value`` links to; the scheme may be left out, a query is kept. Raises AddressError.

    Its code is that of the meeting (``abc-defg-hij``) or a lookup name; its page opens in English. A Meet link holds no secret,
    but its query may name an account, so it is not shown.
    """
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
        raise _refused(value, f"its path {address_start(parts.path)!r} is no meeting code")
    query = [(key, text) for key, text in parse_qsl(parts.query, keep_blank_values=True) if key != "hl"]
    address = f"https://{HOST}/{path}"
    return MeetingAddress(call, f"{address}?{urlencode([*query, ('hl', 'en')])}", address)


def _refused(value: str, why: str = "") -> AddressError:
    return AddressError(
        f"meeting link {address_start(value)!r}: is not a Google Meet link, expected one like {EXAMPLE}"
        + (f" ({why})" if why else "")
    )
