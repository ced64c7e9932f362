"""Field types that the create-bot bodies of both vendors share: their types, bounds and descriptions.

All durations are in seconds. The vendors' own fields, their defaults and the sources are in worker.contracts.meetstream and
worker.contracts.recall.

``extra`` of a Meta holds what msgspec does not know: ``served`` (False: the field takes any value, has no effect and is listed
as ignored), ``served_value`` (the one value of such a field that is not listed), ``unit`` and ``expected`` (words for the
message about a wrong value).
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta

from worker.platforms.links import EXPECTED_LINK, LONGEST_LINK
from worker.platforms.registry import PLATFORMS

LONGEST_NAME: Final = 100
"""Characters of a bot's name that Recall.ai's API accepts."""

LONGEST_MESSAGE: Final = 4096
"""Characters of a chat message that Microsoft Teams accepts; Google Meet accepts 500 (Recall.ai, "Sending Chat Messages")."""

DAY: Final = 86_400
"""Seconds; the upper bound of most durations."""

UNSERVED: Final = {"served": False}
"""``extra`` of a field that has no effect."""

NOT_SERVED_YET: Final = "Kept, and listed as ignored: not served yet."
"""The description of such a field."""


def seconds(least: int, most: int, about: str) -> Meta:
    """The bounds and the description of a field that is a duration in seconds."""
    return Meta(ge=least, le=most, description=about, extra={"unit": "seconds"})


NotServed: TypeAlias = Annotated[Any, Meta(description=NOT_SERVED_YET, extra=UNSERVED)]
"""A field of the vendor's contract that takes any value and has no effect."""

Link: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=LONGEST_LINK,
        description=f"The {' or '.join(entry.title for entry in PLATFORMS.values())} call to join.",
        examples=[entry.example_link for entry in PLATFORMS.values()],
        extra={"expected": EXPECTED_LINK},
    ),
]

BotId: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$(?!\n)",
        description="Names the bot in all results. One is made up where it is missing.",
        extra={
            "expected": "1 to 128 letters, digits, dots, hyphens or underscores, the first a letter or digit"
        },
    ),
]

BotName: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=LONGEST_NAME,
        description="What the bot is called in the call. Google Meet shows at most 60 characters.",
        extra={"expected": f"1 to {LONGEST_NAME} printable characters"},
    ),
]

JoinAt: TypeAlias = Annotated[
    str,
    Meta(
        description="When to join, in ISO 8601; UTC where no offset is given.",
        extra_json_schema={"format": "date-time"},
        extra={"expected": "a time like 2026-01-31T09:30:00Z"},
    ),
]

Attributes: TypeAlias = Annotated[dict[str, Any], Meta(description="Returned unchanged in every event.")]

Message: TypeAlias = Annotated[
    str,
    Meta(
        max_length=LONGEST_MESSAGE,
        description="What the bot writes into the chat once it is in the call. On Google Meet it is cut to 500.",
        extra={"expected": f"a text of at most {LONGEST_MESSAGE} characters"},
    ),
]

WebhookUrl: TypeAlias = Annotated[
    Any,
    Meta(
        description="Where webhooks go, of a bot that the API makes; one that comes by the queue has none.",
        extra_json_schema={"type": ["string", "null"], "format": "uri"},
    ),
]

NooneJoined: TypeAlias = Annotated[float, seconds(0, DAY, "Patience in a call that nobody else came to.")]
RecordingDenied: TypeAlias = Annotated[float, seconds(0, DAY, "Patience after a refusal to be recorded.")]


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long a condition has to hold, and how long after joining it starts to count."""

    timeout: Annotated[float, seconds(0, DAY, "How long it has to hold.")] | None = None
    activate_after: Annotated[float, seconds(0, DAY, "From when on it counts.")] | None = None


class NamedBots(Patience, frozen=True, kw_only=True):
    """Participants that count as bots: their names contain one of ``matches``, in upper or lower case."""

    matches: list[str] | None = None
