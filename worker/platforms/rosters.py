"""What reads the roster of a call, by the platform that its tape names."""

from __future__ import annotations

from worker.platforms.call import Roster
from worker.platforms.meet_roster import MeetRoster
from worker.platforms.teams_roster import TeamsRoster


def open_roster(platform: str) -> Roster:
    """A roster that nothing is known of yet. ``platform`` is a value of ``TapeStarted.platform``."""
    return TeamsRoster() if platform == "microsoft_teams" else MeetRoster()
