"""What was sent to the webhooks of a bot, for its page."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from worker.delivery.webhook_deliveries import Attempt, Delivery
from worker.manifest.filenames import display_name
from worker.server.endpoints import is_of_workspace, shown_url
from worker.server.page.views import Moment, moment


class Try(NamedTuple):
    """One try to deliver an event. ``url``: without secrets. ``answer``: the status, or what went wrong.

    Of a delivery to the operator's endpoint, all tries are one: ``url`` is the host, ``answer`` what became of it.
    """

    at: Moment
    event: str
    url: str
    answer: str


def tries(deliveries: Iterable[Delivery]) -> list[Try]:
    """All tries, the newest first."""
    made = [entry for delivery in deliveries for entry in _tries(delivery)]
    made.sort(key=lambda each: each[0], reverse=True)
    return [
        Try(
            at=moment(datetime.fromtimestamp(at, UTC).isoformat(), is_exact=True),
            event=delivery.event,
            url=display_name(shown_url(delivery)),
            answer=answer,
        )
        for at, delivery, answer in made
    ]


def _tries(delivery: Delivery) -> list[tuple[float, Delivery, str]]:
    if is_of_workspace(delivery):
        return [(attempt.at, delivery, _answer(attempt)) for attempt in delivery.attempts]
    return [(delivery.created_at, delivery, delivery.state)]


def _answer(attempt: Attempt) -> str:
    if attempt.status is None:
        return display_name(attempt.error or "") or "no answer"
    return f"delivered ({attempt.status})" if attempt.is_success else f"refused ({attempt.status})"
