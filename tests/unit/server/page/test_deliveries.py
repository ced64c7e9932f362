from __future__ import annotations

from worker.delivery.webhook_deliveries import Attempt, Delivery
from worker.server.page.deliveries import tries

AT = 1_800_000_000.0


def test_tries_are_listed_the_newest_first_without_secrets() -> None:
    def delivery(event: str, *attempts: Attempt) -> Delivery:
        return Delivery(
            id=event,
            bot_id="bot-1",
            workspace="anna",
            endpoint="e",
            url="https://user:s3cret@hooks.example/a?token=s3cret",
            form="recall",
            event=event,
            body="{}",
            created_at=AT,
            attempts=list(attempts),
        )

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
