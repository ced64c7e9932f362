from __future__ import annotations

from typing import Any

import msgspec

from worker.delivery.webhook_deliveries import Attempt, Delivery, endpoint_id
from worker.server.page.deliveries import tries

AT = 1_800_000_000.0


URL = "https://user:s3cret@hooks.example/a?token=s3cret"


def delivery(event: str, *attempts: Attempt, endpoint: str | None = None, **changes: Any) -> Delivery:
    made = Delivery(
        id=event,
        bot_id="bot-1",
        workspace="anna",
        endpoint=endpoint or endpoint_id("callback", "recall", URL, "anna"),
        url=URL,
        form="recall",
        event=event,
        body="{}",
        created_at=AT,
        attempts=list(attempts),
    )
    return msgspec.structs.replace(made, **changes)


def test_tries_are_listed_the_newest_first_without_secrets() -> None:
    first = delivery("bot.done", Attempt(at=AT, error="timed out"), Attempt(at=AT + 5, status=204))
    second = delivery("recording.done", Attempt(at=AT + 1, status=500, answer="s3cret"))
    shown = tries([first, second, delivery("waits")])
    assert [(each.event, each.answer) for each in shown] == [
        ("bot.done", "delivered (204)"),
        ("recording.done", "refused (500)"),
        ("bot.done", "timed out"),
    ]
    assert shown[0].at.text == "15 Jan 2027, 08:00:05 UTC"
    assert "s3cret" not in str(shown)
    assert "hooks.example" in shown[0].url


def test_of_the_operators_endpoints_only_host_and_state_are_shown() -> None:
    url = "https://hooks.example/services/s3cret"
    operators = endpoint_id("file", "recall", url, "")
    failed = Attempt(at=AT + 9, error="s3cret inside")
    shown = tries(
        [
            delivery("bot.done", failed, failed, endpoint=operators, url=url, state="failed"),
            delivery("waits", endpoint=operators, url=url),
        ]
    )
    assert [(each.event, each.url, each.answer) for each in shown] == [
        ("bot.done", "https://hooks.example", "failed"),
        ("waits", "https://hooks.example", "pending"),
    ]
    own = endpoint_id("file", "recall", url, "anna")
    (mine,) = tries([delivery("bot.done", Attempt(at=AT, status=200), endpoint=own, url=url)])
    assert (mine.url, mine.answer) == (url, "delivered (200)")
