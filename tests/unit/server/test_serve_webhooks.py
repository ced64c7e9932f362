from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE

import httpx

from tests.support.api import MEETING
from tests.support.receivers import receiving
from tests.support.record_process import ROOT
from worker.delivery.queued_events import QueuedEvents
from worker.jobs.backend import events_in


@asynccontextmanager
async def serving(folder: Path, endpoints: Path) -> AsyncIterator[str]:
    """``meetstems serve --local``, whose bots find no Chromium; it is killed at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker.cli", "serve", "--local", "--data", str(folder), "--port", "0"),
        cwd=ROOT,
        stdout=PIPE,
        stderr=DEVNULL,
        env={
            **os.environ,
            "MEETSTEMS_CHROMIUM": "/nowhere",
            "MEETSTEMS_PREFLIGHT_SECONDS": "0",
            "MEETSTEMS_WEBHOOKS_FILE": str(endpoints),
            "MEETSTEMS_ALLOW_PRIVATE_URLS": "127.0.0.1",
        },
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            line = await process.stdout.readline()
        yield line.decode().removeprefix("serving on ").strip()
    finally:
        process.kill()
        await process.wait()


async def until(wanted: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not wanted():  # noqa: ASYNC110 - another process changes it
            await asyncio.sleep(0.02)


def report(folder: Path, bot_id: str, code: str, second: int) -> None:
    """As a worker does."""
    events = QueuedEvents(events_in(folder, 45))
    change = {"state": "joining", "reason": "", "bot_status": "Joining", "code": code, "sub_code": None}
    at = f"2026-01-01T00:00:{second:02d}.000Z"
    events.send(
        {"event": "bot.joining", "bot_id": bot_id, "message": "x", "attempt": 1, "updated_at": at, **change}
    )
    assert events.drain(20)
    events.close()


async def test_what_was_reported_while_the_server_was_killed_is_delivered_once(tmp_path: Path) -> None:
    data, endpoints = tmp_path / "data", tmp_path / "webhooks.json"
    async with receiving() as own, receiving() as endpoint:
        endpoints.write_text(json.dumps({"endpoints": [{"url": endpoint.url}]}))
        async with serving(data, endpoints) as url:
            key = (data / "key").read_text().strip()
            async with httpx.AsyncClient(base_url=url, headers={"Authorization": key}) as client:
                refused = await client.post(
                    "/api/v1/bot", json={"meeting_url": MEETING, "webhook_url": "http://127.0.0.2/"}
                )
                assert refused.status_code == 403
                body = {"meeting_url": MEETING, "webhook_url": own.url, "join_at": "2030-01-01T00:00:00Z"}
                bot_id = (await client.post("/api/v1/bot", json=body)).json()["id"]
                report(data, bot_id, "joining_call", 1)
                await until(lambda: bool(own.received and endpoint.received))
                path = f"/api/v1/bot/{bot_id}/deliveries"
                async with asyncio.timeout(60):
                    states: list[str] = []
                    while states != ["delivered", "delivered"]:
                        results = (await client.get(path)).json()["results"]
                        states = [each["state"] for each in results]
                        await asyncio.sleep(0.3)
        report(data, bot_id, "in_waiting_room", 2)
        async with serving(data, endpoints):
            await until(lambda: len(own.received) == len(endpoint.received) == 2)
    for receiver in (own, endpoint):
        assert receiver.events == ["bot.joining_call", "bot.in_waiting_room"]
        assert len(set(receiver.ids)) == 2
