from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.receivers import receiving
from tests.support.record_process import ROOT
from tests.support.tls import NAME, identity
from tests.support.waits import until
from worker.delivery import lookups
from worker.delivery.guarded_http import WORKSPACE, guarded_client
from worker.delivery.lookups import MOST_LOOKUPS, MOST_OF_WORKSPACE, LookupsBusyError
from worker.delivery.url_guard import UrlBlockedError, UrlGuard, read_allowed

LOCAL = read_allowed(["127.0.0.1"])


class Names:
    """A resolver whose answers follow each other; ``asked`` are the names."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class SlowNames:
    """A resolver that finds no host below ``slow.example`` until it is released. ``asked``: names in order."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.released = threading.Event()

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if host.endswith("slow.example"):
            self.released.wait(20)
        return ["127.0.0.1"]


class Posts:
    """Requests to one receiver, by workspace and host."""

    def __init__(self, client: httpx.AsyncClient, port: int, names: SlowNames) -> None:
        self.client = client
        self.port = port
        self.names = names
        self.begun: list[asyncio.Task[int]] = []

    async def post(self, workspace: str, host: str) -> int:
        url = f"http://{host}:{self.port}/"
        return (await self.client.post(url, content=b"{}", extensions={WORKSPACE: workspace})).status_code

    def begin(self, workspace: str, host: str) -> asyncio.Task[int]:
        task = asyncio.create_task(self.post(workspace, host))
        self.begun.append(task)
        return task


@asynccontextmanager
async def posting() -> AsyncIterator[Posts]:
    """Ends with all its requests and look-ups."""
    names = SlowNames()
    async with receiving() as receiver, guarded_client(UrlGuard(LOCAL, names)) as client:
        posts = Posts(client, receiver.port, names)
        try:
            yield posts
        finally:
            names.released.set()
            for task in posts.begun:
                task.cancel()
            await asyncio.gather(*posts.begun, return_exceptions=True)


async def test_the_connection_goes_to_the_judged_address_with_the_hosts_name() -> None:
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    async with receiving() as receiver, guarded_client(UrlGuard(LOCAL, names)) as client:
        url = f"http://user:pass@{NAME}:{receiver.port}/hook?token=a"
        assert (await client.post(url, content=b"{}")).status_code == 200
        (received,) = receiver.received
        assert received.headers["host"] == f"{NAME}:{receiver.port}"
        assert (received.path, received.body) == ("/hook?token=a", b"{}")
        assert received.headers["authorization"].startswith("Basic ")
        assert names.asked == [NAME], "one look-up for one request"
        with pytest.raises(UrlBlockedError):
            await client.post(url, content=b"{}")
        assert len(receiver.received) == 1


async def test_the_certificate_has_to_be_the_names(tmp_path: Path) -> None:
    own = identity(tmp_path)
    trusting = ssl.create_default_context(cafile=own.authority)
    async with (
        receiving(own.context) as receiver,
        guarded_client(UrlGuard(LOCAL, Names(["127.0.0.1"])), trusting) as client,
        guarded_client(UrlGuard(LOCAL, Names(["127.0.0.1"]))) as strict,
    ):
        assert (await client.post(f"https://{NAME}:{receiver.port}/", content=b"{}")).status_code == 200
        with pytest.raises(httpx.ConnectError, match="Hostname mismatch"):
            await client.post(f"https://other.example:{receiver.port}/", content=b"{}")
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE"):
            await strict.post(f"https://{NAME}:{receiver.port}/", content=b"{}")
        assert len(receiver.received) == 1


async def test_a_redirect_is_an_answer_that_is_not_followed() -> None:
    async with receiving() as inner, receiving() as receiver:
        receiver.status, receiver.location = 307, inner.url
        async with guarded_client(UrlGuard(LOCAL)) as client:
            assert (await client.post(receiver.url, content=b"{}")).status_code == 307
        assert (len(receiver.received), len(inner.received)) == (1, 0)


async def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy, receiving() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        async with guarded_client(UrlGuard(LOCAL)) as client:
            await client.post(receiver.url, content=b"{}")
        assert (len(receiver.received), len(proxy.received)) == (1, 0)


async def test_the_next_address_is_tried_where_nothing_listens() -> None:
    names = Names(["127.0.0.9", "127.0.0.1"])
    guard = UrlGuard(read_allowed(["127.0.0.0/8"]), names)
    async with receiving() as receiver, guarded_client(guard) as client:
        assert (await client.post(f"http://{NAME}:{receiver.port}/", content=b"{}")).status_code == 200
        assert receiver.received[0].body == b"{}"
        names.answers = [["127.0.0.9"]]
        with pytest.raises(httpx.ConnectError):
            await client.post(f"http://{NAME}:{receiver.port}/", content=b"{}")


async def test_an_address_that_swallows_packets_leaves_time_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[tuple[str, float]] = []
    send = httpx.AsyncHTTPTransport.handle_async_request

    async def swallow(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        tried.append((request.url.host, request.extensions["timeout"]["connect"]))
        if len(tried) == 1:
            raise httpx.ConnectTimeout("swallowed")
        return await send(self, request)

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", swallow)
    guard = UrlGuard(read_allowed(["127.0.0.0/8"]), Names(["127.0.0.2", "127.0.0.1"]))
    async with receiving() as receiver, guarded_client(guard) as client:
        answer = await client.post(f"http://hooks.example:{receiver.port}/", timeout=10.0)
        assert answer.is_success
    assert tried == [("127.0.0.2", 5.0), ("127.0.0.1", 5.0)], "each has its share"


async def test_a_connection_is_not_used_for_another_host() -> None:
    names = Names(["127.0.0.1"])
    async with receiving() as receiver, guarded_client(UrlGuard(LOCAL, names)) as client:
        for host in ("a.example", "b.example"):
            await client.post(f"http://{host}:{receiver.port}/", content=b"{}")
        assert [each.headers["host"].partition(":")[0] for each in receiver.received] == [
            "a.example",
            "b.example",
        ]
        assert names.asked == ["a.example", "b.example"]


async def test_no_cookie_is_kept() -> None:
    async with (
        receiving() as receiver,
        guarded_client(UrlGuard(LOCAL, Names(["127.0.0.1"]))) as client,
    ):
        for cookie in (
            "a=1",
            "a=1; Path=/",
            "a=1; Domain=hooks.example",
            "a=1; Domain=.example; Max-Age=1000",
        ):
            receiver.cookie = cookie
            for host in ("a.hooks.example", "a.hooks.example", "c.hooks.example"):
                await client.post(f"http://{host}:{receiver.port}/", content=b"{}")
        assert len(receiver.received) == 12
        assert not any("cookie" in each.headers for each in receiver.received)


async def test_a_slow_name_is_looked_up_once_for_all_requests_of_a_workspace() -> None:
    async with posting() as posts:
        slow = [posts.begin("anna", "slow.example") for _ in range(2 * MOST_LOOKUPS)]
        await until(lambda: posts.names.asked)
        assert await posts.post("anna", "well.example") == 200
        assert posts.names.asked == ["slow.example", "well.example"]
        posts.names.released.set()
        assert await asyncio.gather(*slow) == [200] * len(slow)
        assert posts.names.asked == ["slow.example", "well.example"]
        assert await posts.post("anna", "slow.example") == 200
        assert posts.names.asked[2:] == ["slow.example"], "what was found is not kept"


async def test_slow_names_of_one_workspace_leave_places_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    async with posting() as posts:
        slow = [posts.begin("anna", f"{index}.slow.example") for index in range(2 * MOST_LOOKUPS)]
        await until(lambda: len(posts.names.asked) == MOST_OF_WORKSPACE)
        assert await posts.post("bob", "well.example") == 200
        assert len(posts.names.asked) == MOST_OF_WORKSPACE + 1
        # Requests that are cut leave their threads behind, which still count.
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        monkeypatch.setattr(lookups, "LOOKUP_PATIENCE", 0.05)
        with pytest.raises(LookupsBusyError):
            await posts.post("anna", "well.example")
        posts.names.released.set()
        monkeypatch.setattr(lookups, "LOOKUP_PATIENCE", 20)
        assert await posts.post("anna", "well.example") == 200


async def test_where_all_places_are_taken_a_request_waits_and_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with posting() as posts:
        for index in range(MOST_LOOKUPS):
            posts.begin(f"w{index // MOST_OF_WORKSPACE}", f"{index}.slow.example")
        await until(lambda: len(posts.names.asked) == MOST_LOOKUPS)
        monkeypatch.setattr(lookups, "LOOKUP_PATIENCE", 0.05)
        with pytest.raises(LookupsBusyError):
            await posts.post("bob", "well.example")
        monkeypatch.setattr(lookups, "LOOKUP_PATIENCE", 20)
        waits = posts.begin("bob", "well.example")
        await asyncio.sleep(0)
        posts.names.released.set()
        assert await waits == 200


def test_a_look_up_does_not_hold_up_the_end_of_the_process() -> None:
    program = (
        "import asyncio, threading\n"
        "from worker.delivery.guarded_http import guarded_client\n"
        "from worker.delivery.url_guard import UrlGuard\n"
        "asked = threading.Event()\n"
        "def hang(host, port):\n"
        "    asked.set()\n"
        "    threading.Event().wait(600)\n"
        "async def main():\n"
        "    async with guarded_client(UrlGuard(resolve=hang)) as client:\n"
        "        task = asyncio.create_task(client.post('https://slow.example/'))\n"
        "        while not asked.is_set():\n"
        "            await asyncio.sleep(0)\n"
        "        task.cancel()\n"
        "asyncio.run(main())\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60, capture_output=True
    )
    assert ended.stderr == b""
