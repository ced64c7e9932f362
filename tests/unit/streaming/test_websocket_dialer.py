from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection
from websockets.protocol import Event

from tests.support import tls
from tests.support.live_receivers import LiveReceiver, live_receiver, nobody
from tests.support.live_senders import LOCAL, NAME, Names, endpoint, no_authorities, options
from tests.support.receivers import receiving
from tests.support.waits import until
from worker.contracts.live_endpoints import LiveEndpoint, LiveForm
from worker.delivery.lookups import Lookups
from worker.delivery.url_guard import UrlGuard, read_allowed
from worker.safe_text import Secret
from worker.settings import LiveOptions
from worker.streaming import websocket_dialer
from worker.streaming.throttled_connection import MOST_ANSWERS, MOST_FRAMES, ReadBudget, ThrottledConnection
from worker.streaming.websocket_dialer import DialError, WebSocketDialer

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLawS"
HEADERS = {
    "Authorization": "Bearer canary-1",
    "X-Key": "canary-2",
    "Host": "inner.example",
    "Connection": "close",
    "Sec-WebSocket-Key": "canary-3",
    "Sec-WebSocket-Protocol": "canary-4",
    "webhook-id": "canary-5",
    "Transfer-Encoding": "chunked",
    "X-Split": "a\r\nX-Injected: b",
    "X Blank": "a",
}


@asynccontextmanager
async def dialling(
    where: LiveEndpoint,
    names: Names | None = None,
    settings: LiveOptions | None = None,
    context: ssl.SSLContext | None = None,
    budget: ReadBudget | None = None,
) -> AsyncIterator[WebSocketDialer]:
    lookups = Lookups(UrlGuard(LOCAL, names or Names(["127.0.0.1"])))
    tls_context = context or no_authorities()
    try:
        yield WebSocketDialer(
            where, lookups, settings or options(), tls_context, time.time, budget or ReadBudget(MOST_FRAMES)
        )
    finally:
        lookups.close()


async def refused(dialer: WebSocketDialer) -> DialError:
    with pytest.raises(DialError) as raised:
        await dialer.dial()
    assert raised.value.__suppress_context__
    assert raised.value.__cause__ is None, "the library's text is in no traceback"
    return raised.value


async def hung_up(connection: ClientConnection) -> None:
    await connection.close()
    await connection.wait_closed()


async def test_the_exact_url_is_dialled_at_the_judged_address_with_the_hosts_name() -> None:
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    async with live_receiver() as receiver:
        where = endpoint(receiver.named(NAME, "/a%20b/?token=c%2Fd&e"), headers=HEADERS)
        async with dialling(where, names) as dialer:
            await hung_up(await dialer.dial())
            assert names.asked == [NAME], "one look-up for one connection"
            error = await refused(dialer)
        assert "private" in str(error)
        assert not error.final, "the name may lead elsewhere later"
        (request,) = receiver.upgrades
        assert request.path == "/a%20b/?token=c%2Fd&e"
        assert request.headers.get_all("Host") == [f"{NAME}:{receiver.port}"]
        assert request.headers.get_all("Connection") == ["Upgrade"]
        assert request.headers["User-Agent"] == "meetstems"
        assert request.headers["Authorization"] == "Bearer canary-1"
        assert request.headers["X-Key"] == "canary-2"
        shown = {name for name, value in request.headers.raw_items() if "canary" in value}
        assert shown == {"authorization", "x-key"}
        left_out = ("X-Split", "X-Injected", "X Blank", "Transfer-Encoding", "Sec-WebSocket-Extensions")
        assert not [name for name in left_out if name in request.headers]


@pytest.mark.parametrize("form", [LiveForm.RECALL, LiveForm.MEETSTREAM_AUDIO])
async def test_upgrades_are_signed_each_with_an_id_of_its_own(form: LiveForm) -> None:
    async with live_receiver() as receiver:
        settings = options(signing_secret=Secret(SECRET))
        async with dialling(endpoint(receiver.url, form=form), settings=settings) as dialer:
            for _ in range(2):
                await hung_up(await dialer.dial())
        ids = set()
        for request in receiver.upgrades:
            headers = {name.lower(): value for name, value in request.headers.raw_items()}
            ids.add(headers["webhook-id"])
            Webhook(SECRET).verify("", headers, json_parse=False)
            with pytest.raises(WebhookVerificationError):
                Webhook("whsec_AAAAAAAAAAAAAAAAAAAAAAAA").verify("", headers, json_parse=False)
        assert len(ids) == 2


async def test_without_a_secret_nothing_is_signed() -> None:
    async with live_receiver() as receiver:
        async with dialling(endpoint(receiver.url)) as dialer:
            await hung_up(await dialer.dial())
        assert "webhook-signature" not in receiver.upgrades[0].headers


async def test_the_certificate_has_to_be_the_names(tmp_path: Path) -> None:
    own = tls.identity(tmp_path)
    trusting = ssl.create_default_context(cafile=own.authority)
    async with live_receiver(own.context) as receiver:
        async with dialling(endpoint(receiver.named(tls.NAME)), context=trusting) as dialer:
            await hung_up(await dialer.dial())
        assert receiver.upgrades[0].headers["Host"] == f"{tls.NAME}:{receiver.port}"
        for name, context in ((NAME, trusting), (tls.NAME, None)):
            async with dialling(endpoint(receiver.named(name)), context=context) as dialer:
                assert str(await refused(dialer)) == "its certificate is not trusted"
        assert len(receiver.upgrades) == 1


@pytest.mark.parametrize("status", [403, 404, 429, 500])
async def test_another_answer_to_the_upgrade_is_said_by_its_number(status: int) -> None:
    async with live_receiver() as receiver:
        receiver.status = status
        async with dialling(endpoint(receiver.url)) as dialer:
            error = await refused(dialer)
    assert (str(error), error.final) == (f"it answered HTTP {status} to the upgrade", False)


LOCATIONS = (
    "/other",
    "//",
    "http://[",
    "https://login.example/?next=canary",
    "http://10.0.0.1/",
    "ftp://files.example/",
    "mailto:a",
    f"ws://{NAME}/",
    "wss://live.example/#part",
    "wss://user@live.example/",
    "wss://live.example:99999/",
)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(status: int) -> None:
    async with live_receiver() as inner, live_receiver() as receiver:
        receiver.status = status
        for location in (inner.url, *LOCATIONS):
            receiver.location = location
            async with dialling(endpoint(receiver.url)) as dialer:
                error = await refused(dialer)
            assert (str(error), error.final) == (f"it answered HTTP {status} to the upgrade", False), location
        assert (len(inner.upgrades), len(receiver.upgrades)) == (0, 1 + len(LOCATIONS))


async def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy, live_receiver() as receiver:
        for name in ("http_proxy", "https_proxy", "all_proxy", "ALL_PROXY", "socks_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        async with dialling(endpoint(receiver.named(NAME))) as dialer:
            await hung_up(await dialer.dial())
        assert (len(receiver.upgrades), len(proxy.received)) == (1, 0)


FINAL = {
    "without TLS": "ws://live.example/",
    "another scheme": "https://live.example/",
    "a fragment": "wss://live.example/#part",
    "a user without a password": "wss://user@live.example/",
    "no host": "wss:///path",
    "blanks": "wss://live.example/ a",
}


@pytest.mark.parametrize("url", FINAL.values(), ids=FINAL.keys())
async def test_a_url_that_can_never_be_dialled_is_not_tried_again(url: str) -> None:
    names = Names(["127.0.0.1"])
    async with dialling(endpoint(url), names, LiveOptions()) as dialer:
        error = await refused(dialer)
    assert error.final
    assert not names.asked
    assert url not in str(error)


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:127.0.0.1"])
async def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    names = Names(["127.0.0.1", address])
    async with live_receiver() as receiver, dialling(endpoint(receiver.named(NAME)), names) as dialer:
        error = await refused(dialer)
    assert address not in str(error), "nobody maps a network by it"
    assert not receiver.upgrades


async def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    async with live_receiver() as receiver:
        guard = UrlGuard(read_allowed(["127.0.0.0/8"]), Names(["127.0.0.2", "127.0.0.1"]))
        lookups = Lookups(guard)
        dialer = WebSocketDialer(
            endpoint(receiver.named(NAME)),
            lookups,
            options(),
            no_authorities(),
            time.time,
            ReadBudget(MOST_FRAMES),
        )
        await hung_up(await dialer.dial())
        lookups.close()


async def test_an_address_that_swallows_packets_leaves_time_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(websocket_dialer, "CONNECT_SECONDS", 2.0)
    async with live_receiver() as receiver:
        connect = asyncio.get_running_loop().sock_connect

        async def swallow(sock: socket.socket, address: tuple[str, int]) -> None:
            if address[0] != "127.0.0.3":
                await receiver.released.wait()
            await connect(sock, address)

        monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", swallow)
        guard = UrlGuard(read_allowed(["127.0.0.0/8"]), Names(["127.0.0.2", "127.0.0.3"]))
        lookups = Lookups(guard)
        where = endpoint(receiver.named(NAME))
        budget = ReadBudget(MOST_FRAMES)
        try:
            dialer = WebSocketDialer(where, lookups, options(), no_authorities(), time.time, budget)
            with pytest.raises(DialError, match="refused"):
                await dialer.dial()
        finally:
            lookups.close()


async def test_nobody_listens() -> None:
    with nobody() as (_, port):
        async with dialling(endpoint(f"ws://127.0.0.1:{port}/")) as dialer:
            assert str(await refused(dialer)) == "Connection refused"


async def test_a_receiver_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_dialer, "CONNECT_SECONDS", 0.05)
    async with receiving() as receiver:
        receiver.hang = True
        async with dialling(endpoint(f"ws://127.0.0.1:{receiver.port}/")) as dialer:
            assert str(await refused(dialer)) == "no answer within 0.05 s"


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 101 X\r\n\r\n", b"x" * 20_000])
async def test_what_is_no_websocket_is_said_to_be_none(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with dialling(endpoint(f"ws://127.0.0.1:{port}/")) as dialer:
            assert str(await refused(dialer)) == "its answer to the upgrade is none of a WebSocket"


@pytest.mark.parametrize("status", [101, 302, 500])
async def test_no_secret_gets_into_the_log_or_an_error(status: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "websockets")
    async with live_receiver() as receiver:
        receiver.status, receiver.location = status, "wss://canary-location/?canary-token"
        url = f"ws://canary-user:canary-password@127.0.0.1:{receiver.port}/?token=canary-query"
        where = endpoint(url, headers={"Authorization": "canary-header"})
        async with dialling(where, settings=options(signing_secret=Secret(SECRET))) as dialer:
            if status == 101:
                connection = await dialer.dial()
                await connection.send("a")
                await hung_up(connection)
            else:
                assert "canary" not in str(await refused(dialer))
    ours = [record for record in caplog.records if not record.name.startswith("websockets.server")]
    texts = [logging.Formatter().format(record) for record in ours]
    assert not [text for text in texts if "canary" in text or SECRET in text]
    assert "canary" not in repr(where)


FLOODS = {
    "empty texts": b"\x81\x00",
    "pings": b"\x89\x00",
    "pieces of one text": b"\x00\x00",
    "long messages": b"\x82\x7e\xff\xff" + bytes(65_535),
}


@pytest.mark.parametrize("frame", FLOODS.values(), ids=FLOODS.keys())
async def test_a_receiver_that_floods_the_worker_holds_it_for_few_frames_at_once(
    frame: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def flood(receiver: LiveReceiver, connection: ServerConnection) -> None:
        if frame[0] == 0:
            connection.transport.write(b"\x01\x00")
        while not receiver.released.is_set():
            connection.transport.write(frame * (1 + 60_000 // len(frame)))
            await connection.drain()

    parsed: list[int] = []
    budget = ReadBudget(MOST_FRAMES)
    serve = ReadBudget._serve
    events = ThrottledConnection.process_event

    def count_turn(self: ReadBudget, loop: asyncio.AbstractEventLoop) -> None:
        parsed.append(0)
        serve(self, loop)

    def count_frame(self: ThrottledConnection, event: Event) -> None:
        parsed[-1] += 1
        events(self, event)

    monkeypatch.setattr(ReadBudget, "_serve", count_turn)
    monkeypatch.setattr(ThrottledConnection, "process_event", count_frame)
    began = asyncio.get_running_loop().time()
    async with live_receiver() as receiver:
        receiver.behaviour = flood
        async with dialling(endpoint(receiver.url), budget=budget) as dialer, AsyncExitStack() as stack:
            for _ in range(3):
                connection = await dialer.dial()
                stack.push_async_callback(connection.wait_closed)
                stack.callback(connection.transport.abort)
            until_frames = 20 if len(frame) > 2 else 1_000
            await until(lambda: sum(parsed) > until_frames)
            spent = asyncio.get_running_loop().time() - began
            assert max(parsed) <= MOST_FRAMES * 0.1 + 64
            assert sum(parsed) <= MOST_FRAMES * (spent + 0.1) + 3 * 64, "all connections share a budget"


async def test_what_a_receiver_sends_behind_a_flood_is_read_in_its_turn() -> None:
    async def flood(receiver: LiveReceiver, connection: ServerConnection) -> None:
        if len(receiver.upgrades) == 1:
            connection.transport.write(b"\x81\x00" * 100_000)
            await receiver.released.wait()
        connection.transport.write(b"\x81\x00" * 300)
        await connection.close(1001)

    async with live_receiver() as receiver:
        receiver.behaviour = flood
        budget = ReadBudget(1_000)
        async with dialling(endpoint(receiver.url), budget=budget) as dialer:
            flooding, closing = await dialer.dial(), await dialer.dial()
            try:
                async with asyncio.timeout(20):
                    await closing.wait_closed()
                assert closing.close_code == 1001
                assert not flooding.transport.is_reading()
            finally:
                for connection in (flooding, closing):
                    connection.transport.abort()
                    await connection.wait_closed()


async def test_a_receiver_that_pings_and_never_reads_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ping_when_told(receiver: LiveReceiver, connection: ServerConnection) -> None:
        for _ in range(2):
            await connection.recv()
            await connection.ping()
            receiver.messages.append("pinged")
        await receiver.released.wait()

    async with live_receiver() as receiver:
        receiver.behaviour = ping_when_told
        async with dialling(endpoint(receiver.url)) as dialer:
            connection = await dialer.dial()
            waiting = [MOST_ANSWERS]
            monkeypatch.setattr(connection.transport, "get_write_buffer_size", lambda: waiting[0])
            try:
                async with asyncio.timeout(20):
                    await connection.send("ping")
                    await until(lambda: receiver.messages)
                    await (await connection.ping())
                    waiting[0] += 1
                    await connection.send("ping")
                    await connection.wait_closed()
            finally:
                connection.transport.abort()
                await connection.wait_closed()
