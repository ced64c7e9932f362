"""Why a bot's time in a call is over (pure data)."""

from __future__ import annotations

from typing import NamedTuple

from worker.reasons import Reason


class Ending(NamedTuple):
    """``at`` is when it was first seen, in Unix seconds: a call that is over was over then. ``detail`` is plain English,
    ``evidence`` names what decided."""

    reason: Reason
    detail: str
    at: float
    evidence: tuple[str, ...] = ("worker",)
