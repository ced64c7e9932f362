"""What a bot writes into a call's chat, fitted to what the platform takes (pure)."""

from __future__ import annotations


def shortened(message: str, most: int) -> str:
    """At most ``most`` UTF-16 code units (at least 1; web pages count these), cut at the end of a word and marked with an
    ellipsis.
    """
    if _units(message) <= most:
        return message
    cut = message
    while _units(cut) > most - 1:
        cut = cut[: len(cut) - max(1, (_units(cut) - most + 1) // 2)]
    in_a_word = not message[len(cut)].isspace()
    words = cut.rsplit(None, 1) if in_a_word else [cut, ""]
    return (words[0].rstrip() if len(words) > 1 else cut) + "…"


def _units(text: str) -> int:
    return len(text) + sum(character > "\uffff" for character in text)
