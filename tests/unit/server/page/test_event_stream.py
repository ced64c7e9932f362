from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import generate_latest

from tests.support.api import KEY, MEETING, OTHER_KEY, Api
from tests.support.page_visitor import Visitor
from worker.delivery.folder_store import FolderStore
from worker.delivery.object_store import Stored, StoreUnavailableError
from worker.reasons import Reason
from worker.server import request_log
from worker.server.keys import key_sha256
from worker.server.page import event_stream, live
from worker.server.page.sessions import COOKIE, LASTS
from worker.states import State

Message = MutableMapping[str, Any]


@pytest.fixture(autouse=True)
def _look_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LOOK", 0.01)
    monkeypatch.setattr(event_stream, "PING", 0.05)


class Reader:
    """A browser at the other end of a stream. ``takes``: whether it takes what is sent."""

    def __init__(self, cookie: str) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.text = ""
        self.is_complete = False
        self.takes = True
        self._came = asyncio.Condition()
        self._gone = asyncio.Event()
        self._asked = False
        self._cookie = cookie

    def scope(self) -> dict[str, Any]:
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/live",
            "raw_path": b"/live",
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"api.example"), (b"cookie", f"{COOKIE}={self._cookie}".encode())],
            "client": ("127.0.0.1", 1),
            "server": ("api.example", 80),
        }

    async def receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if not self.takes:
            await asyncio.Event().wait()
        async with self._came:
            if message["type"] == "http.response.start":
                self.status, self.headers = message["status"], dict(message["headers"])
            else:
                self.text += message["body"].decode()
                self.is_complete = not message.get("more_body", False)
            self._came.notify_all()

    async def until(self, text: str) -> None:
        """Returns once ``text`` has come."""
        async with asyncio.timeout(10), self._came:
            await self._came.wait_for(lambda: text in self.text)

    def leave(self) -> None:
        self._gone.set()

    def events(self) -> list[dict[str, Any]]:
        parts = [part for part in self.text.split("\n\n") if part.startswith("event: bots\n")]
        return [json.loads(part.partition("data: ")[2]) for part in parts]


@asynccontextmanager
async def reading(
    api: Api, cookie: str, *, takes: bool = True
) -> AsyncIterator[tuple[Reader, asyncio.Task[None]]]:
    reader = Reader(cookie)
    reader.takes = takes
    task = asyncio.ensure_future(api.app(reader.scope(), reader.receive, reader.send))
    try:
        yield reader, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def ended(task: asyncio.Task[None]) -> None:
    async with asyncio.timeout(10):
        await task


async def session(api: Api, key: str = KEY) -> str:
    async with Visitor(api) as visitor:
        await visitor.sign_in(key)
        return str(visitor.client.cookies[COOKIE])


async def make(api: Api, key: str = KEY) -> str:
    async with api.client(key) as client:
        body = {"meeting_link": MEETING, "bot_name": "Notes"}
        return str((await client.post("/api/v1/bots/create_bot", json=body)).json()["bot_id"])


async def test_a_stream_begins_with_the_list_sends_each_change_and_ends_with_the_server(api: Api) -> None:
    first = await make(api)
    async with reading(api, await session(api)) as (reader, task):
        await reader.until(first)
        assert reader.status == 200
        assert reader.headers[b"content-type"] == b"text/event-stream"
        assert reader.headers[b"cache-control"] == b"no-store"
        api.now += 1
        second = await make(api)
        await reader.until(second)
        api.enter(first, State.JOINING, State.WAITING_ROOM)
        await reader.until("In the waiting room")
        begin, changes = reader.events()[0], reader.events()[1:]
        assert (begin["order"], list(begin["rows"])) == ([first], [first])
        assert changes[0]["order"] == [second, first]
        assert any("In the waiting room" in each["rows"].get(first, "") for each in changes)
        record = api.bots.find("anna", first)
        assert record is not None
        api.record(first)
        api.deletions.forget(record)
        await reader.until(f'"order":["{second}"]')
        api.services.stopping.set()
        await ended(task)
        assert reader.is_complete


async def test_a_new_reader_never_sees_an_older_list_than_its_page(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LOOK", 1000.0)
    cookie = await session(api)
    async with reading(api, cookie) as (first, _):
        await first.until('"order":[]')
        bot_id = await make(api)
        async with reading(api, cookie) as (second, _):
            await second.until('"order":')
            assert second.events()[0]["order"] == [bot_id]
            await first.until(bot_id)


async def test_a_quiet_stream_has_comments_and_ends_when_its_reader_leaves(api: Api) -> None:
    async with reading(api, await session(api)) as (reader, task):
        await reader.until("\n\n:\n\n")
        reader.leave()
        await ended(task)


async def test_a_stream_ends_with_its_session_with_its_key_and_after_its_time(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = await session(api)
    async with reading(api, cookie) as (reader, task):
        await reader.until('"order":[]')
        api.now += LASTS
        await ended(task)
        assert reader.is_complete
    cookie = await session(api)
    async with reading(api, cookie) as (reader, task):
        await reader.until('"order":[]')
        api.write_keys({"name": "bob", "sha256": key_sha256(OTHER_KEY)})
        await ended(task)
    monkeypatch.setattr(event_stream, "LASTS", 0.1)
    async with reading(api, await session(api, OTHER_KEY)) as (reader, task):
        await ended(task)
        assert reader.is_complete


async def test_only_bots_of_the_keys_workspace_are_sent_and_their_words_are_escaped(api: Api) -> None:
    theirs = await make(api, OTHER_KEY)
    async with api.client() as client:
        body = {"meeting_link": MEETING, "bot_name": "<script>x</script>"}
        own = (await client.post("/api/v1/bots/create_bot", json=body)).json()["bot_id"]
    async with reading(api, await session(api)) as (reader, _):
        await reader.until(own)
        assert theirs not in reader.text
        assert "<script>" not in reader.text
        assert "&lt;script&gt;" in reader.text


async def test_readers_share_their_looks_and_bots_that_are_over_are_read_once(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    over, busy = await make(api), await make(api)
    api.record(over)
    api.enter(busy, State.JOINING)
    read: list[str] = []
    get = FolderStore.get

    def counted(self: FolderStore, key: str) -> Stored:
        read.append(key)
        return get(self, key)

    monkeypatch.setattr(FolderStore, "get", counted)
    cookie = await session(api)
    async with reading(api, cookie) as (one, _), reading(api, cookie) as (other, _):
        await one.until(busy)
        await other.until(busy)
        for number in range(3):
            api.now += 1
            api.enter(busy, State.JOINING, State.WAITING_ROOM, message=f"look {number}")
            events = len(one.events())
            async with asyncio.timeout(10):
                while len(one.events()) == events:  # noqa: ASYNC110 - a thread writes it
                    await asyncio.sleep(0.01)
        keys = api.bots.keys_of(over)
        assert [key for key in read if key.startswith(keys.folder)] == [
            f"{keys.folder}record.json",
            keys.status,
        ]
        assert read.count(api.bots.keys_of(busy).status) >= 4


async def test_a_reader_that_takes_nothing_loses_its_place(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "PATIENCE", 0.5)
    monkeypatch.setattr(live, "MOST_OF_ONE", 1)
    cookie = await session(api)
    async with reading(api, cookie) as (hanging, task):
        await hanging.until('"order":[]')
        async with reading(api, cookie) as (other, refused):
            await ended(refused)
            assert other.status == 503
        hanging.takes = False
        await make(api)
        await ended(task)
        async with reading(api, cookie) as (other, _):
            await other.until('"order":')


async def test_a_store_that_fails_ends_no_stream(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    page = api.bots.page
    failures: list[int] = []

    def failing(*given: Any, **more: Any) -> Any:
        if len(failures) < 3:
            failures.append(1)
            raise StoreUnavailableError("away")
        return page(*given, **more)

    monkeypatch.setattr(api.bots, "page", failing)
    bot_id = await make(api)
    async with reading(api, await session(api)) as (reader, _):
        await reader.until(bot_id)
    assert len(failures) == 3


async def test_how_long_a_stream_is_read_is_not_counted_as_the_servers_time(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = await session(api)
    times = iter((10.0, 11.0, 500.0))
    monkeypatch.setattr(request_log, "time", SimpleNamespace(monotonic=lambda: next(times)))
    async with reading(api, cookie) as (reader, task):
        await reader.until("\n\n:\n\n")
        reader.leave()
        await ended(task)
    metrics = generate_latest(api.services.metrics.registry).decode()
    assert 'meetstems_api_request_seconds_sum{route="/live",vendor="ours"} 1.0' in metrics


async def test_a_bot_that_ends_says_so_live(api: Api) -> None:
    bot_id = await make(api)
    async with reading(api, await session(api)) as (reader, _):
        await reader.until(bot_id)
        api.enter(bot_id, State.JOINING, State.FATAL, reason=Reason.MEETING_NOT_FOUND)
        await reader.until("There is no such meeting")
