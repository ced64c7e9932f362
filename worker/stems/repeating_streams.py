"""Finds the streams of a mix that repeat what other streams bring, encoded anew, so that no payload shows it (pure)."""

from __future__ import annotations

from collections import Counter

LEAST_COPIES = 3
"""Packets: clocks that differ a little, or a source that moves to another stream, make one or two look like copies."""

MOST_COPIES = 50
"""A stream that repeated another for long, and goes on alone, counts as repeating for another second."""


class RepeatingStreams:
    """Weighs the packets of each stream: copies against those that bring something new."""

    def __init__(self) -> None:
        self._copies: Counter[int] = Counter()
        """Copies less new packets, from 0 to MOST_COPIES."""

    def note(self, stream: int, *, copied: bool) -> None:
        """A packet of the stream that lists sources was left out because others had brought that moment of them, or was not."""
        copies = self._copies[stream]
        if copied:
            self._copies[stream] = min(copies + 1, MOST_COPIES)
        elif copies:
            self._copies[stream] = copies - 1

    def __contains__(self, stream: int) -> bool:
        """Whether the stream repeats what others bring."""
        return self._copies[stream] >= LEAST_COPIES

    def forget(self, stream: int) -> None:
        """The stream has no slot any more."""
        del self._copies[stream]
