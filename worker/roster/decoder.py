"""The protocol of a platform's roster decoder (pure)."""

from __future__ import annotations

from typing import Protocol

from worker.roster.roster import Roster
from worker.tape.events import TapeEvent


class RosterDecoder(Protocol):
    """Makes a roster from a tape's events. A message that cannot be read is counted in ``undecodable``; nothing raises.

    ``harvested`` counts the messages that were read only by a search without their schema.
    """

    undecodable: int
    harvested: int

    def observe(self, event: TapeEvent) -> None:
        """Takes the tape's next event; ignores those without roster facts."""

    def roster(self) -> Roster:
        """The roster as known by now."""

    def tenure(self, source: int, at: float) -> int:
        """The number of the tenure of ``source`` at ``at`` (Unix seconds), as known by now; 0 for its first owner."""
