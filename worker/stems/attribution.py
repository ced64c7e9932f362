"""What told whose a packet of a mix is."""

from __future__ import annotations

from enum import StrEnum


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
