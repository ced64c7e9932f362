"""Fills up fields of ``automatic_leave`` with defaults, as parts of a LeavePolicy (pure). All durations are in seconds."""

from __future__ import annotations

from typing import Final

import msgspec

from worker.job_fields import NamedBots
from worker.job_fields import Patience as PatienceField
from worker.leave_policy import Patience

NAMED_BOTS: Final = Patience(3600.0, activate_after=1200.0)
"""Recall.ai's patience with bots known by their names; it stands in where MeetStream's body says none."""


def seconds_or(said: float | None, default: float | None) -> float | None:
    """Nought seconds are said, too."""
    return default if said is None else said


def patience_or(said: PatienceField | float | None, default: Patience | None) -> Patience | None:
    """What is said, filled up with the default."""
    if said is None or default is None:
        return default
    if not isinstance(said, PatienceField):
        return msgspec.structs.replace(default, timeout=said)
    return Patience(
        default.timeout if said.timeout is None else said.timeout,
        default.activate_after if said.activate_after is None else said.activate_after,
    )


def named_bots(said: NamedBots | None) -> Patience | None:
    """The patience with bots known by their names; None without such names."""
    return patience_or(said, NAMED_BOTS) if bot_names(said) else None


def bot_names(said: NamedBots | None) -> tuple[str, ...]:
    """Every name contains a blank one."""
    matches = said.matches if said else None
    return tuple(name for name in matches or () if name.strip())
