"""Finds the slots of a mix that repeat what other slots bring, encoded anew, so that no payload shows it (pure)."""

from __future__ import annotations

from collections import Counter

LEAST_COPIES = 3
"""Packets: clocks that differ a little, or a source that moves to another slot, make one or two look like copies."""

MOST_COPIES = 50
"""A slot that repeated another for long, and goes on alone, counts as repeating for another second."""


class RepeatingSlots:
    """Weighs the packets of each slot: copies against those that bring something new."""

    def __init__(self) -> None:
        self._copies: Counter[int] = Counter()
        """Copies less new packets, from 0 to MOST_COPIES."""

    def note(self, slot: int, *, copied: bool) -> None:
        """A packet of the slot that lists sources was left out because others had brought that moment of them, or was not."""
        copies = self._copies[slot]
        if copied:
            self._copies[slot] = min(copies + 1, MOST_COPIES)
        elif copies:
            self._copies[slot] = copies - 1

    def __contains__(self, slot: int) -> bool:
        """Whether the slot repeats what others bring."""
        return self._copies[slot] >= LEAST_COPIES

    def forget(self, slot: int) -> None:
        """The slot is closed."""
        del self._copies[slot]
