"""Makes texts from outside fit for a terminal: names and pages may hold control characters and text-direction tricks."""

from __future__ import annotations

import unicodedata
from typing import Final

_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_JOINERS: Final = frozenset("\u200c\u200d")
"""Needed by scripts and by emoji sequences; harmless by themselves."""
_UNSAFE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(text: str, limit: int = 48) -> str:
    """``text`` on one line of at most ``limit`` characters, without control or text-direction characters."""
    line = " ".join(text[: 4 * limit].split())
    safe = "".join(_replace(letter) for letter in line)
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


def _replace(letter: str) -> str:
    if unicodedata.category(letter) in _UNSAFE and letter not in _JOINERS:
        return _REPLACEMENT
    return letter
