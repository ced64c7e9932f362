"""What shows whose speech a packet of a mix is (pure)."""

from __future__ import annotations

from enum import StrEnum


class SpeakerEvidence(StrEnum):
    """What shows who speaks in a packet of a mix, the strongest first."""

    CSRC = "csrc"
    """The packet's own CSRC list: exact."""
    DSH = "dsh"
    """The dominant-speaker history: one speaker at a time, moved back by its lag."""
    CAPTIONS = "captions"
    """The times and users of recognized words."""
    NONE = "none"
    """Nothing: the packet goes into the stem of an unknown speaker."""
