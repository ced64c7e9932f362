"""The one stem of all sources that have none of their own, because MOST_SOURCES others have (pure).

One file cannot hold two speakers at once: the first is written until a pause, and the others are only in the mix meanwhile.
"""

from __future__ import annotations

from typing import Final

from worker.audio.opus import SAMPLE_RATE

MOST_SOURCES = 250
"""Sources with a file of their own: each is an open file, and a meeting has fewer speakers than this."""

OVERFLOW: Final = -(2**40)
"""The key of the overflow stem; below those of unknown sources."""

MOST_COUNTED: Final = 10_000
"""Sources that are distinguished when those in the overflow stem are counted."""


PAUSE: Final = 6 * SAMPLE_RATE // 100
"""60 ms, in samples: a voice that is silent for this long lets another be written."""


class OverflowFloor:
    """Decides which of the voices at once is written into the overflow stem, and counts its sources.

    A voice is a source, or a slot of a mix.
    """

    def __init__(self) -> None:
        self.unwritten = 0
        """Packets that are only in the mix."""
        self._sources: set[int] = set()
        self._voice: int | None = None
        self._speech_end = -PAUSE

    def add_source(self, source: int) -> None:
        """A source has no stem of its own."""
        if len(self._sources) < MOST_COUNTED:
            self._sources.add(source)

    def take(self, voice: int, position: int, samples: int) -> bool:
        """Whether the packet of ``voice`` at ``position`` (samples of meeting time) is to be written; counts it otherwise."""
        if voice != self._voice and position - self._speech_end < PAUSE:
            self.unwritten += 1
            return False
        self._voice = voice
        self._speech_end = position + samples
        return True

    def warnings(self) -> list[str]:
        """A sentence about the sources without a file of their own, if there are any."""
        count = len(self._sources)
        if not count:
            return []
        number = f"{MOST_COUNTED} or more" if count >= MOST_COUNTED else str(count)
        return [
            f"More sources spoke than can have a file: {number} of them share one file of an unknown speaker, and "
            f"{self.unwritten} of their packets are only in the mixed audio, because another of them spoke."
        ]
