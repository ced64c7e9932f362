"""What one key can do to the bots of another: nothing. The routes are those of the API's own document, all of them."""

from __future__ import annotations

import asyncio
import itertools
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.support.api import KEY, MEETING, OTHER_KEY, Api
from worker.iso_time import iso_utc

OURS = ("/healthz", "/download", "/docs")
"""Routes without a key: what is behind a signed link is its owner's business."""

BODIES = (b"", b"{}", b'{"message": "x"}', b'{"meeting_url": "https://meet.google.com/abc-defg-hij"}')
"""One of them is wrong for any route, one is right for most."""

UNKNOWN = str(uuid.UUID(int=0x4000_8000_0000_0000_0000))

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_PLACE = re.compile(r"\{(\w+)\}")


class Route(NamedTuple):
    """An operation of the document. ``query`` are its parameters that are texts."""

    method: str
    path: str
    query: tuple[str, ...]

    @property
    def places(self) -> list[str]:
        return _PLACE.findall(self.path)

    def url(self, *values: str) -> str:
        left = iter(values)
        return _PLACE.sub(lambda _: next(left), self.path)


async def routes_of(client: httpx.AsyncClient) -> list[Route]:
    paths = (await client.get("/docs/openapi.json")).json()["paths"]
    return list(_routes(paths))


def _routes(paths: dict[str, Any]) -> Iterator[Route]:
    for path, operations in paths.items():
        if path.startswith(OURS):
            continue
        for method, operation in operations.items():
            answers = [
                content for each in operation["responses"].values() for content in each.get("content", {})
            ]
            if "text/event-stream" in answers:
                continue
            query = tuple(
                parameter["name"]
                for parameter in operation.get("parameters", [])
                if parameter["in"] == "query" and "string" in str(parameter["schema"])
            )
            yield Route(method.upper(), path, query)


async def ask(client: httpx.AsyncClient, method: str, url: str, **options: Any) -> tuple[int, str]:
    async with asyncio.timeout(30):
        answer = await client.request(method, url, **options)
    return answer.status_code, answer.text


async def owners_bots(api: Api, client: httpx.AsyncClient) -> None:
    """Bots in every state, of both vendors."""
    meetstream = {"meeting_link": MEETING, "audio_separate_streams": True, "deduplication_key": "one"}
    recall = {"meeting_url": MEETING, "recording_config": {"audio_separate_raw": {}}}
    recorded = [
        (await client.post("/api/v1/bots/create_bot", json=meetstream)).json()["bot_id"],
        (await client.post("/api/v1/bot/", json=recall, headers={"Idempotency-Key": "one"})).json()["id"],
        (await client.post("/api/v1/bot/", json=recall)).json()["id"],
    ]
    for bot_id in recorded:
        api.record(bot_id)
    assert (await client.post(f"/api/v1/bot/{recorded[2]}/delete_media/")).status_code == 200
    for join_at in (None, iso_utc(api.now + 3600)):
        body = {**recall, "join_at": join_at}
        assert (await client.post("/api/v1/bot/", json=body)).status_code == 201


async def owners_ids(client: httpx.AsyncClient, routes: list[Route]) -> set[str]:
    """All ids that the owner's lists tell, of bots, recordings, artifacts and what else there is."""
    ids: set[str] = set()
    for route in routes:
        if route.method == "GET" and not route.places:
            ids |= set(_ID.findall((await ask(client, "GET", route.url()))[1]))
    for route, bot_id in itertools.product(routes, sorted(ids)):
        if route.method == "GET" and route.places == ["bot_id"] and "remove" not in route.path:
            ids |= set(_ID.findall((await ask(client, "GET", route.url(bot_id)))[1]))
    return ids


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(tmp_path, limits={"create": 100_000, "list": 100_000, "retrieve": 100_000})


@pytest.fixture
async def anna(api: Api) -> Any:
    async with api.client(KEY) as client:
        yield client


@pytest.fixture
async def bob(api: Api) -> Any:
    async with api.client(OTHER_KEY) as client:
        yield client


async def test_another_keys_id_is_answered_as_an_unknown_one_by_every_route(
    api: Api, anna: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    await owners_bots(api, anna)
    routes = await routes_of(anna)
    ids = sorted(await owners_ids(anna, routes))
    assert len(ids) > 12, "bots, their recordings, their artifacts"
    before = {each.key: api.store.get(each.key).data for each in api.store.list("")}
    asked = 0
    for route in routes:
        if not route.places:
            continue
        bodies = (b"",) if route.method in ("GET", "DELETE") else BODIES
        # A path with two ids is asked with the same one twice.
        unknown = {
            body: await ask(bob, route.method, route.url(*[UNKNOWN] * len(route.places)), content=body)
            for body in bodies
        }
        statuses = {status for status, _ in unknown.values()}
        assert 404 in statuses, f"{route}: no body reaches the question whose bot it is"
        assert statuses <= {400, 404}, (route, unknown)
        for given, body in zip(ids, itertools.cycle(bodies), strict=False):
            answer = await ask(bob, route.method, route.url(*[given] * len(route.places)), content=body)
            status, text = unknown[body]
            assert answer == (status, text.replace(UNKNOWN, given)), (route, body)
            asked += 1
    assert asked > 500
    assert {each.key: api.store.get(each.key).data for each in api.store.list("")} == before


async def test_no_list_tells_another_key_anything(
    api: Api, anna: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    await owners_bots(api, anna)
    routes = await routes_of(anna)
    ids = sorted(await owners_ids(anna, routes))
    lists = [route for route in routes if route.method == "GET" and not route.places]
    assert len(lists) >= 10
    for route in lists:
        alone = await ask(bob, "GET", route.url())
        assert _ID.findall(alone[1]) == [], route
        for name, given in itertools.product(route.query, ids):
            unknown = await ask(bob, "GET", route.url(), params={name: UNKNOWN})
            answer = await ask(bob, "GET", route.url(), params={name: given})
            assert answer == (unknown[0], unknown[1].replace(UNKNOWN, given)), (route, name)


async def test_the_same_keys_of_two_workspaces_make_a_bot_for_each(
    api: Api, anna: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    for path, field, body in (
        ("/api/v1/bots/create_bot", "bot_id", {"meeting_link": MEETING, "deduplication_key": "one"}),
        ("/api/v1/bot/", "id", {"meeting_url": MEETING}),
    ):
        made = [
            await client.post(path, json=body, headers={"Idempotency-Key": "one"}) for client in (anna, bob)
        ]
        assert [answer.status_code for answer in made] == [201, 201]
        assert made[0].json()[field] != made[1].json()[field]
    assert (api.bots.count("anna"), api.bots.count("bob")) == (2, 2)


async def test_a_link_counts_for_its_own_workspace(
    api: Api, anna: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    await owners_bots(api, anna)
    artifact = (await anna.get("/api/v1/audio_separate/", params={"status_code": "done"})).json()["results"][
        0
    ]
    url = artifact["data"]["download_url"]
    assert (await bob.get(url)).status_code == 200, "the link itself is the secret"
    assert (await bob.get(url.replace("workspace=anna", "workspace=bob"))).status_code == 403
    assert (await bob.get(url.partition("?")[0])).status_code == 403
