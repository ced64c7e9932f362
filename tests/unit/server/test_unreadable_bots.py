"""Bots that another version of the server made: no route about them fails, and each answers in its vendor's words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.support.api import MEETING, Api
from worker.contracts.bot_facts import related_id
from worker.server.errors import Vendor, vendor_of

LATER = "2030-01-01T00:00:00Z"
BODIES = {
    "message": {"message": "hello"},
    "bot": {"meeting_url": MEETING, "bot_name": "Other", "join_at": LATER},
}


async def bot(api: Api, vendor: Vendor, kind: str) -> str:
    """A bot of the ``kind`` that cannot be read."""
    later = {} if kind == "recorded" else {"join_at": LATER}
    async with api.client() as client:
        if vendor is Vendor.MEETSTREAM:
            body = {"meeting_link": MEETING, "bot_name": "Notes", **later}
            bot_id = str((await client.post("/api/v1/bots/create_bot", json=body)).json()["bot_id"])
        else:
            body = {"meeting_url": MEETING, **later}
            bot_id = str((await client.post("/api/v1/bot", json=body)).json()["id"])
    if kind == "recorded":
        api.record(bot_id)
    record = api.bots.known(bot_id)
    assert record is not None
    if kind == "record":
        api.store.put(
            api.bots.keys.record(bot_id), b'{"a": "later version"}', content_type="application/json"
        )
    else:
        field = "meeting_link" if vendor is Vendor.MEETSTREAM else "meeting_url"
        api.bots.write(msgspec.structs.replace(record, body={**record.body, field: "a later form"}))
    return bot_id


async def routes(api: Api) -> list[tuple[str, str]]:
    async with api.client() as client:
        paths: dict[str, Any] = (await client.get("/docs/openapi.json")).json()["paths"]
    return [
        (method, path)
        for path, operations in paths.items()
        for method in operations
        if path.startswith("/api/") and "{" in path
    ]


def address(path: str, bot_id: str) -> str:
    """``path`` with the ids that belong to the bot."""
    kind = path.split("/")[3]
    return (
        path.replace("{bot_id}", bot_id)
        .replace("{transcript_id}", bot_id)
        .replace("{delivery_id}", f"msg_{'0' * 32}")
        .replace("{recording_id}", related_id(kind, bot_id) or "")
        .replace("{artifact_id}", related_id(kind, bot_id) or "")
    )


@pytest.mark.parametrize("kind", ["scheduled", "recorded", "record"])
async def test_no_route_about_a_bot_that_cannot_be_read_is_an_error_of_the_server(
    api: Api, kind: str
) -> None:
    asked = 0
    for method, path in await routes(api):
        vendor = vendor_of(path)
        bot_id = await bot(api, vendor, kind)
        body = (
            BODIES["message" if "message" in path else "bot"] if method in {"post", "patch", "put"} else None
        )
        async with api.client() as client:
            answer = await client.request(method, address(path, bot_id), json=body)
        # 501: what is not served for any bot.
        assert answer.status_code < 500 or answer.status_code == 501, (method, path, answer.text)
        if answer.status_code >= 400:
            expected = {"message"} if vendor is Vendor.MEETSTREAM else {"code", "detail"}
            assert set(answer.json()) == expected, (method, path, answer.text)
            assert "later" not in answer.text
        asked += 1
    assert asked > 40


async def test_a_scheduled_bot_whose_job_cannot_be_read_is_not_changed_and_is_deleted(api: Api) -> None:
    bot_id = await bot(api, Vendor.RECALL, "scheduled")
    async with api.client() as client:
        for changes in ({"bot_name": "Other"}, {"meeting_url": MEETING}):
            answer = await client.patch(f"/api/v1/bot/{bot_id}", json=changes)
            assert 400 <= answer.status_code < 500
        assert answer.json() == {
            "code": "conflict",
            "detail": "Another version of this server made this bot, and this one cannot read it.",
        }
        assert (await client.delete(f"/api/v1/bot/{bot_id}")).status_code == 204
        assert (await client.get(f"/api/v1/bot/{bot_id}")).status_code == 404
    api.now = 1_900_000_000.0
    assert api.bots.dispatch_due() == 0
    assert api.store.list("") == []
