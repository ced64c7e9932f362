"""What was sent to the webhooks of a bot, for its page."""

from __future__ import annotations

from typing import NamedTuple

from worker.server.bots import Bots


class Delivery(NamedTuple):
    """One try to deliver an event. ``at`` is ISO 8601; ``url`` without secrets; ``answer``: the status, or what went wrong."""

    at: str
    event: str
    url: str
    answer: str
    is_delivered: bool


def deliveries_of(bots: Bots, bot_id: str) -> list[Delivery]:
    """The tries, the newest first; none where nothing is delivered. Blocks."""
    return []
