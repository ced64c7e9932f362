"""Fills up fields of ``automatic_leave`` with defaults, as parts of a LeavePolicy (pure). All durations are in seconds."""

from __future__ import annotations

from typing import Final

import msgspec

from worker.contracts.fields import NamedBots
from worker.contracts.fields import Patience as PatienceField
from worker.lifecycle.leave_policy import Patience

NAMED_BOTS: Final = Patience(3600.0, activate_after=1200.0)
"""Recall.ai's default for bots known by their names; used for MeetStream, too, where the body gives none."""


def seconds_or(said: float | None, default: float | None) -> float | None:
    """``said``, or ``default`` for None. 0 is a value, not a missing one."""
    return default if said is None else said


def patience_or(said: PatienceField | float | None, default: Patience | None) -> Patience | None:
    """``said`` with its missing parts from ``default``; a number is the timeout alone. None where there is no default."""
    if said is None or default is None:
        return default
    if not isinstance(said, PatienceField):
        return msgspec.structs.replace(default, timeout=said)
    return Patience(
        default.timeout if said.timeout is None else said.timeout,
        default.activate_after if said.activate_after is None else said.activate_after,
    )


def named_bots(said: NamedBots | None) -> Patience | None:
    """The patience with bots known by their names; None if no names are given."""
    return patience_or(said, NAMED_BOTS) if bot_names(said) else None


def bot_names(said: NamedBots | None) -> tuple[str, ...]:
    """The names to match. A blank one would match every participant, so it is dropped."""
    matches = said.matches if said else None
    return tuple(name for name in matches or () if name.strip())
