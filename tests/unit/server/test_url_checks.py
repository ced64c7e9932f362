from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.api import MEETING, Api, resolve
from tests.support.job_parts import JOB, parse
from tests.support.record_process import ROOT
from worker.delivery.url_guard import UrlGuard
from worker.server import url_checks as module
from worker.server.errors import ApiError
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


def live_of(url: str, kind: str = "websocket", *before: str) -> dict[str, object]:
    events = ["participant_events.join"]
    urls = [*before, url]
    return {"realtime_endpoints": [{"type": kind, "url": each, "events": events} for each in urls]}


LIVE_BLOCKED = [
    ("websocket", "wss://127.0.0.1/"),
    ("websocket", "wss://private.example/x"),
    ("websocket", "wss://[::ffff:10.0.0.1]/"),
    ("websocket", "wss://live.localhost/"),
    ("webhook", "https://127.0.0.1/"),
    ("webhook", "https://private.example/x"),
]


@pytest.mark.parametrize(("kind", "url"), LIVE_BLOCKED)
async def test_live_streams_that_lead_inside_are_refused_when_the_bot_is_made(
    api: Api, kind: str, url: str
) -> None:
    public = "wss://public.example/" if kind == "websocket" else "https://public.example/"
    config = live_of(url, kind, public)
    field = "recording_config.realtime_endpoints.1.url"
    async with api.client() as client:
        body = {"meeting_url": MEETING, "recording_config": config}
        refused = await client.post("/api/v1/bot", json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "request_blocked")
        assert refused.json()["detail"].startswith(f"{field}: ")
        made = await client.post(
            "/api/v1/bot", json={"meeting_url": MEETING, "join_at": "2030-01-01T00:00:00Z"}
        )
        path = f"/api/v1/bot/{made.json()['id']}"
        assert (await client.patch(path, json={"recording_config": config})).status_code == 403
        assert (await client.patch(path, json={"recording_config": live_of(public, kind)})).status_code == 200
        stream: dict[str, object] = {"live_audio_required": {"websocket_url": url}}
        if kind == "webhook":
            stream = {"recording_config": config}
        refused = await client.post(
            "/api/v1/bots/create_bot", json={"meeting_link": MEETING, "bot_name": "Notes", **stream}
        )
        assert refused.status_code == 400
        assert refused.json()["message"].startswith(("live_audio_required.websocket_url: ", f"{field}: "))
    assert api.desk.jobs == []


@pytest.mark.parametrize(
    ("kind", "url"), [("websocket", "ws://public.example/"), ("webhook", "http://public.example/")]
)
async def test_live_streams_without_tls_are_taken_only_where_they_are_allowed(
    api: Api, kind: str, url: str
) -> None:
    body = {"meeting_url": MEETING, "recording_config": live_of(url, kind)}
    async with api.client() as client:
        refused = await client.post("/api/v1/bot", json=body)
        assert (refused.status_code, list(refused.json())) == (400, ["recording_config"])
        object.__setattr__(api.services, "url_checks", UrlChecks(UrlGuard(resolve=resolve), plain_live=True))
        assert (await client.post("/api/v1/bot", json=body)).status_code == 201


def test_what_needs_no_look_up_is_judged_although_a_name_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    answered = threading.Event()

    def hang(host: str, port: int) -> Sequence[str]:
        answered.wait(20)
        return ["93.184.215.14"]

    checks = UrlChecks(UrlGuard(resolve=hang))
    config = live_of("wss://10.0.0.1/", "websocket", "wss://slow.example/")
    body = {"meeting_url": MEETING, "recording_config": config}
    try:
        with pytest.raises(ApiError, match=r"realtime_endpoints\.1\.url"):
            checks.check("anna", parse(**body), body)
    finally:
        answered.set()


async def test_headers_of_live_streams_are_not_shown(api: Api) -> None:
    endpoint = {
        "type": "webhook",
        "url": "https://public.example/",
        "events": ["participant_events.join"],
        "headers": {"X-Key": "s3cr3t-t0ken"},
    }
    config = {"recording_config": {"realtime_endpoints": [endpoint]}}
    async with api.client() as client:
        made = await client.post("/api/v1/bot", json={"meeting_url": MEETING, **config})
        shown = made.json()["recording_config"]["realtime_endpoints"]
        assert shown == [{**endpoint, "headers": {"X-Key": "***"}}]
        again = await client.get(f"/api/v1/bot/{made.json()['id']}")
        ours = await client.post(
            "/api/v1/bots/create_bot", json={"meeting_link": MEETING, "bot_name": "Notes", **config}
        )
        detail = await client.get(f"/api/v1/bots/{ours.json()['bot_id']}/detail")
        assert '"X-Key":"***"' in detail.text
        for answer in (made, again, ours, detail):
            assert "s3cr3t" not in answer.text
    assert [job.live[0].headers for job in api.desk.jobs] == [{"X-Key": "s3cr3t-t0ken"}] * 2


def test_a_name_server_that_does_not_answer_holds_up_nobody_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    answered = threading.Event()

    def hang(host: str, port: int) -> Sequence[str]:
        answered.wait(20)
        return ["127.0.0.1"]

    checks = UrlChecks(UrlGuard(resolve=hang))
    try:
        checks.check("anna", JOB, {"callback_url": "https://slow.example/"})
    finally:
        answered.set()


def test_slow_name_servers_of_one_workspace_take_few_threads_and_none_of_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More requests than LOOKUPS_OF_ONE pass at once, the others of the workspace wait; another workspace is judged."""
    monkeypatch.setattr(module, "PATIENCE", 20.0)
    asked, answered = threading.Semaphore(0), threading.Event()

    def hang(host: str, port: int) -> Sequence[str]:
        if host.startswith("private"):
            return ["10.1.2.3"]
        asked.release()
        answered.wait(20)
        return ["93.184.215.14"]

    checks = UrlChecks(UrlGuard(resolve=hang))
    slow, private = {"callback_url": "https://slow.example/"}, {"callback_url": "https://private.example/"}
    with ThreadPoolExecutor(module.LOOKUPS_OF_ONE) as pool:
        try:
            waiting = [pool.submit(checks.check, "anna", JOB, slow) for _ in range(module.LOOKUPS_OF_ONE)]
            for _ in waiting:
                assert asked.acquire(timeout=20)
            checks.check("anna", JOB, slow)
            assert not asked.acquire(blocking=False)
            assert not any(each.done() for each in waiting)
            with pytest.raises(ApiError):
                checks.check("bob", JOB, private)
        finally:
            answered.set()
        for each in waiting:
            each.result(20)
    with pytest.raises(ApiError):
        checks.check("anna", JOB, private)


def test_a_look_up_does_not_hold_up_the_end_of_the_process() -> None:
    program = (
        "import threading\n"
        "from worker.contracts.parse_job import parse_job\n"
        "from worker.delivery.url_guard import UrlGuard\n"
        "from worker.server import url_checks as module\n"
        "module.PATIENCE = 0.01\n"
        "checks = module.UrlChecks(UrlGuard(resolve=lambda host, port: threading.Event().wait(600)))\n"
        "job = parse_job('{\"meeting_link\": \"https://meet.google.com/abc-defg-hij\"}', lambda: 'bot-1')\n"
        "checks.check('anna', job, {'callback_url': 'https://slow.example/'})\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60)
