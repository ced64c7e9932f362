"""Whose packet it is: from its CSRC list alone."""

from __future__ import annotations

from enum import StrEnum

LOUDEST_MARKER = 42
"""Meet lists this CSRC beside the loudest participant's own. It is nobody."""


class ToldBy(StrEnum):
    """What told who speaks in a packet of a mix, the best first."""

    CSRC = "csrc"
    """The packet's own list: exact."""
    DSH = "dsh"
    """The dominant-speaker history: one speaker at a time, set back by its lag."""
    CAPTIONS = "captions"
    """When whose words were recognized."""
    NONE = "none"
    """Nothing: the packet is in the stem of an unknown speaker."""


def contributing_source(csrcs: tuple[int, ...]) -> int | None:
    """The participant's CSRC in a packet of a virtual stream, or None where the list names nobody.

    A virtual stream carries one participant at a time (Meet Media API: "no mixing between streams").
    """
    for csrc in csrcs:
        if csrc != LOUDEST_MARKER:
            return csrc
    return None
