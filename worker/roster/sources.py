"""Finds the sources of a packet from its CSRC list alone (pure)."""

from __future__ import annotations

from typing import Final

LOUDEST_MARKER: Final = 42
"""Meet lists this CSRC beside that of the loudest participant. It is no participant's."""


def contributing_source(csrcs: tuple[int, ...]) -> int | None:
    """The participant's CSRC in a packet of a virtual stream; None if the list names no participant.

    A virtual stream carries one participant at a time (Meet Media API: "no mixing between streams").
    """
    for csrc in csrcs:
        if csrc != LOUDEST_MARKER:
            return csrc
    return None


def contributing_sources(csrcs: tuple[int, ...]) -> list[int]:
    """All participants' CSRCs in a packet, each once, in the order of the list; the first is ``contributing_source``."""
    return [csrc for csrc in dict.fromkeys(csrcs) if csrc != LOUDEST_MARKER]
