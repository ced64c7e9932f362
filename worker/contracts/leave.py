"""Completes fields of ``automatic_leave`` with defaults, for a LeavePolicy (pure). All durations are in seconds."""

from __future__ import annotations

from typing import Final

import msgspec

from worker.contracts.fields import NamedBots
from worker.contracts.fields import Patience as PatienceField
from worker.lifecycle.leave_policy import Patience

NAMED_BOTS: Final = Patience(3600.0, activate_after=1200.0)
"""Recall.ai's default for bots known by their names; used for MeetStream, too, if the body gives none."""


def seconds_or(given: float | None, default: float | None) -> float | None:
    """``given``, or ``default`` for None. 0 is a value, not a missing one."""
    return default if given is None else given


def patience_or(given: PatienceField | float | None, default: Patience | None) -> Patience | None:
    """``given`` with its missing parts from ``default``; a number is the timeout alone. None without a default."""
    if given is None or default is None:
        return default
    if not isinstance(given, PatienceField):
        return msgspec.structs.replace(default, timeout=given)
    return Patience(
        default.timeout if given.timeout is None else given.timeout,
        default.activate_after if given.activate_after is None else given.activate_after,
    )


def named_bots(given: NamedBots | None) -> Patience | None:
    """The patience with bots known by their names; None without names."""
    return patience_or(given, NAMED_BOTS) if bot_names(given) else None


def bot_names(given: NamedBots | None) -> tuple[str, ...]:
    """The names to match. A blank one would match every participant, so it is dropped."""
    matches = given.matches if given else None
    return tuple(name for name in matches or () if name.strip())
