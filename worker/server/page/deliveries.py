"""What was sent to the webhooks of a bot, for its page."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from worker.delivery import webhook_deliveries
from worker.manifest.filenames import display_name
from worker.safe_text import redact
from worker.server.page.views import Moment, moment


class Try(NamedTuple):
    """One try to deliver an event. ``url``: without secrets. ``answer``: the status, or what went wrong."""

    at: Moment
    event: str
    url: str
    answer: str


def tries(deliveries: Iterable[webhook_deliveries.Delivery]) -> list[Try]:
    """All tries, the newest first."""
    made = sorted(
        ((attempt, delivery) for delivery in deliveries for attempt in delivery.attempts),
        key=lambda each: each[0].at,
        reverse=True,
    )
    return [
        Try(
            at=moment(datetime.fromtimestamp(attempt.at, UTC).isoformat(), is_exact=True),
            event=delivery.event,
            url=display_name(redact(delivery.url)),
            answer=_answer(attempt),
        )
        for attempt, delivery in made
    ]


def _answer(attempt: webhook_deliveries.Attempt) -> str:
    if attempt.status is None:
        return display_name(attempt.error or "") or "no answer"
    return f"delivered ({attempt.status})" if attempt.is_success else f"refused ({attempt.status})"
