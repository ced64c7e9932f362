"""The states of a bot in a call and what moves it between them (pure): platforms observe and act, this decides.

    joining -> waiting_room -> in_call_not_recording -> in_call_recording -> leaving -> done | fatal

Every observation carries its time, so that tests can play a call at any speed. A page alone is seldom sufficient: media or the
roster must confirm a call's view that a lobby can have, and a second signal or a minimum duration an end or a refusal.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from worker.lifecycle.automatic_leave import AutomaticLeave
from worker.lifecycle.broken_capture import broken_capture
from worker.lifecycle.ending import Ending
from worker.lifecycle.leave_policy import LeavePolicy
from worker.lifecycle.media_state import MediaState
from worker.lifecycle.page_loss import NOTICED_AFTER, PageLoss
from worker.lifecycle.page_view import Scene, View
from worker.lifecycle.presence import people
from worker.lifecycle.shown_ending import ShownEnding, lasts
from worker.reasons import Reason
from worker.roster.roster import Device, Roster, Status
from worker.states import State

OPENING_TIMEOUT: Final = 120.0
"""Seconds from the loaded page to a waiting room, a call or a refusal."""

DENIAL_DEBOUNCE: Final = 3.0
"""Seconds that a denial of the recording has to be shown before the bot leaves."""

RECEIVERS_ALONE: Final = 5.0
"""Seconds that a call's view has to be shown where only receivers confirm it."""

LONGEST: Final = 24 * 3600.0
"""Seconds: upper bound of a recording and of each wait, regardless of the policy."""


BEFORE_CALL: Final = frozenset({State.JOINING, State.WAITING_ROOM})
LOBBIES: Final = frozenset({Scene.LOBBY, Scene.HOST_ABSENT})
WAITING: Final = frozenset({Scene.ASKED, *LOBBIES})
"""Scenes in which others have to do something."""
IN_CALL: Final = frozenset({State.IN_CALL_NOT_RECORDING, State.IN_CALL_RECORDING})

_MAY_BE_LOBBY: Final = frozenset({Scene.ASKED, Scene.CALL, Scene.GATED})
"""Scenes as which a lobby of unknown form may appear."""
_US_WAITING: Final = "roster.us_waiting"

STALE_WAITING: Final = 10.0
"""Seconds that a page has to show what no lobby has until a roster that still shows the bot waiting is not believed: an update
was missed, and the meeting would not be recorded."""


class Transition(NamedTuple):
    """The bot's state changes. ``ending`` is there from leaving on; ``evidence`` names what decided."""

    at: float
    state: State
    ending: Ending | None = None
    evidence: tuple[str, ...] = ()


class Lifecycle:
    """The state machine of one bot in one call. All times are Unix seconds on a steady clock: a step of the system's clock must
    not show in them.

    Each method takes an observation and returns the transitions that follow from it. Nothing follows after done or fatal.
    ``comes_back``: a fault is followed by another attempt, so a capture that misses speech is worth leaving.
    """

    def __init__(self, policy: LeavePolicy, bot_name: str, at: float, *, comes_back: bool = False) -> None:
        self.state = State.JOINING
        self.recording_since: float | None = None
        self.admitted_at: float | None = None
        self.waited_until: float | None = None
        """When the page last showed that the bot waits to be admitted."""
        self.lobby_media_until: float | None = None
        """Until when what arrived may have been the lobby's instead of the call's; None: no lobby with media was shown."""
        self._us_in_since: float | None = None
        """Since when the roster has shown the bot in the call; None: it does not."""
        self._policy = policy
        self._bot_name = bot_name
        self._comes_back = comes_back
        self._begun = at
        self._asked_at: float | None = None
        self._view = View(scene=Scene.OPENING)
        self._certain_since: float | None = None
        self._in_view_since: float | None = None
        """Since when the page has shown the call's view, gated or not."""
        self._media = MediaState()
        self._last_heartbeat: float | None = None
        self._page_loss = PageLoss()
        self._roster = Roster()
        self._shown = ShownEnding()
        self._denied_since: float | None = None
        self.recording_was_denied = False
        """Whether recording was ever not permitted."""
        self._automatic_leave = AutomaticLeave(policy, bot_name)
        self._ending: Ending | None = None
        self._told_to_record = False

    def update_view(self, view: View, at: float) -> list[Transition]:
        """Takes a new look at the page."""
        self._certain_since = (self._certain_since or at) if view.certain else None
        if self.admitted_at is None and self._waits(view, at) and view.scene in _MAY_BE_LOBBY:
            view = msgspec.structs.replace(view, scene=Scene.LOBBY, evidence=(*view.evidence, _US_WAITING))
        if view.lobby_has_media and self.admitted_at is None:
            self._note_lobby(view, at)
        self._view = view
        if self.state in IN_CALL:
            self._page_loss.look(view, self._media.last_frame, self._last_heartbeat, at)
        if (view.scene in WAITING or view.lobby_like) and self.admitted_at is None:
            self._asked_at = at if self._asked_at is None else self._asked_at
            self.waited_until = at
        if view.scene not in (Scene.CALL, Scene.GATED) or view.lobby_like:
            self._in_view_since = None
        elif self._in_view_since is None:
            self._in_view_since = at
        self._denied_since = (self._denied_since or at) if view.recording_denied else None
        self.recording_was_denied |= view.recording_denied
        self._shown.update_view(view, at, in_call=self.state in IN_CALL)
        return self.tick(at)

    def _note_lobby(self, view: View, at: float) -> None:
        """Notes a lobby with media, or that it has gone. Packets that came in it may have come until that look, or until the
        roster showed the bot in the call: the lobby's words may stand for seconds more.
        """
        until, first = self.lobby_media_until, self._media.first_frame
        has_gone = self._view.scene in LOBBIES and view.scene not in LOBBIES
        packets_came = until is not None and first is not None and first <= until
        if view.scene in LOBBIES or (has_gone and packets_came):
            self.lobby_media_until = at if self._us_in_since is None else min(at, self._us_in_since)
        if view.scene is Scene.CALL and not view.certain and self._asked_at is None:
            # It may be a lobby, so the wait is counted.
            self._asked_at = at

    def note_us(self, us: Device | None, at: float) -> None:
        """Takes the bot's own entry in the roster that arrived at ``at``, which may be long before the next look."""
        if us is None or us.status is not Status.IN:
            self._us_in_since = None
        elif self._us_in_since is None:
            self._us_in_since = at

    def update_roster(self, roster: Roster, at: float) -> list[Transition]:
        """Takes the latest roster."""
        self._roster = roster
        self._shown.update_roster(roster.over, at)
        return self.tick(at)

    def update_media(self, media: MediaState, at: float) -> list[Transition]:
        """Takes the state of the media."""
        self._media = media
        return self.tick(at)

    def update_heartbeat(self, last: float | None) -> None:
        """Takes when the page last showed that its scripts run; None: never. It counts at the next look at the page."""
        self._last_heartbeat = last

    @property
    def page_lost(self) -> str | None:
        """Why the call's page counts as lost, in plain English; None before NOTICED_AFTER seconds and outside the call."""
        lost = self._page_loss.lost if self.state in IN_CALL else None
        return lost.detail if lost is not None and lost.seconds >= NOTICED_AFTER else None

    def start_recording(self) -> None:
        """The bot is told to record as soon as it is in the call, whatever the policy makes it wait for."""
        self._told_to_record = True

    def stop(self, ending: Ending) -> list[Transition]:
        """Ends the call for an external reason: the bot has to stop, or something failed."""
        return self._leave(ending, ending.at) if self._ending is None else []

    def left(self, at: float) -> list[Transition]:
        """The call was left, as well as it could be."""
        ending = self._ending
        if self.state is not State.LEAVING or ending is None:
            return []
        good = self.admitted_at is not None and not ending.reason.is_cut_off
        return [self._go(Transition(at, State.DONE if good else State.FATAL, ending, ending.evidence))]

    def tick(self, at: float) -> list[Transition]:
        """Advances the clock to ``at``."""
        transitions: list[Transition] = []
        if self.state in BEFORE_CALL:
            transitions += self._before_call(at)
        if self.state in IN_CALL:
            transitions += self._in_call(at)
        return transitions

    def _before_call(self, at: float) -> list[Transition]:
        if ending := self._shown.confirmed(self._media, at, in_call=False):
            return self._leave(ending, at)
        scene = self._view.scene
        transitions: list[Transition] = []
        if self.state is State.JOINING and scene in LOBBIES:
            transitions.append(self._go(Transition(at, State.WAITING_ROOM, evidence=self._view.evidence)))
        if scene is Scene.CALL and (evidence := self._evidence_of_call(at)):
            self.admitted_at = at
            transitions.append(
                self._go(
                    Transition(at, State.IN_CALL_NOT_RECORDING, evidence=(*self._view.evidence, *evidence))
                )
            )
            return transitions
        if ending := self._out_of_patience(at):
            transitions += self._leave(ending, at)
        return transitions

    def _out_of_patience(self, at: float) -> Ending | None:
        """The ending for a wait before the call that exceeds its limit; None within the limit."""
        waiting = self._view.scene in WAITING or self._view.lobby_like
        asked = self._asked_at
        limit = LONGEST if self._policy.waiting_room is None else self._policy.waiting_room
        may_wait = self._in_view_since is None or self._view.lobby_has_media
        if asked is not None and at - asked >= limit and may_wait:
            if self._view.scene is Scene.HOST_ABSENT:
                return Ending(
                    Reason.MEETING_NOT_STARTED, f"no host within {limit:g} s", at, self._view.evidence
                )
            why = f" ({self._view.detail})" if self._view.detail else ""
            return Ending(
                Reason.WAITING_ROOM_TIMEOUT,
                f"nobody answered within {limit:g} s{why}",
                at,
                self._view.evidence,
            )
        if self._in_view_since is not None:
            limit = _least(self._policy.in_call_not_recording, LONGEST)
            if at - self._in_view_since >= limit:
                return Ending(Reason.NOT_RECORDING, f"no media within {limit:g} s", at, self._view.evidence)
        elif not waiting and at - (self.waited_until or self._begun) >= OPENING_TIMEOUT:
            return Ending(
                Reason.PAGE_NOT_UNDERSTOOD,
                f"neither waiting room nor call within {OPENING_TIMEOUT:g} s",
                at,
                (),
            )
        return None

    def _evidence_of_call(self, at: float) -> tuple[str, ...]:
        """What confirms the page's view that the bot is in the call; empty: nothing yet. A waiting room has receivers, and gets
        messages about them.
        """
        us, media = self._roster.us, self._media
        evidence = []
        if us is not None and us.status is Status.IN:
            evidence.append("roster.us_in_call")
        if self._view.certain:
            evidence.append("page.certain")
        if self._view.lobby_has_media:
            return tuple(evidence)
        if media.last_frame is not None:
            evidence.append("media.frames")
        if self._view.lobby_like:
            return tuple(evidence)
        if media.messages:
            evidence.append("media.messages")
        if not evidence and media.receivers and at - (self._in_view_since or at) >= RECEIVERS_ALONE:
            evidence.append("media.receivers")
        return tuple(evidence)

    def _waits(self, view: View, at: float) -> bool:
        """Whether the roster shows the bot in the waiting room, on a platform where only roster and page can."""
        us = self._roster.us
        if self._certain_since is not None and at - self._certain_since >= STALE_WAITING:
            return False
        return view.lobby_has_media and us is not None and us.status is Status.WAITING

    def _in_call(self, at: float) -> list[Transition]:
        ending = (
            self._shown.confirmed(self._media, at, in_call=True)
            or broken_capture(self._media, self._page_loss.lost, at, comes_back=self._comes_back)
            or self._policy_ending(at)
        )
        if ending is not None:
            return self._leave(ending, at)
        if self.state is State.IN_CALL_NOT_RECORDING and self._may_record():
            self.recording_since = at
            return [self._go(Transition(at, State.IN_CALL_RECORDING, evidence=self._view.evidence))]
        return []

    def _may_record(self) -> bool:
        if self._denied_since is not None or self._view.scene is not Scene.CALL:
            return False
        if self._told_to_record:
            return True
        match self._policy.start_on:
            case "manual":
                return False
            case "call_join":
                return True
            case "participant_join":
                return bool(people(self._roster, self._bot_name)) or self._media.last_speech is not None
            case "participant_speak":
                return self._media.last_speech is not None

    def _policy_ending(self, at: float) -> Ending | None:
        """The end that the policy asks for."""
        policy = self._policy
        if self._denied_since is not None:
            limit = 0.0 if self.recording_since is not None else policy.recording_denied
            if limit is not None and lasts(self._denied_since, max(limit, DENIAL_DEBOUNCE), at):
                return Ending(Reason.RECORDING_DENIED, self._view.detail, at, self._view.evidence)
        longest = _least(policy.max_duration, LONGEST)
        if self.recording_since is not None:
            if at - self.recording_since >= longest:
                return Ending(Reason.MAX_DURATION, f"{longest:g} s were recorded", at, ("clock",))
        elif self._since_admission(at) >= _least(policy.in_call_not_recording, LONGEST):
            return Ending(Reason.NOT_RECORDING, f"waited for {policy.start_on}", at, ("clock",))
        if self.page_lost:
            # A page that is gone says neither that nobody speaks nor that nobody is there.
            return None
        return self._automatic_leave.ending(self._roster, self._media, self.admitted_at or at, at)

    def _since_admission(self, at: float) -> float:
        return at - (at if self.admitted_at is None else self.admitted_at)

    def _leave(self, ending: Ending, at: float) -> list[Transition]:
        self._ending = ending
        return [self._go(Transition(at, State.LEAVING, ending, ending.evidence))]

    def _go(self, transition: Transition) -> Transition:
        self.state = transition.state
        return transition


def _least(limit: float | None, other: float) -> float:
    return other if limit is None else min(limit, other)
