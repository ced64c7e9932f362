"""When a bot leaves because nobody is left to record (pure): by roster and media, as far as each can be believed.

Leaving an empty room takes a roster that showed others come and go, and a minute without a word. Without such a roster, only
silence counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import NamedTuple

from worker.lifecycle.ending import Ending
from worker.lifecycle.leave_policy import LeavePolicy, Patience
from worker.lifecycle.media_state import MediaState
from worker.lifecycle.presence import LONGEST_PAUSE, QUIET_ROOM, STILL_HERE, Presence, PresenceMonitor
from worker.reasons import Reason
from worker.roster.roster import Device, Roster, Status


class _Candidate(NamedTuple):
    """A possible reason to leave; ``holds``: its condition is met now. It is not due before ``not_before`` (Unix seconds)."""

    reason: Reason
    patience: Patience | None
    holds: bool
    why: str
    evidence: tuple[str, ...] = ("roster", "media")
    not_before: float = -inf


class AutomaticLeave:
    """Measures how long each reason to leave has held. All times are Unix seconds."""

    def __init__(self, policy: LeavePolicy, bot_name: str) -> None:
        self._policy = policy
        self._presence = PresenceMonitor(bot_name, self._is_named_like_a_bot)
        self._met = False
        """Whether anybody was ever there."""
        self._alive_since: float | None = None
        """Since when the capture has been alive: before that, silence says nothing."""
        self._held_since: dict[Reason, float] = {}
        """Since when each reason has held without a break."""

    def ending(self, roster: Roster, media: MediaState, admitted_at: float, at: float) -> Ending | None:
        """The reason that is due at ``at``, if any; to be called at least every few seconds while in the call."""
        presence = self._presence.update(roster, media, at)
        if not media.alive:
            self._alive_since = None
            self._held_since.clear()
            return None
        if self._alive_since is None:
            self._alive_since = at if self._met else admitted_at
        self._met |= bool(presence.shown) or media.last_speech is not None
        for candidate in self._candidates(presence, roster, media, at):
            if self._is_due(candidate, media, admitted_at, at):
                return Ending(candidate.reason, candidate.why, at, candidate.evidence)
        return None

    def _candidates(
        self, presence: Presence, roster: Roster, media: MediaState, at: float
    ) -> list[_Candidate]:
        policy, others = self._policy, presence.shown
        last_word = -inf if media.last_speech is None else media.last_speech
        spoke_lately = at - last_word < STILL_HERE
        alone = not others and not spoke_lately
        unseen = presence.unseen_are_here(at)
        noone_joined = None if policy.noone_joined is None else Patience(policy.noone_joined)
        bots_by_name = bool(others) and all(self._is_named_like_a_bot(each) for each in others)
        bots_by_events = bool(others) and not _anybody_spoke(others, roster, media)
        return [
            _Candidate(
                Reason.NOONE_JOINED,
                noone_joined,
                alone and not self._met,
                "the roster showed nobody, and nobody spoke",
            ),
            _Candidate(
                Reason.EVERYONE_LEFT,
                policy.everyone_left,
                alone and presence.showed_leaving and not unseen,
                "everybody left",
                not_before=last_word + QUIET_ROOM,
            ),
            _Candidate(
                Reason.ONLY_BOTS_BY_NAMES,
                policy.only_bots_by_names,
                bots_by_name and not unseen,
                "only bots are left, by their names",
            ),
            _Candidate(
                Reason.ONLY_BOTS_BY_EVENTS,
                policy.only_bots_by_events,
                bots_by_events and not unseen,
                "only bots are left: nobody of them ever spoke",
            ),
            self._silence(presence, spoke_lately=spoke_lately),
        ]

    def _silence(self, presence: Presence, *, spoke_lately: bool) -> _Candidate:
        """Silence by the policy. A policy without it is given LONGEST_PAUSE where no roster can show an empty room."""
        silent = self._met and not spoke_lately
        if self._policy.silence is not None:
            return _Candidate(Reason.SILENCE, self._policy.silence, silent, "nobody spoke", ("media",))
        somebody_is_in = any(device.status is Status.IN for device in presence.shown)
        shows_emptiness = presence.showed_leaving and not presence.shown
        return _Candidate(
            Reason.SILENCE,
            _longer(self._policy.everyone_left),
            silent and not somebody_is_in and not shows_emptiness,
            "nobody spoke, and no roster says who is there",
            ("media",),
        )

    def _is_due(self, candidate: _Candidate, media: MediaState, admitted_at: float, at: float) -> bool:
        """Whether it has held for as long as the policy allows."""
        reason, patience = candidate.reason, candidate.patience
        if not candidate.holds or patience is None:
            self._held_since.pop(reason, None)
            return False
        if reason not in self._held_since:
            self._held_since[reason] = self._begin(reason, media, admitted_at, at)
        counted_from = max(self._held_since[reason], admitted_at + patience.activate_after)
        return at - counted_from >= patience.timeout and at >= candidate.not_before

    def _begin(self, reason: Reason, media: MediaState, admitted_at: float, at: float) -> float:
        """When the condition began. Silence began with the last word, but not before the capture was alive."""
        if reason is not Reason.SILENCE or media.last_speech is None:
            return at
        return min(at, max(media.last_speech, admitted_at, self._alive_since or at))

    def _is_named_like_a_bot(self, person: Device) -> bool:
        name = (person.name or "").casefold()
        return any(part.casefold() in name for part in self._policy.bot_names if part.strip())


def _longer(patience: Patience | None) -> Patience | None:
    """``patience`` of at least LONGEST_PAUSE."""
    if patience is None:
        return None
    return Patience(max(patience.timeout, LONGEST_PAUSE), patience.activate_after)


def _anybody_spoke(others: Iterable[Device], roster: Roster, media: MediaState) -> bool:
    """Whether one of ``others`` was heard; a source without a known owner may be anybody's."""
    if media.last_speech is not None and not media.sources:
        return True
    owners = {
        None if (owner := roster.owner(source)) is None else owner.device_id for source in media.sources
    }
    return None in owners or any(each.device_id in owners for each in others)
