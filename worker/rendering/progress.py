"""The progress of a recording while it runs (pure)."""

from __future__ import annotations

import msgspec


class SpeakerProgress(msgspec.Struct, frozen=True, kw_only=True):
    """One speaker's progress; ``name`` is the best that is known by now."""

    name: str
    speaking: bool
    speech_seconds: float
    packets_received: int
    recovered: int
    lost: int


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """A recording's progress. ``elapsed_seconds`` is meeting time; ``unattributed`` counts packets without a known source,
    ``video_sources`` the cameras and screens that have a file."""

    elapsed_seconds: float
    speakers: list[SpeakerProgress]
    unattributed: int = 0
    video_sources: int = 0

    @property
    def packets_received(self) -> int:
        """The sum over all speakers."""
        return sum(speaker.packets_received for speaker in self.speakers)

    @property
    def recovered(self) -> int:
        """The sum over all speakers."""
        return sum(speaker.recovered for speaker in self.speakers)

    @property
    def lost(self) -> int:
        """The sum over all speakers."""
        return sum(speaker.lost for speaker in self.speakers)
