"""Makes text from outside safe to show and to log: without control characters, text-direction characters and secrets."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_JOINERS: Final = frozenset("\u200c\u200d")
"""Harmless, and needed by some scripts and by emoji sequences."""
_UNSAFE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories whose characters are replaced."""

_HIDDEN: Final = "***"

_USER_INFO: Final = re.compile(r"(?<=://)[^\s/?#\"'<>]*@")
"""The user and password of an address (RFC 3986 §3.2.1)."""

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
    r"((?:x-amz-[\w-]{1,60}|signature|token|secret|passw(?:or)?d|api[_-]?key|credential|access[_-]?key(?:[_-]?id)?|\bpwd|\bsig)"
    r"\\?[\"']?\s*(?:=|:|%3D)\s*(?:b?\\?[\"'])?)"
    r"(?:(?!%26)[^\s&\"',;<>\\])+",
    re.IGNORECASE,
)
"""Named secrets: the query of a presigned URL (AWS, "Authenticating Requests: Using Query Parameters"), headers, settings."""

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
    """``text`` without credentials, signatures of signed URLs, and users in addresses; ``***`` replaces each of them."""
    text = _USER_INFO.sub(f"{_HIDDEN}@", text)
    text = _AUTHORIZATION.sub(rf"\1{_HIDDEN}", text)
    text = _SECRET.sub(rf"\1{_HIDDEN}", text)
    text = _SCHEME.sub(rf"\1\2{_HIDDEN}", text)
    return _ACCESS_KEY.sub(_HIDDEN, text)
