"""What a platform's page shows, in the words that are common to all platforms (pure data).

Platforms make views out of what their pages show; worker.lifecycle.state_machine alone decides what follows.
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
    """Somebody has to let the bot in."""
    HOST_ABSENT = "host_absent"
    """A lobby where nobody can let the bot in yet."""
    GATED = "gated"
    """The call's view is there, but something (a consent dialog) covers it and may hold the media back."""
    CALL = "call"
    """The call's view is there and nothing covers it."""
    REFUSED = "refused"
    """The bot will not be let in."""
    OVER = "over"
    """The call is over for the bot."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """One look at the page.

    ``reason`` and ``detail`` (the page's own text, at most 200 characters) are there for REFUSED and OVER. ``evidence`` names
    the entries of the platform's table that decided (``lobby.asking_to_be_let_in``), ``variant`` the form of the page that was
    met (``prejoin-light``), ``language`` is what ``<html lang>`` says. ``recording_denied``: the page says that recording is
    not permitted here.
    """

    scene: Scene
    reason: Reason | None = None
    detail: str = ""
    evidence: tuple[str, ...] = ()
    variant: str = ""
    language: str = ""
    recording_denied: bool = False
