"""What a platform's page shows, in the words that are common to all platforms (pure data).

Platforms create views from their pages; only worker.lifecycle.state_machine decides what the bot does.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from worker.reasons import Reason


class Scene(StrEnum):
    """What a page shows, in the course of a call."""

    OPENING = "opening"
    """Loading, or before its join button."""
    ASKED = "asked"
    """The join button was pressed, and the page does not show what follows yet."""
    LOBBY = "lobby"
    """The bot waits to be admitted."""
    HOST_ABSENT = "host_absent"
    """The bot waits in a lobby, and nobody who can admit it has joined yet."""
    GATED = "gated"
    """The call's view is there, but something (a consent dialog) covers it and may hold the media back."""
    CALL = "call"
    """The call's view is there and nothing covers it."""
    REFUSED = "refused"
    """The bot will not be admitted."""
    OVER = "over"
    """The call is over for the bot."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """One look at the page.

    ``reason`` and ``detail`` (the page's own text, at most 200 characters) are set for REFUSED and OVER, ``detail`` also where
    recording is denied, and in a lobby that says why nobody may answer. ``evidence`` names the signs of the platform's table
    that decided (``lobby.asking``), ``variant`` the form of the page (``prejoin-name``), ``language`` is the value of
    ``<html lang>``. ``recording_denied``: the platform says that recording is not permitted here, where only the platform can
    say it. ``joinable``: the page offers to join, so that what it shows is not the call. ``lobby_has_media``: the platform
    connects audio and sends messages in its lobby already, so neither confirms the call. ``certain``: what the page shows of
    the call is shown in no lobby, so nothing else has to confirm it. ``lobby_like``: a waiting room without sound may look the
    same as this view of the call, so receivers and messages do not confirm it.
    """

    scene: Scene
    reason: Reason | None = None
    detail: str = ""
    evidence: tuple[str, ...] = ()
    variant: str = ""
    language: str = ""
    recording_denied: bool = False
    joinable: bool = False
    lobby_has_media: bool = False
    certain: bool = False
    lobby_like: bool = False
