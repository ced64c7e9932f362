"""Who is there, by roster and media together (pure): a roster that cannot be read is no evidence of an empty room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from worker.lifecycle.media_state import MediaState
from worker.roster.roster import Device, Roster

STILL_HERE: Final = 5.0
"""Seconds: a person who spoke this recently is there, even if the roster shows them as gone."""

QUIET_ROOM: Final = 60.0
"""Seconds without a word before a room counts as empty: a roster may miss people who have not spoken yet, and who go on once
somebody has left."""

LONGEST_PAUSE: Final = 900.0
"""Seconds, 15 minutes: somebody who was heard and whom the roster does not show counts as present for this long after their
last word. Longer than any pause in a talk and than a short break; between the times for which vendors' bots wait in a room to
which nobody has come yet (MeetStream: 10 minutes, Recall.ai: 20)."""


class Presence(NamedTuple):
    """Who is there at one moment.

    ``shown`` are the others whom the roster shows. ``showed_leaving``: it showed somebody else who has left since, so it can
    show others. ``unseen_spoke_at``: when somebody whom the roster does not show spoke last, in Unix seconds.
    """

    shown: list[Device]
    showed_leaving: bool
    unseen_spoke_at: float | None

    def unseen_are_here(self, at: float) -> bool:
        """Whether somebody whom the roster does not show spoke at most LONGEST_PAUSE before ``at``."""
        return self.unseen_spoke_at is not None and at - self.unseen_spoke_at <= LONGEST_PAUSE


class PresenceMonitor:
    """Follows who comes and goes. All times are Unix seconds. ``is_bot`` recognizes another bot, which is nobody."""

    def __init__(self, bot_name: str, is_bot: Callable[[Device], bool]) -> None:
        self._bot_name = bot_name
        self._is_bot = is_bot
        self._seen: set[str] = set()
        """Device ids of others whom the roster ever showed as present."""
        self._gone_at: dict[str, float] = {}
        """Since when each of these has been shown as gone."""
        self._nobody_since: float | None = None
        """Since when the roster has shown nobody, apart from bots."""
        self._is_incomplete = False
        """Whether speech without a source was heard while the roster showed nobody."""

    def update(self, roster: Roster, media: MediaState, at: float) -> Presence:
        """Takes roster and media as they are at ``at``."""
        shown = people(roster, self._bot_name)
        self._follow(roster, shown, at)
        here = {device.device_id for device in shown}
        unseen = [
            spoke_at
            for source, spoke_at in media.sources.items()
            if self._is_unseen(roster.owner(source), spoke_at, here)
        ]
        if media.unlisted_speech is not None and self._is_unlisted_unseen(media.unlisted_speech):
            unseen.append(media.unlisted_speech)
        return Presence(shown, bool(self._gone_at), max(unseen, default=None))

    def _follow(self, roster: Roster, shown: list[Device], at: float) -> None:
        self._seen.update(device.device_id for device in shown)
        self._gone_at = {
            device_id: self._gone_at.get(device_id, at)
            for device_id, device in roster.devices.items()
            if device.status.is_gone and device_id in self._seen
        }
        if not all(map(self._is_bot, shown)):
            self._nobody_since = None
        elif self._nobody_since is None:
            self._nobody_since = at

    def _is_unseen(self, owner: Device | None, spoke_at: float, here: set[str]) -> bool:
        """Whether the source that ``owner`` has, and that spoke at ``spoke_at``, is somebody whom the roster does not show.

        A source whose owner is shown as gone is, if it spoke after that. The bot itself says nothing.
        """
        if owner is None:
            return True
        device_id = owner.parent_id or owner.device_id
        if device_id in here:
            return False
        gone_at = self._gone_at.get(device_id)
        return gone_at is None or spoke_at > gone_at + STILL_HERE

    def _is_unlisted_unseen(self, spoke_at: float) -> bool:
        """Whether speech that lists no source is of somebody whom the roster does not show. It may be of anybody shown then."""
        since = self._nobody_since
        if since is not None and spoke_at > since + STILL_HERE:
            self._is_incomplete = True
        return self._is_incomplete or (since is not None and not self._gone_at)


def people(roster: Roster, bot_name: str) -> list[Device]:
    """Everybody in the call except the bot, as far as the roster says; screen shares do not count."""
    others = [
        device
        for device in roster.devices.values()
        if device.status.is_here and not device.is_us and device.parent_id is None
    ]
    if roster.us is None:
        # Some rosters do not mark the bot's own device; then its name identifies it.
        ours = next((device for device in others if device.name == bot_name), None)
        others = [device for device in others if device is not ours]
    return others
