"""How a recording stands while it runs (pure data)."""

from __future__ import annotations

import msgspec


class SpeakerProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How one speaker stands right now; ``name`` is the best that is known by now."""

    name: str
    speaking: bool
    speech_seconds: float
    packets_received: int
    recovered: int
    lost: int


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How a recording stands right now. ``elapsed_seconds`` is meeting time; ``unattributed`` counts the packets of unknown
    speakers whom no source names."""

    elapsed_seconds: float
    speakers: list[SpeakerProgress]
    unattributed: int = 0

    @property
    def packets_received(self) -> int:
        """Over all speakers."""
        return sum(speaker.packets_received for speaker in self.speakers)

    @property
    def recovered(self) -> int:
        """Over all speakers."""
        return sum(speaker.recovered for speaker in self.speakers)

    @property
    def lost(self) -> int:
        """Over all speakers."""
        return sum(speaker.lost for speaker in self.speakers)
