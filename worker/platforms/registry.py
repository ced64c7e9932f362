"""What reads a call's roster, and what else says who speaks, by the platform that its tape names."""

from __future__ import annotations

from collections.abc import Callable

from worker.platforms.meet.roster import MeetRosterDecoder
from worker.platforms.teams.main_channel import speaking_hints
from worker.platforms.teams.roster import TeamsRosterDecoder
from worker.roster.decoder import RosterDecoder
from worker.roster.speaking import Said
from worker.tape.events import TapeEvent


def open_roster_decoder(platform: str) -> RosterDecoder:
    """A roster that nothing is known of yet. ``platform`` is a value of ``TapeStarted.platform``."""
    return TeamsRosterDecoder() if platform == "microsoft_teams" else MeetRosterDecoder()


def hints_decoder(platform: str) -> Callable[[TapeEvent], list[Said]]:
    """What finds in a tape's event who is said to speak, where the packets' CSRC lists may not say it."""
    return speaking_hints if platform == "microsoft_teams" else _no_hints


def _no_hints(_: TapeEvent) -> list[Said]:
    return []
