"""When a bot leaves because its capture no longer delivers frames (pure)."""

from __future__ import annotations

from typing import Final

from worker.lifecycle.ending import Ending
from worker.lifecycle.media_state import MediaState
from worker.lifecycle.page_loss import LOST_TIMEOUT, Lost
from worker.lifecycle.shown_ending import lasts
from worker.reasons import Reason

DEAF_TIMEOUT: Final = 10.0
"""Seconds without a tapped frame, after a receiver became deaf, until the bot leaves with ``tap_deaf``."""

DISCONNECTED_TIMEOUT: Final = 90.0
"""Seconds without a peer connection until the bot leaves with ``connection_lost``; pages reconnect or fail sooner."""


def broken_capture(media: MediaState, lost: Lost | None, at: float, *, comes_back: bool) -> Ending | None:
    """The ending for a capture that no longer delivers frames; None while it works. ``lost``: how the call's page is lost.

    ``comes_back``: another attempt follows, so a capture that misses speech is worth leaving.
    """
    if lasts(media.deaf_since, DEAF_TIMEOUT, at):
        detail = f"packets arrive, but none reached the tap for {DEAF_TIMEOUT:g} s"
        return Ending(Reason.TAP_DEAF, detail, at, ("media.untapped",))
    if comes_back and lasts(media.missed_since, DEAF_TIMEOUT, at):
        detail = f"packets arrive at a receiver, and no speech reached the tap for {DEAF_TIMEOUT:g} s"
        return Ending(Reason.TAP_DEAF, detail, at, ("media.partly_untapped",))
    if lasts(media.disconnected_since, DISCONNECTED_TIMEOUT, at):
        detail = f"no connection for {DISCONNECTED_TIMEOUT:g} s"
        return Ending(Reason.CONNECTION_LOST, detail, at, ("media.disconnected",))
    if lost is not None and lost.seconds >= LOST_TIMEOUT:
        return Ending(Reason.CONNECTION_LOST, f"{lost.detail} for {lost.seconds:.0f} s", at, lost.evidence)
    return None
