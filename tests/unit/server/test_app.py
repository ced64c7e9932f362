from __future__ import annotations

import asyncio
import ipaddress
import threading
from pathlib import Path

import httpx
import pytest
from prometheus_client import generate_latest

from tests.support.api import MEETING, Api
from tests.support.serving import serving
from tests.support.waits import until
from worker.delivery.errors import RefusedError
from worker.delivery.jobs_queue import QueueUnavailableError
from worker.server.app import REQUEST_THREADS

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
LOOKS = "meetstems_api_due_looks_total"
BODY = {"meeting_link": MEETING, "audio_separate_streams": True}


async def test_health_needs_no_key(api: Api) -> None:
    async with api.client(None) as client:
        answer = await client.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")


@pytest.mark.parametrize(
    ("prefix", "slash"), [("", ""), ("", "/"), ("/a/r.recall.ai", ""), ("/a/r.recall.ai", "/")]
)
async def test_paths_are_served_with_and_without_slash_and_prefix(
    tmp_path: Path, slash: str, prefix: str
) -> None:
    api = Api(tmp_path, prefix=prefix)
    async with api.client() as client:
        created = await client.post(f"/api/v1/bots/create_bot{slash}", json=BODY)
        assert created.status_code == 201
        bot_id = created.json()["bot_id"]
        api.record(bot_id)
        assert (await client.get(f"/api/v1/bot/{bot_id}{slash}")).status_code == 200
        streams = (await client.get(f"/api/v1/bots/{bot_id}/get_audio_streams{slash}")).json()
        url = streams["participants"][0]["streams"][0]["segments"][0]["url"]
        assert url.startswith(f"http://api.example{prefix}/download/file/")
        assert (await client.get(url)).status_code == 200
        separate = (await client.get(f"/api/v1/audio_separate{slash}")).json()["results"][0]
        assert (await client.get(separate["data"]["download_url"])).status_code == 200
        wrong = await client.get(f"/api/v1/bots/x/status{slash}")
        assert (wrong.status_code, wrong.json()) == (404, {"message": "Bot not found."})
        assert (await client.get("/api/v1/nowhere")).json() == {"code": "not_found", "detail": "Not found."}
        assert (await client.get("/healthz")).status_code == 200


async def test_every_answer_has_a_request_id(api: Api) -> None:
    async with api.client() as client:
        ids = [
            (await client.request(method, path)).headers["x-request-id"]
            for method, path in (
                ("GET", "/api/v1/bots"),
                ("GET", "/api/v1/bots/x/status"),
                ("GET", "/nowhere"),
                ("PUT", "/api/v1/bots"),
                ("POST", "/api/v1/bots/create_bot"),
                ("GET", "/healthz"),
            )
        ]
        assert len(set(ids)) == len(ids)
        own = await client.get("/healthz", headers={"x-request-id": "my-own-request"})
        assert own.headers["x-request-id"] == "my-own-request"
        bad = await client.get("/healthz", headers={"x-request-id": "a b"})
        assert bad.headers["x-request-id"] != "a b"


async def test_errors_have_the_body_of_the_vendor_whose_path_it_is(api: Api) -> None:
    expected = [
        ("GET", "/nowhere", 404, {"code", "detail"}),
        ("GET", "/api/v1/bots/x/nowhere", 404, {"message"}),
        ("GET", "/api/v1/transcript/x/get_transcript", 404, {"message"}),
        ("GET", "/api/v1/transcript/x", 404, {"code", "detail"}),
        ("GET", "/api/v1/nowhere", 404, {"code", "detail"}),
        ("DELETE", "/api/v1/bots", 405, {"message"}),
        ("DELETE", "/api/v1/bot", 405, {"code", "detail"}),
    ]
    async with api.client() as client:
        for method, path, status, fields in expected:
            answer = await client.request(method, path)
            assert (answer.status_code, set(answer.json())) == (status, fields), path
            assert answer.headers["content-type"] == "application/json"


async def test_bodies_are_bounded(api: Api) -> None:
    async with api.client() as client:
        for path, fields in (("/api/v1/bots/create_bot", {"message"}), ("/api/v1/bot", {"code", "detail"})):
            answer = await client.post(path, content=b" " * (256 * 1024 + 1))
            assert (answer.status_code, set(answer.json())) == (413, fields)


async def test_links_expire_and_are_worth_nothing_when_changed(api: Api) -> None:
    async with api.client() as client:
        bot_id = (await client.post("/api/v1/bots/create_bot", json=BODY)).json()["bot_id"]
        api.record(bot_id)
        streams = (await client.get(f"/api/v1/bots/{bot_id}/get_audio_streams")).json()
        one, other = (person["streams"][0]["segments"][0]["url"] for person in streams["participants"])
        assert (await client.get(one)).status_code == 200
        url = httpx.URL(one)
        changed = [
            url.copy_set_param("expires", str(int(url.params["expires"]) + 1)),
            url.copy_set_param("name", "other.webm"),
            url.copy_set_param("signature", "0" * 64),
            url.copy_set_param("extra", "1"),
            url.copy_remove_param("signature"),
            url.copy_with(path=httpx.URL(other).path),
            url.copy_with(path=f"/download/file/bots/{bot_id}/record.json"),
            url.copy_with(path="/download/file/../keys.json"),
        ]
        for each in changed:
            answer = await client.get(each)
            assert answer.status_code in {403, 404}, each
            assert b"stem" not in answer.content
        api.now += 600
        assert (await client.get(one)).status_code == 403


async def test_forwarded_headers_count_from_trusted_proxies_only(tmp_path: Path) -> None:
    headers = {
        "X-Forwarded-Proto": "http, https",
        "X-Forwarded-Host": "spoofed.example, bots.example",
        "X-Forwarded-Prefix": "/meet",
    }

    async def link(api: Api) -> str:
        async with api.client(**headers) as client:
            bot_id = (await client.post("/api/v1/bots/create_bot", json=BODY)).json()["bot_id"]
            api.record(bot_id)
            return str((await client.get(f"/api/v1/bots/{bot_id}/get_audio")).json()["audio_url"])

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert (await link(Api(tmp_path / "a"))).startswith("http://api.example/download/")
    trusting = Api(tmp_path / "b", trusted=[LOOPBACK])
    assert (await link(trusting)).startswith("https://bots.example/meet/download/")


async def test_requests_are_counted_by_route(api: Api) -> None:
    async with api.client() as client:
        await client.post("/api/v1/bots/create_bot", json=BODY)
        await client.get("/api/v1/bots/secret-id/status")
        await client.get("/api/v1/bot/secret-id")
        await client.get("/secret-path")
    text = generate_latest(api.services.metrics.registry).decode()
    assert (
        'meetstems_api_requests_total{method="GET",route="/api/v1/bots/{bot_id}/status",status="404",vendor="meetstream"} 1.0'
        in text
    )
    assert 'meetstems_api_bots_created_total{vendor="meetstream"} 1.0' in text
    assert 'route="unknown",status="404",vendor="ours"' in text
    assert "secret" not in text


async def test_the_document_names_every_answer(api: Api) -> None:
    async with api.client(None) as client:
        document = (await client.get("/docs/openapi.json")).json()
        assert (await client.get("/docs")).status_code == 200
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path.startswith("/api"):
                assert {"401", "429", "503"} <= set(operation["responses"]), path
    create = document["paths"]["/api/v1/bots/create_bot"]["post"]
    assert {"200", "201", "400", "403", "409", "413", "507"} <= set(create["responses"])
    form = create["requestBody"]["content"]["application/json"]["schema"]
    assert form["required"] == ["meeting_link"]
    assert "Patience" in str(form["properties"]["automatic_leave"])
    update = document["paths"]["/api/v1/bot/{bot_id}"]["patch"]
    assert update["requestBody"]["content"]["application/json"]["schema"]["required"] == []
    assert "#/definitions" not in str(document)


async def test_looks_for_due_bots_and_what_waits_are_metrics(api: Api) -> None:
    registry = api.services.metrics.registry
    api.desk.error = QueueUnavailableError("SQS: down")
    async with api.client() as client:
        await client.post("/api/v1/bots/create_bot", json=BODY)
    api.now += 600
    async with serving(api.app):
        await until(lambda: registry.get_sample_value(LOOKS, {"result": "error"}))
    api.now += 600
    api.desk.error = RefusedError("SQS: this one alone")
    async with serving(api.app):
        await until(lambda: registry.get_sample_value(LOOKS, {"result": "success"}))
    assert registry.get_sample_value("meetstems_api_scheduled_bots") == 1
    assert registry.get_sample_value("meetstems_api_due_bots") == 1
    waited = registry.get_sample_value("meetstems_api_oldest_due_seconds")
    assert waited is not None
    assert 1100 < waited <= 1200


async def test_many_blocking_requests_are_worked_on_at_once_on_any_machine(api: Api) -> None:
    many = REQUEST_THREADS - 5
    met = threading.Barrier(many)
    async with serving(api.app):
        await asyncio.gather(*(asyncio.to_thread(met.wait, 30) for _ in range(many)))
