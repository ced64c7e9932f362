"""The end of a call that page and roster show, once it is confirmed (pure).

A page alone has to show it for a while: pages show one text for a moment before another, and known words may follow unknown
ones. Page and roster together confirm it at once. The same text means something else before the call than in it.
"""

from __future__ import annotations

from typing import Final

from worker.lifecycle.ending import Ending
from worker.lifecycle.media_state import MediaState
from worker.lifecycle.page_view import Scene, View
from worker.reasons import Reason
from worker.roster.roster import CallOver

REFUSAL_DEBOUNCE: Final = 1.0
"""Seconds that a refusal has to be shown: pages show one text for a moment before another."""

UNKNOWN_DEBOUNCE: Final = 3.0
"""Seconds that a refusal in unknown words has to be shown: known words may follow, or the page before the call."""

OVER_DEBOUNCE: Final = 3.0
"""Seconds that an end has to last where only one of page, roster and connection shows it."""

QUIET_AFTER_END: Final = 2.0
"""Seconds: a call from which packets arrived this recently is not over, even if its roster or an unknown page says so."""

_MEANING_BEFORE_CALL: Final = {
    Reason.MEETING_ENDED: Reason.MEETING_OVER,
    Reason.ENDED_IDLE: Reason.MEETING_OVER,
    Reason.ENDED_TOO_LONG: Reason.MEETING_OVER,
    Reason.REMOVED: Reason.REMOVED_FROM_WAITING_ROOM,
    Reason.ENDED_UNKNOWN: Reason.PAGE_NOT_UNDERSTOOD,
    Reason.CONNECTION_LOST: Reason.CONNECTION_FAILED,
}
_MEANING_IN_CALL: Final = {
    Reason.DENIED_BY_HOST: Reason.REMOVED,
    Reason.REMOVED_FROM_WAITING_ROOM: Reason.REMOVED,
    Reason.BLOCKED_BY_PLATFORM: Reason.REMOVED,
    Reason.MEETING_OVER: Reason.MEETING_ENDED,
    Reason.PAGE_NOT_UNDERSTOOD: Reason.ENDED_UNKNOWN,
    Reason.CONNECTION_FAILED: Reason.CONNECTION_LOST,
}

_REFUSALS_TO_JOIN: Final = frozenset(
    {
        Reason.CAPTCHA,
        Reason.LINK_EXPIRED,
        Reason.LINK_INVALID,
        Reason.MEETING_FULL,
        Reason.MEETING_LOCKED,
        Reason.MEETING_NOT_FOUND,
        Reason.MEETING_NOT_STARTED,
        Reason.PASSWORD_INCORRECT,
        Reason.REGISTRATION_REQUIRED,
        Reason.SIGN_IN_FAILED,
        Reason.SIGN_IN_REQUIRED,
        Reason.WAITING_ROOM_TIMEOUT_BY_PLATFORM,
    }
)
"""What a page can say only to somebody who wants to join. In the call such a page has left the call without its end, as after a
reload or a redirect to a sign-in; the next attempt learns whether it still refuses."""


class ShownEnding:
    """Follows what page and roster show of the end. All times are Unix seconds on the lifecycle's clock.

    ``in_call``: the bot was admitted; False: it is joining or waits.
    """

    def __init__(self) -> None:
        self._page: Ending | None = None
        self._over: CallOver | None = None
        self._over_since: float | None = None

    def update_view(self, view: View, at: float, *, in_call: bool) -> None:
        """Takes a new look at the page."""
        ending, before = _judge(view, at, in_call), self._page
        if ending is not None and before is not None and ending.reason is before.reason:
            ending = ending._replace(at=before.at)
        self._page = ending

    def update_roster(self, over: CallOver | None, at: float) -> None:
        """Takes what the roster says of the end; None: nothing."""
        self._over = over
        if over is None:
            self._over_since = None
        elif self._over_since is None:
            self._over_since = at

    def confirmed(self, media: MediaState, at: float, *, in_call: bool) -> Ending | None:
        """The ending that page and roster show, once it is confirmed; None before."""
        roster = self._by_roster(media, at, in_call)
        page = self._page
        if page is not None and page.reason is Reason.ENDED_UNKNOWN and _packets_arrive(media, at):
            page = None
        if page is None:
            return roster if lasts(self._over_since, OVER_DEBOUNCE, at) else None
        if roster is not None:
            return roster._replace(
                detail=page.detail or roster.detail,
                evidence=(*roster.evidence, *page.evidence),
                at=min(roster.at, page.at),
            )
        return page if lasts(page.at, _debounce(page.reason, media, in_call), at) else None

    def _by_roster(self, media: MediaState, at: float, in_call: bool) -> Ending | None:
        over = self._over
        if over is None or (in_call and _packets_arrive(media, at)):
            return None
        since = at if self._over_since is None else self._over_since
        return Ending(_meaning(over.reason, in_call), over.detail, since, over.evidence)


def lasts(since: float | None, seconds: float, at: float) -> bool:
    """Whether something has lasted for ``seconds`` at ``at``; None: it does not last."""
    return since is not None and at - since >= seconds


def _judge(view: View, at: float, in_call: bool) -> Ending | None:
    if view.scene not in (Scene.REFUSED, Scene.OVER):
        return None
    if in_call and view.reason in _REFUSALS_TO_JOIN:
        return None
    reason = _meaning(view.reason or Reason.PAGE_NOT_UNDERSTOOD, in_call)
    return Ending(reason, view.detail, at, view.evidence)


def _meaning(reason: Reason, in_call: bool) -> Reason:
    return (_MEANING_IN_CALL if in_call else _MEANING_BEFORE_CALL).get(reason, reason)


def _debounce(reason: Reason, media: MediaState, in_call: bool) -> float:
    """Seconds for which an end must be shown if only the page shows it. Known words or a message of the platform may follow a
    page of unknown words.
    """
    if not in_call:
        return UNKNOWN_DEBOUNCE if reason is Reason.PAGE_NOT_UNDERSTOOD else REFUSAL_DEBOUNCE
    if reason is Reason.ENDED_UNKNOWN:
        return OVER_DEBOUNCE
    return OVER_DEBOUNCE if media.disconnected_since is None else 0.0


def _packets_arrive(media: MediaState, at: float) -> bool:
    return media.last_frame is not None and at - media.last_frame < QUIET_AFTER_END
