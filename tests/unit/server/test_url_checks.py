from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from tests.support.api import MEETING, Api
from worker.delivery.url_guard import UrlGuard
from worker.server import url_checks as module
from worker.server.url_checks import UrlChecks

BLOCKED = [
    "http://127.0.0.1/",
    "https://private.example/hook",
    "http://[::ffff:10.0.0.1]/",
    "http://0x7f000001/",
]
WRONG = [7, "nowhere", "ftp://public.example/", ["https://public.example/"]]


@pytest.mark.parametrize("url", BLOCKED)
async def test_what_leads_inside_is_refused_when_the_bot_is_made(api: Api, url: str) -> None:
    async with api.client() as client:
        body = {"meeting_link": MEETING, "bot_name": "Notes", "callback_url": url}
        refused = await client.post("/api/v1/bots/create_bot", json=body)
        assert refused.status_code == 400
        assert refused.json()["message"].startswith("callback_url: ")
        refused = await client.post("/api/v1/bot", json={"meeting_url": MEETING, "webhook_url": url})
        assert refused.status_code == 403
        assert refused.json()["code"] == "request_blocked"
    assert api.desk.jobs == []


@pytest.mark.parametrize("url", WRONG)
async def test_what_is_no_url_is_a_wrong_field(api: Api, url: object) -> None:
    async with api.client() as client:
        body = {"meeting_link": MEETING, "bot_name": "Notes", "callback_url": url}
        refused = await client.post("/api/v1/bots/create_bot", json=body)
        assert (refused.status_code, "callback_url" in refused.json()["message"]) == (400, True)
        refused = await client.post("/api/v1/bot", json={"meeting_url": MEETING, "webhook_url": url})
        assert (refused.status_code, list(refused.json())) == (400, ["webhook_url"])
    assert api.desk.jobs == []


async def test_a_scheduled_bot_cannot_be_changed_to_lead_inside(api: Api) -> None:
    async with api.client() as client:
        made = await client.post(
            "/api/v1/bot", json={"meeting_url": MEETING, "join_at": "2030-01-01T00:00:00Z"}
        )
        path = f"/api/v1/bot/{made.json()['id']}"
        assert (await client.patch(path, json={"webhook_url": BLOCKED[0]})).status_code == 403
        assert (await client.patch(path, json={"webhook_url": "https://public.example/"})).status_code == 200


@pytest.mark.parametrize("url", ["https://public.example/hook?token=a", "https://unknown.example/", "", None])
async def test_what_is_public_or_not_known_yet_is_taken(api: Api, url: str | None) -> None:
    async with api.client() as client:
        body = {"meeting_link": MEETING, "bot_name": "Notes", "callback_url": url}
        assert (await client.post("/api/v1/bots/create_bot", json=body)).status_code == 201
    (job,) = api.desk.jobs
    assert (job.callback_url, job.ignored) == (url or None, [])


def test_a_name_server_that_does_not_answer_holds_up_nobody_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    answered = threading.Event()
    asked: list[str] = []

    def hang(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        answered.wait(20)
        return ["127.0.0.1"]

    checks = UrlChecks(UrlGuard(resolve=hang))
    try:
        for _ in range(module.LOOKUPS + 20):
            checks.check({"callback_url": "https://slow.example/"}, "callback_url")
    finally:
        answered.set()
        checks.close()
    assert len(asked) <= module.LOOKUPS, "what found no thread in time is dropped"
