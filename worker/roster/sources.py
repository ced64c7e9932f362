"""Whose packet it is: from its CSRC list alone (pure)."""

from __future__ import annotations

from typing import Final

LOUDEST_MARKER: Final = 42
"""Meet lists this CSRC beside the loudest participant's own. It is nobody."""


def contributing_source(csrcs: tuple[int, ...]) -> int | None:
    """The participant's CSRC in a packet of a virtual stream, or None where the list names nobody.

    A virtual stream carries one participant at a time (Meet Media API: "no mixing between streams").
    """
    for csrc in csrcs:
        if csrc != LOUDEST_MARKER:
            return csrc
    return None
