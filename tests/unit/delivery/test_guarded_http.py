from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from tests.support.receivers import receiving
from tests.support.tls import NAME, identity
from worker.delivery.guarded_http import guarded_client
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
