"""What turns a platform's own messages into a roster (pure)."""

from __future__ import annotations

from typing import Protocol

from worker.roster.roster import Roster
from worker.tape.events import TapeEvent


class RosterDecoder(Protocol):
    """Makes a roster out of a tape's events. Garbage never raises: it is counted in ``undecodable``.

    ``harvested`` counts the messages that only a search without their schema could read.
    """

    undecodable: int
    harvested: int

    def observe(self, event: TapeEvent) -> None:
        """Takes the tape's next event; those that say nothing of the roster are ignored."""

    def roster(self) -> Roster:
        """What is known by now."""
