"""Why a bot's time in a call is over (pure data)."""

from __future__ import annotations

from typing import NamedTuple

from worker.reasons import Reason


class Ending(NamedTuple):
    """The end of a bot's call. ``at`` is when it was first observed, in Unix seconds. ``detail`` is plain English,
    ``evidence`` names the observations that decided."""

    reason: Reason
    detail: str
    at: float
    evidence: tuple[str, ...] = ("worker",)
