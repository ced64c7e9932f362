"""Whose source a captioned user is (pure): captions name users of the roster, stems belong to sources."""

from __future__ import annotations

from collections.abc import Callable

from worker.manifest.assemble import MOST_CSRC
from worker.roster.roster import Evidence, Roster, SourceOwner
from worker.tape.events import PageEvent, PageObjects, SocketMessage, WorkerEvent


class CaptionUsers:
    """Finds a user's source in the roster, and makes one up, from MOST_CSRC on, for who has none there."""

    def __init__(self, roster: Callable[[], Roster]) -> None:
        self._roster = roster
        self._found: dict[str, int] = {}
        self._made: dict[str, int] = {}
        self._sources: dict[str, int] | None = None
        """The sources of the roster by user; None where it has changed since."""

    def observe(self, event: PageEvent | WorkerEvent) -> None:
        """A roster message may tell what was not known before."""
        if isinstance(event, SocketMessage | PageObjects):
            self._sources = None

    def source(self, user: str) -> int:
        """The user's source; the same for ever once the roster has told it."""
        found = self._found.get(user)
        if found is not None:
            return found
        if self._sources is None:
            self._sources = {owner.device_id: source for source, owner in self._roster().sources.items()}
        found = self._sources.get(user)
        if found is not None:
            self._found[user] = found
            return found
        return self._made.setdefault(user, MOST_CSRC + len(self._made))

    def known(self, roster: Roster) -> Roster:
        """The roster, with the sources that were made up as their users' own."""
        made = {
            source: SourceOwner(device_id=user, evidence=(_evidence(roster, user),))
            for user, source in self._made.items()
        }
        return Roster(devices=roster.devices, sources={**roster.sources, **made}, over=roster.over)


def _evidence(roster: Roster, user: str) -> Evidence:
    """The caption itself names the user, so the link is as strong as what names them."""
    device = roster.devices.get(user)
    return Evidence.NONE if device is None else device.name_evidence
