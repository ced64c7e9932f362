"""A platform's hints of who speaks, other than the packets' own CSRC lists (pure)."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from worker.tape.events import TapeEvent


class Dominance(msgspec.Struct, frozen=True):
    """The dominant speakers up to now: source ids, the latest first."""

    history: tuple[int, ...]


class Caption(msgspec.Struct, frozen=True, kw_only=True):
    """A recognized utterance, without its words.

    ``start`` and ``end`` are Unix seconds on the server's clock. A caption that is not ``final`` will be extended.
    """

    user_id: str
    start: float
    end: float
    final: bool


Said: TypeAlias = Dominance | Caption
"""A hint of who speaks."""


def no_hints(_: TapeEvent) -> list[Said]:
    """For platforms whose packets alone say who speaks."""
    return []
