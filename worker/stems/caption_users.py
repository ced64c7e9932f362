"""Finds the source of a captioned user: captions name users of the roster, stems belong to sources (pure)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from worker.manifest.assemble import FIRST_CAPTION_SOURCE
from worker.roster.roster import Evidence, Roster, SourceOwner
from worker.tape.events import PageEvent, PageObjects, RosterResponse, SocketMessage, WorkerEvent

MOST_USERS = 10_000
"""Users without a source in the roster that get one each, since the page is untrusted; further ones share one."""


class CaptionUsers:
    """Finds a user's source in the roster; a user without one is assigned the next from FIRST_CAPTION_SOURCE on."""

    def __init__(self, roster: Callable[[], Roster]) -> None:
        self._roster = roster
        self._found: dict[str, int] = {}
        self._assigned: dict[str, int] = {}
        self._sources: dict[str, int] | None = None
        """The roster's sources by user; None if the roster may have changed since."""

    def observe(self, event: PageEvent | WorkerEvent) -> None:
        """Takes the tape's next event that is not audio: a roster message may add sources."""
        if isinstance(event, SocketMessage | PageObjects | RosterResponse):
            self._sources = None

    def source(self, user: str) -> int:
        """The user's source; it does not change once the roster has had one."""
        found = self._found.get(user)
        if found is not None:
            return found
        if self._sources is None:
            self._sources = {owner.device_id: source for source, owner in self._roster().sources.items()}
        found = self._sources.get(user)
        if found is not None:
            self._found[user] = found
            return found
        if user not in self._assigned and len(self._assigned) >= MOST_USERS:
            return FIRST_CAPTION_SOURCE + MOST_USERS
        return self._assigned.setdefault(user, FIRST_CAPTION_SOURCE + len(self._assigned))

    def with_assigned(self, roster: Roster) -> Roster:
        """``roster`` with the assigned sources, each owned by its user."""
        assigned = {
            source: SourceOwner(device_id=user, evidence=(_evidence(roster, user),))
            for user, source in self._assigned.items()
        }
        return msgspec.structs.replace(roster, sources={**roster.sources, **assigned})


def _evidence(roster: Roster, user: str) -> Evidence:
    """The caption itself identifies the user, so the link is as strong as the evidence for the user's name."""
    device = roster.devices.get(user)
    return Evidence.NONE if device is None else device.name_evidence
