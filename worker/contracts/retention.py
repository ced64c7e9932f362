"""How long a bot's recording is kept: the field of both vendors (pure).

Source: Recall.ai's create-bot reference; MeetStream's plugin for agents."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

HOUR: Final = 3600.0
"""Seconds."""

LONGEST_HOURS: Final = 87_600
"""Hours: ten years. Who wants more wants ``forever``."""


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """How long the recording is kept after the bot has ended."""

    type: (
        Annotated[
            Literal["timed", "forever"],
            Meta(description="``timed``: for ``hours``.", extra={"expected": "'timed' or 'forever'"}),
        ]
        | None
    ) = None
    hours: (
        Annotated[
            float,
            Meta(ge=1, le=LONGEST_HOURS, description="From the bot's end on.", extra={"unit": "hours"}),
        ]
        | None
    ) = None


def retention_seconds(given: Retention | None, default_hours: float) -> float | None:
    """Seconds for which a recording is kept after its bot has ended; None: for ever."""
    given = given or Retention()
    if given.type == "forever":
        return None
    return (default_hours if given.hours is None else given.hours) * HOUR
