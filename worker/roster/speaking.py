"""What a platform says of who speaks, beside the packets' own CSRC lists (pure data)."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from worker.tape.events import TapeEvent


class Dominance(msgspec.Struct, frozen=True):
    """Who is dominant by now: source ids, the latest first."""

    history: tuple[int, ...]


class Caption(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was said. ``start`` and ``end`` are Unix seconds on the server's clock; a caption that is not ``final``
    goes on. The words themselves are left out: nothing here needs them."""

    user_id: str
    start: float
    end: float
    final: bool


Said: TypeAlias = Dominance | Caption


def no_hints(_: TapeEvent) -> list[Said]:
    """For platforms whose packets alone say who speaks."""
    return []
