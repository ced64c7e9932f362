"""Makes text from outside safe to show and to log: without control characters, text-direction characters and secrets."""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from html import escape
from typing import Final
from urllib.parse import quote, quote_plus

_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_JOINERS: Final = frozenset("\u200c\u200d")
"""Harmless, and needed by some scripts and by emoji sequences."""
_UNSAFE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories whose characters are replaced."""

_HIDDEN: Final = "***"

_USER_INFO: Final = re.compile(r"(?<=://)[^\s/?#\"'<>]*@")
"""The user and password of an address (RFC 3986 §3.2.1)."""

_ADDRESS: Final = re.compile(
    r"\b[a-z][a-z0-9+.-]{0,20}(?::|%(?:25)*3A)(?:/|%(?:25)*2F){2}(?:[^\s\"'<>\\]|\\(?![\"']))*", re.IGNORECASE
)
"""An address with its host (RFC 3986 §3), also if it is percent-encoded as a whole."""

_QUERY: Final = re.compile(r"(?:[?#]|%(?:25)*(?:3F|23)).+", re.IGNORECASE | re.DOTALL)
"""The query and the fragment of an address (RFC 3986 §3.4, §3.5). They hold passcodes, signatures and tokens, under names that
only the site knows."""

_DATA: Final = re.compile(r"\bdata:[\w.+-]{1,40}/[\w.+-]{1,80}[;,][^\s\"'<>]*", re.IGNORECASE)
"""A document inside an address (RFC 2397)."""

_PASSCODE: Final = re.compile(
    r"((?:[?&;]|%(?:25)*(?:3F|26)|\\u0026)p(?:=|%(?:25)*3D))[^\s&\"'<>;%\\]+", re.IGNORECASE
)
"""The passcode in the query of a Teams link without its host (support.microsoft.com, "Meeting ID and passcode")."""

_AUTHORIZATION: Final = re.compile(
    r"((?:authorization|cookie)\\?[\"']?\s*[:=]\s*)(?:b?\\?([\"'])(?:(?!\2)[^\r\n])*|[^\r\n\"']+)",
    re.IGNORECASE,
)
"""The whole value of an Authorization or Cookie header (RFC 9110 §11.6.2), as a header, in JSON, or as Python shows a dict."""

_SCHEME: Final = re.compile(
    r"\b(bearer|basic|token)(\s+|%20)(?=[^\s\"',;]{0,200}\d)[\w.~+/=-]{8,}", re.IGNORECASE
)
"""Credentials without a header's name before them (RFC 6750 §2.1)."""

_SECRET: Final = re.compile(
    r"((?:x-amz-[\w-]{1,60}|signature|token|secret|passw(?:or)?d|passcode|coords|api[_-]?key|credential|access[_-]?key(?:[_-]?id)?|\bpwd|\bsig)"
    r"\\?[\"']?\s*(?:=|:|%3D)\s*(?:b?\\?[\"'])?)"
    r"(?:(?!%26)[^\s&\"',;<>\\])+",
    re.IGNORECASE,
)
"""Named secrets: the query of a presigned URL (AWS, "Authenticating Requests: Using Query Parameters"), headers, settings."""

_QUERY_BEGINS: Final = re.compile(r"[?#&;=\s]|%(?:25)*(?:3F|23|26|3B|3D)", re.IGNORECASE)

_MASK: Final = "x"

_URL_SAFE: Final = str.maketrans("+/", "-_")

SHORTEST_SECRET: Final = 5
"""Characters; among 62 letters and digits, one text of this length in a billion is the secret by chance."""

_ACCESS_KEY: Final = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")
"""AWS access key ids (AWS, "IAM identifiers")."""


def printable(text: str, limit: int = 48) -> str:
    """``text`` on one line of at most ``limit`` characters, without control or text-direction characters."""
    line = " ".join(text[: 4 * limit].split())
    safe = "".join(_replace(letter) for letter in line)
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


def _replace(letter: str) -> str:
    if unicodedata.category(letter) in _UNSAFE and letter not in _JOINERS:
        return _REPLACEMENT
    return letter


def redact(text: str) -> str:
    """``text`` without credentials, users, queries and fragments of addresses; ``***`` replaces each of them."""
    text = _USER_INFO.sub(f"{_HIDDEN}@", text)
    text = _ADDRESS.sub(lambda match: _QUERY.sub(f"?{_HIDDEN}", match[0]), text)
    text = _DATA.sub(f"data:{_HIDDEN}", text)
    text = _PASSCODE.sub(rf"\1{_HIDDEN}", text)
    text = _AUTHORIZATION.sub(rf"\1{_HIDDEN}", text)
    text = _SECRET.sub(rf"\1{_HIDDEN}", text)
    text = _SCHEME.sub(rf"\1\2{_HIDDEN}", text)
    return _ACCESS_KEY.sub(_HIDDEN, text)


def address_start(value: str, limit: int = 100) -> str:
    """What may be shown of a wrong address: ``limit`` characters up to its query, or to what may be meant as one; no user."""
    start = _USER_INFO.sub(f"{_HIDDEN}@", _QUERY_BEGINS.split(value.strip(), maxsplit=1)[0])
    return start if len(start) <= limit else start[:limit] + "…"


class Secret:
    """A text that is never shown: its representations are ``***``."""

    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        self.value = value

    def __repr__(self) -> str:
        return _HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.value == self.value

    def __hash__(self) -> int:
        return hash(self.value)


class Redactor:
    """Hides given secrets in text and in raw messages: as they are, percent-encoded, escaped for JSON or HTML, and in base64.

    Each is replaced by the letter ``x`` in the same encoding: a message keeps its length, and JSON in base64 can still be read.
    Secrets shorter than SHORTEST_SECRET are not searched for, since they occur in any text by chance.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = tuple(secrets)
        forms: dict[str, str] = {}
        for secret in self._secrets:
            if len(secret) >= SHORTEST_SECRET:
                forms.update(_forms(secret))
        # Of two forms that begin alike the longer one is meant.
        pattern = "|".join(map(re.escape, sorted(forms, key=len, reverse=True)))
        self._text = (re.compile(pattern), forms) if forms else None
        raw = {form.encode(): masked.encode() for form, masked in forms.items()}
        self._raw = (re.compile(pattern.encode()), raw) if forms else None

    def __bool__(self) -> bool:
        return self._text is not None

    def also(self, *secrets: Secret | None) -> Redactor:
        """One that hides ``secrets``, too; None is none."""
        values = tuple(secret.value for secret in secrets if secret is not None)
        return Redactor((*self._secrets, *values)) if values else self

    def text(self, text: str) -> str:
        """``text`` without the secrets."""
        if self._text is None:
            return text
        pattern, masks = self._text
        return pattern.sub(lambda match: masks[match[0]], text)

    def data(self, data: bytes) -> bytes:
        """``data`` without the secrets, as many bytes long as before."""
        if self._raw is None:
            return data
        pattern, masks = self._raw
        return pattern.sub(lambda match: masks[match[0]], data)


NO_SECRETS: Final = Redactor()
"""Changes nothing."""


def _forms(secret: str) -> Iterator[tuple[str, str]]:
    """Each form in which ``secret`` may be written, and what replaces it, equally long in UTF-8."""
    for write in _WRITINGS:
        form = write(secret)
        yield form, _MASK * len(form.encode())
        yield from _base64_forms(form.encode())


def _base64_forms(secret: bytes) -> Iterator[tuple[str, str]]:
    """The characters of base64 (RFC 4648 §4, §5) that depend on ``secret`` alone, for each of its three places in a group."""
    mask = _MASK.encode() * len(secret)
    for before in range(3):
        first, end = -(-8 * before // 6), 8 * (before + len(secret)) // 6
        form, masked = (base64.b64encode(bytes(before) + each)[first:end].decode() for each in (secret, mask))
        yield form, masked
        yield form.translate(_URL_SAFE), masked
        if (encoded := quote(form, safe="")) != form:
            yield encoded, _MASK * len(encoded)


def _percent_encoded(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def _lower_hex(text: str) -> str:
    return re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), quote(text, safe=""))


_WRITINGS: Final[tuple[Callable[[str], str], ...]] = (
    str,
    lambda text: quote(text, safe=""),
    lambda text: quote(quote(text, safe=""), safe=""),
    quote_plus,
    _lower_hex,
    _percent_encoded,
    lambda text: _percent_encoded(text).lower(),
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    escape,
)
"""Ways in which pages and libraries write a text into an address, a script or a document."""
