"""When a bot leaves because nobody is left to record (pure): by roster and media, while both are reliable."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from worker.lifecycle.ending import Ending
from worker.lifecycle.leave_policy import LeavePolicy, Patience
from worker.lifecycle.media_state import MediaState
from worker.reasons import Reason
from worker.roster.roster import Device, Roster, Status

STILL_HERE: Final = 5.0
"""Seconds: a person who spoke this recently counts as present, even if the roster does not list them."""


class _Candidate(NamedTuple):
    """A possible reason to leave; ``holds``: its condition is met now."""

    reason: Reason
    patience: Patience | None
    holds: bool
    why: str


def people(roster: Roster, bot_name: str) -> list[Device]:
    """Everybody in the call except the bot, as far as the roster says; screen shares do not count."""
    others = [
        device
        for device in roster.devices.values()
        if device.status in (Status.IN, Status.UNKNOWN) and not device.is_us and device.parent_id is None
    ]
    if roster.us is None:
        # Some rosters do not mark the bot's own device; then its name identifies it.
        ours = next((device for device in others if device.name == bot_name), None)
        others = [device for device in others if device is not ours]
    return others


class AutomaticLeave:
    """Measures how long each reason to leave has held. All times are Unix seconds."""

    def __init__(self, policy: LeavePolicy, bot_name: str) -> None:
        self._policy = policy
        self._bot_name = bot_name
        self._met = False
        """Whether anybody was ever there."""
        self._alive_since: float | None = None
        """Since when the capture has been alive: before that, silence says nothing."""
        self._held_since: dict[Reason, float] = {}
        """Since when each reason has held without a break."""

    def ending(self, roster: Roster, media: MediaState, admitted_at: float, at: float) -> Ending | None:
        """The reason that is due at ``at``, if any; to be called at least every few seconds while in the call."""
        if not media.alive:
            self._alive_since = None
            self._held_since.clear()
            return None
        if self._alive_since is None:
            self._alive_since = at if self._met else admitted_at
        others = people(roster, self._bot_name)
        self._met |= bool(others) or media.last_speech is not None
        for candidate in self._candidates(others, roster, media, at):
            if self._is_due(candidate, media, admitted_at, at):
                return Ending(candidate.reason, candidate.why, at, ("roster", "media"))
        return None

    def _candidates(
        self, others: list[Device], roster: Roster, media: MediaState, at: float
    ) -> list[_Candidate]:
        policy = self._policy
        spoke_lately = media.last_speech is not None and at - media.last_speech < STILL_HERE
        alone = not others and not spoke_lately
        noone_joined = None if policy.noone_joined is None else Patience(policy.noone_joined)
        bots_by_name = bool(others) and all(self._is_named_like_a_bot(each) for each in others)
        bots_by_events = bool(others) and not _anybody_spoke(others, roster, media)
        return [
            _Candidate(Reason.NOONE_JOINED, noone_joined, alone and not self._met, "nobody joined"),
            _Candidate(Reason.EVERYONE_LEFT, policy.everyone_left, alone and self._met, "everybody left"),
            _Candidate(
                Reason.ONLY_BOTS_BY_NAMES,
                policy.only_bots_by_names,
                bots_by_name,
                "only bots are left, by their names",
            ),
            _Candidate(
                Reason.ONLY_BOTS_BY_EVENTS,
                policy.only_bots_by_events,
                bots_by_events,
                "only bots are left: nobody of them ever spoke",
            ),
            _Candidate(Reason.SILENCE, policy.silence, self._met and not spoke_lately, "nobody spoke"),
        ]

    def _is_due(self, candidate: _Candidate, media: MediaState, admitted_at: float, at: float) -> bool:
        """Whether it has held for as long as the policy allows."""
        reason, patience = candidate.reason, candidate.patience
        if not candidate.holds or patience is None:
            self._held_since.pop(reason, None)
            return False
        if reason not in self._held_since:
            self._held_since[reason] = self._begin(reason, media, admitted_at, at)
        counted_from = max(self._held_since[reason], admitted_at + patience.activate_after)
        return at - counted_from >= patience.timeout

    def _begin(self, reason: Reason, media: MediaState, admitted_at: float, at: float) -> float:
        """When the condition began. Silence began with the last word, but not before the capture was alive."""
        if reason is not Reason.SILENCE or media.last_speech is None:
            return at
        return min(at, max(media.last_speech, admitted_at, self._alive_since or at))

    def _is_named_like_a_bot(self, person: Device) -> bool:
        name = (person.name or "").casefold()
        return any(part.casefold() in name for part in self._policy.bot_names if part.strip())


def _anybody_spoke(others: Iterable[Device], roster: Roster, media: MediaState) -> bool:
    """Whether one of ``others`` was heard; a source without a known owner may be anybody's."""
    if media.last_speech is not None and not media.sources:
        return True
    owners = {
        None if (owner := roster.owner(source)) is None else owner.device_id for source in media.sources
    }
    return None in owners or any(each.device_id in owners for each in others)
