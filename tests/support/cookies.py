"""Cookies of a storage state: what Chromium keeps, loses without a word, and refuses."""

from __future__ import annotations

from typing import Any, Final

COOKIE: Final[dict[str, Any]] = {
    "name": "SID",
    "value": "s3cret",
    "domain": ".google.com",
    "path": "/",
    "expires": -1,
    "secure": True,
}

GOOD_COOKIES: Final[dict[str, dict[str, Any]]] = {
    "as it is": {},
    "null": {"sameSite": None, "expires": None, "httpOnly": None},
    "None": {"sameSite": "None", "httpOnly": True},
    "Strict": {"sameSite": "Strict"},
    "not secure": {"sameSite": "Lax", "secure": False},
    "a fraction of a second": {"expires": 4_000_000_000.5},
    "the latest expiry": {"expires": 253_402_300_799},
    "partitioned": {"partitionKey": "https://google.com", "_crHasCrossSiteAncestor": True},
    "no value": {"value": ""},
    "no name": {"name": ""},
    "a host's own": {"name": "__Host-1PLSID", "domain": "accounts.google.com"},
    "an extension's fields": {"storeId": "0", "hostOnly": False, "session": False},
}

LOST_COOKIES: Final[dict[str, dict[str, Any]]] = {
    "expired": {"expires": 1_000_000_000},
    "expired in 1970": {"expires": 0},
    "for other sites, not secure": {"sameSite": "None", "secure": False},
}

WRONG_COOKIES: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "sameSite of Chrome's extensions": ({"sameSite": "no_restriction"}, "sameSite"),
    "sameSite in lower case": ({"sameSite": "lax"}, "sameSite"),
    "sameSite empty": ({"sameSite": ""}, "sameSite"),
    "sameSite a number": ({"sameSite": 1}, "sameSite"),
    "sameSite a list": ({"sameSite": ["Lax"]}, "sameSite"),
    "expires in milliseconds": ({"expires": 1_893_456_000_000}, "expires"),
    "expires past the latest": ({"expires": 253_402_300_800}, "expires"),
    "expires before 1970": ({"expires": -2}, "expires"),
    "expires a text": ({"expires": "1893456000"}, "expires"),
    "secure a text": ({"secure": "true"}, "secure"),
    "httpOnly a number": ({"httpOnly": 1}, "httpOnly"),
    "partitionKey an object": ({"partitionKey": {"topLevelSite": "https://google.com"}}, "partitionKey"),
    "partitioned, not secure": ({"partitionKey": "https://google.com", "secure": False}, "secure"),
    "__Host- with a domain": ({"name": "__Host-1PLSID"}, "domain"),
    "__host- with a domain": ({"name": "__host-1PLSID"}, "domain"),
    "__Host- with a path": ({"name": "__Host-a", "domain": "google.com", "path": "/a"}, "path"),
    "__Host- not secure": ({"name": "__Host-a", "domain": "google.com", "secure": False}, "secure"),
    "__Secure- not secure": ({"name": "__Secure-a", "secure": False}, "secure"),
    "domain empty": ({"domain": ""}, "domain"),
    "path empty": ({"path": ""}, "path"),
    "path without a slash": ({"path": "a"}, "path"),
    "url beside domain": ({"url": "https://google.com/"}, "url"),
    "name with =": ({"name": "a=b"}, "name"),
    "name with ;": ({"name": "a;b"}, "name"),
    "neither name nor value": ({"name": "", "value": ""}, "name"),
    "value with ;": ({"value": "s3cret;b"}, "value"),
    "value with a line break": ({"value": "s3cret\nb"}, "value"),
    "value with a control character": ({"value": "s3cret\x01"}, "value"),
    "value too long": ({"value": "s3cret" * 1000}, "value"),
}
"""What differs from COOKIE, and the field that is named."""
