"""Whether the page of a bot in a call is lost (pure): it shows no call, or nothing runs in it, and no packet arrives.

Absence of evidence is judged only where two kinds of it are missing together, and only for as long as the worker looked:
packets that flow under an unknown page keep the call, a call's view keeps a silent meeting, and a worker that was paused has
seen nothing.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from worker.lifecycle.page_view import Scene, View

LOST_TIMEOUT: Final = 20.0
"""Seconds that a page may be lost until the bot leaves with ``connection_lost``."""

NOTICED_AFTER: Final = 5.0
"""Seconds after which the loss is reported: pages are unreadable for a moment while they redraw."""

MOST_PER_LOOK: Final = 5.0
"""Seconds that count for one look: more passed while the worker did not look, as after a pause of its process."""

NO_CALL: Final = frozenset({Scene.OPENING, Scene.ASKED, Scene.REFUSED})
"""Scenes that show neither the call nor its end, nor that somebody is to let the bot in again."""


class Lost(NamedTuple):
    """How long the page has been lost, in seconds, why in plain English, and the names of the missing evidence."""

    seconds: float
    detail: str
    evidence: tuple[str, ...]


class PageLoss:
    """Fed with each look at the page in the call. All times are seconds on one steady clock."""

    def __init__(self) -> None:
        self._looked_at: float | None = None
        self._last_frame: float | None = None
        self._last_heartbeat: float | None = None
        self._without_call = 0.0
        self._without_heartbeat = 0.0
        self._joinable = False

    def look(self, view: View, last_frame: float | None, last_heartbeat: float | None, at: float) -> None:
        """Takes a look at the page. ``last_frame`` and ``last_heartbeat`` are when a packet arrived last and when the page last
        showed that its scripts run; None: never, so that it says nothing.
        """
        elapsed = 0.0 if self._looked_at is None else min(max(0.0, at - self._looked_at), MOST_PER_LOOK)
        packets = last_frame != self._last_frame
        beats = last_heartbeat != self._last_heartbeat or last_heartbeat is None
        self._looked_at, self._last_frame, self._last_heartbeat = at, last_frame, last_heartbeat
        self._joinable = view.joinable
        shown = view.scene not in NO_CALL
        self._without_call = 0.0 if packets or shown else self._without_call + elapsed
        self._without_heartbeat = 0.0 if packets or beats else self._without_heartbeat + elapsed

    @property
    def lost(self) -> Lost | None:
        """How the page is lost as of the last look; None while it is not."""
        seconds = max(self._without_call, self._without_heartbeat)
        if seconds == 0.0:
            return None
        if self._without_call == seconds:
            shows = "offers to join the call" if self._joinable else "shows no call"
            return Lost(
                seconds,
                f"the page {shows} and no packet arrives",
                ("page.joinable" if self._joinable else "page.no_call", "media.no_packets"),
            )
        return Lost(
            seconds,
            "no script of the page runs and no packet arrives",
            ("page.no_heartbeat", "media.no_packets"),
        )
