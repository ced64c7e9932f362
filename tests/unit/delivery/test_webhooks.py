from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest

from tests.support.memory_store import MemoryStore
from tests.support.receivers import Receiver, receiving
from tests.support.waits import until
from worker.delivery import webhooks
from worker.delivery.guarded_http import WORKSPACE, guarded_client
from worker.delivery.lookups import LookupsBusyError
from worker.delivery.object_store import PagedStore, StoreUnavailableError
from worker.delivery.url_guard import UrlGuard, read_allowed
from worker.delivery.webhook_deliveries import (
    CLAIM,
    SCHEDULE,
    Delivery,
    WebhookDeliveries,
    delivery_id,
    endpoint_id,
)
from worker.delivery.webhooks import LONGEST_ANSWER, PARALLEL, PUT_BACK, WebhookSender

NOW = 1_790_000_000.0
PATIENCE = 0.3
"""Seconds of an attempt at a receiver that never answers; all others have more than they need."""


class Seen:
    """An observer of attempts."""

    def __init__(self) -> None:
        self.states: Counter[str] = Counter()
        self.lag = 0.0

    def attempted(self, form: str, state: str, seconds: float) -> None:
        self.states[state] += 1

    def set_oldest_due(self, lag: float) -> None:
        self.lag = lag


class Room:
    """A store, receivers, and servers with one clock."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.now = NOW
        self.stack = stack
        self.store: PagedStore = MemoryStore()
        self.deliveries = WebhookDeliveries(self.store, "", lambda: self.now)
        self.seen = Seen()
        self.known: dict[str, str] | None = {}

    async def receiver(self) -> Receiver:
        return await self.stack.enter_async_context(receiving())

    def server(self, *, seconds: float = 10.0, allowed: str = "127.0.0.1") -> WebhookSender:
        client = guarded_client(UrlGuard(read_allowed([allowed])))
        sender = WebhookSender(
            WebhookDeliveries(self.store, "", lambda: self.now),
            client,
            lambda delivery, now: None if self.known is None else {"webhook-id": delivery.id},
            self.seen,
            lambda: self.now,
            seconds=seconds,
        )
        self.stack.push_async_callback(sender.close)
        return sender

    def make(self, url: str, event: str = "bot.done", bot_id: str = "b1") -> Delivery:
        endpoint = endpoint_id(url)
        return Delivery(
            id=delivery_id(bot_id, endpoint, event),
            bot_id=bot_id,
            workspace="anna",
            endpoint=endpoint,
            url=url,
            form="recall",
            event=event,
            body=json.dumps({"event": event}),
            created_at=self.now,
        )

    def offer(self, sender: WebhookSender, url: str, event: str = "bot.done", bot_id: str = "b1") -> Delivery:
        made = self.make(url, event, bot_id)
        claimed = self.deliveries.add(made)
        assert claimed is not None
        sender.offer(claimed)
        return made

    def found(self, delivery: Delivery) -> Delivery:
        there = self.deliveries.get(delivery.bot_id, delivery.id)
        assert there is not None
        return there

    async def begun(self, sender: WebhookSender) -> None:
        """What was offered by call_soon_threadsafe is under way."""
        await asyncio.sleep(0)
        await sender.idle()


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    async with AsyncExitStack() as stack:
        yield Room(stack)


async def test_what_is_offered_is_sent_at_once_in_order(room: Room) -> None:
    receiver, sender = await room.receiver(), room.server()
    made = [room.offer(sender, receiver.url, f"e{index}") for index in range(10)]
    await room.begun(sender)
    assert receiver.events == [f"e{index}" for index in range(10)]
    assert receiver.ids == [each.id for each in made]
    assert receiver.received[0].method == "POST"
    for each in made:
        there = room.found(each)
        assert (there.state, there.attempts[0].status, there.attempts[0].answer) == ("delivered", 200, "ok")
    assert room.seen.states == {"delivered": 10}


async def test_what_a_look_finds_just_before_it_is_offered_is_sent_at_once_in_order(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver, sender = await room.receiver(), room.server()
    first = room.make(receiver.url, "e0")
    claimed = room.deliveries.add(first)
    assert claimed is not None
    claim = WebhookDeliveries.claim

    def claim_while_it_is_offered(self: WebhookDeliveries, bot_id: str, webhook_id: str) -> object:
        sender.offer(claimed)
        room.offer(sender, receiver.url, "e1")
        return claim(self, bot_id, webhook_id)

    monkeypatch.setattr(WebhookDeliveries, "claim", claim_while_it_is_offered)
    await sender.look()
    await room.begun(sender)
    assert receiver.events == ["e0", "e1"]
    assert not sender._offered


async def test_each_way_to_fail_is_in_the_log_and_is_tried_until_it_is_well(room: Room) -> None:
    inner = await room.receiver()
    ways: dict[str, Receiver] = {
        name: await room.receiver() for name in ("500", "redirect", "cut", "hangs", "well")
    }
    ways["500"].status, ways["500"].answer = 500, b"oh\x00no " + b"x" * 5000
    ways["redirect"].status, ways["redirect"].location = 302, inner.url
    ways["cut"].status = 0
    ways["hangs"].hang = True
    sender, hasty = room.server(), room.server(seconds=PATIENCE)
    made = {
        name: room.offer(hasty if name == "hangs" else sender, receiver.url)
        for name, receiver in ways.items()
    }
    refused = room.offer(sender, "http://127.0.0.2:9/hook")
    away = room.offer(sender, f"http://127.0.0.1:{await closed_port()}/hook")
    await room.begun(sender)
    await hasty.idle()
    log = {name: room.found(each).attempts[0] for name, each in made.items()}
    assert {name: each.status for name, each in log.items()} == {
        "500": 500,
        "redirect": 302,
        "cut": None,
        "hangs": None,
        "well": 200,
    }
    assert log["500"].answer.startswith("oh\N{REPLACEMENT CHARACTER}no xxx")
    assert len(log["500"].answer) == LONGEST_ANSWER
    assert "RemoteProtocolError" in (log["cut"].error or "")
    assert log["hangs"].error == "no answer within 0.3 s"
    assert "local, private or reserved" in (room.found(refused).attempts[0].error or "")
    assert "ConnectError" in (room.found(away).attempts[0].error or "")
    assert inner.received == []

    for receiver in ways.values():
        receiver.status, receiver.hang, receiver.location = 204, False, None
        receiver.answer = b""
        receiver.released.set()
    room.now += SCHEDULE[1] + 1
    await sender.look()
    await sender.idle()
    for name, each in made.items():
        there = room.found(each)
        assert there.state == "delivered", name
        assert set(ways[name].ids) == {each.id}, "the same id each time"
    assert [len(ways[name].received) for name in ways] == [2, 2, 2, 2, 1]
    assert room.found(away).state == "pending"


async def test_a_receiver_that_is_away_for_ten_minutes_gets_all_once_it_is_back(room: Room) -> None:
    receiver, sender = await room.receiver(), room.server()
    receiver.status = 503
    made = [room.offer(sender, receiver.url, f"e{index}", f"b{index}") for index in range(20)]
    await room.begun(sender)
    tried = {each.id: 1 for each in made}
    back = NOW + 600
    while any(room.found(each).state == "pending" for each in made):
        room.now += 1
        if room.now >= back:
            receiver.status = 200
        await sender.look()
        await sender.idle()
        assert room.now < back + SCHEDULE[3] + 10
    assert Counter(receiver.ids) == {webhook_id: times + 3 for webhook_id, times in tried.items()}
    assert all(room.found(each).state == "delivered" for each in made)


async def test_an_endpoint_that_hangs_delays_no_other_and_has_few_connections(room: Room) -> None:
    slow, well, sender = await room.receiver(), await room.receiver(), room.server(seconds=60)
    slow.hang = True
    for index in range(3 * PARALLEL):
        room.offer(sender, slow.url, bot_id=f"b{index}")
    await until(lambda: slow.busy == PARALLEL)
    made = [room.offer(sender, well.url, f"e{index}", bot_id="b1") for index in range(5)]
    await until(lambda: room.seen.states["delivered"] == len(made))
    assert slow.busy == PARALLEL
    assert well.events == [f"e{index}" for index in range(5)]
    slow.hang = False
    slow.released.set()
    await until(lambda: len(slow.received) == 3 * PARALLEL)
    assert slow.most == PARALLEL


async def test_due_entries_of_an_endpoint_that_hangs_hide_no_other(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "MOST_SEEN", 10)
    monkeypatch.setattr(webhooks, "MOST_WAITING", 15)
    slow, well, sender = await room.receiver(), await room.receiver(), room.server(seconds=60)
    slow.hang = True
    for index in range(45):
        assert room.deliveries.add(room.make(slow.url, bot_id=f"b{index}")) is not None
        room.now += 0.01
    made = [room.make(well.url, bot_id=f"b{index}") for index in range(12)]
    for each in made:
        assert room.deliveries.add(each) is not None
        room.now += 0.01
    room.now += CLAIM
    for _ in range(6):
        await sender.look()
        assert room.seen.lag == pytest.approx(room.now - NOW, abs=0.01), "of the earliest of all"
    await until(lambda: room.seen.states["delivered"] == len(made))
    assert (slow.busy, sorted(well.ids)) == (PARALLEL, sorted(each.id for each in made))
    # The next look is at the earliest again, until all is done.
    slow.hang = False
    slow.released.set()
    for _ in range(12):
        await sender.idle()
        room.now += CLAIM
        await sender.look()
    await sender.idle()
    assert room.store.list("webhooks/") == []
    assert len(well.received) == len(made)
    assert room.seen.lag == 0


async def test_offers_beyond_what_is_kept_for_an_endpoint_are_left_to_a_look(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "MOST_WAITING", 15)
    slow, well, sender = await room.receiver(), await room.receiver(), room.server(seconds=60)
    slow.hang = True
    made = [room.offer(sender, slow.url, bot_id=f"b{index}") for index in range(40)]
    room.offer(sender, well.url)
    await until(lambda: slow.busy == PARALLEL and room.seen.states["delivered"] == 1)
    slow.hang = False
    slow.released.set()
    await sender.idle()
    assert len(slow.received) == 15
    for _ in range(3):
        room.now += CLAIM
        await sender.look()
        await sender.idle()
    assert {each.id for each in made} == set(slow.ids)
    assert room.store.list("webhooks/") == []


async def test_an_answer_whose_body_never_ends_counts_by_its_status(room: Room) -> None:
    receiver, sender = await room.receiver(), room.server()
    receiver.drip = True
    made = room.offer(sender, receiver.url)
    await room.begun(sender)
    assert room.found(made).state == "delivered"
    assert room.found(made).attempts[0].error is None


async def test_two_servers_side_by_side_deliver_once(room: Room) -> None:
    receiver, one, two = await room.receiver(), room.server(), room.server()
    made = [room.make(receiver.url, f"e{index}", f"b{index % 7}") for index in range(60)]
    for each in made:
        assert room.deliveries.add(each) is not None
    room.now += CLAIM
    for _ in range(3):
        await asyncio.gather(one.look(), two.look())
        await asyncio.gather(one.idle(), two.idle())
    assert sorted(receiver.ids) == sorted(each.id for each in made)
    assert all(room.found(each).state == "delivered" for each in made)
    assert room.store.list("webhooks/") == []


async def test_both_know_of_it_and_one_sends(room: Room) -> None:
    receiver, one, two = await room.receiver(), room.server(), room.server()
    made = [room.offer(one, receiver.url, f"e{index}") for index in range(20)]
    await asyncio.gather(one.look(), two.look())
    await asyncio.gather(one.idle(), two.idle())
    assert receiver.ids == [each.id for each in made]


async def test_a_claim_that_ended_while_it_waited_is_renewed_or_left_to_the_other(room: Room) -> None:
    receiver, one, two = await room.receiver(), room.server(), room.server()
    made = room.make(receiver.url)
    claimed = room.deliveries.add(made)
    assert claimed is not None
    room.now += CLAIM
    receiver.hang = True
    await two.look()
    await until(lambda: receiver.busy == 1)
    one.offer(claimed)
    await room.begun(one)
    receiver.hang = False
    receiver.released.set()
    await two.idle()
    assert len(receiver.received) == 1


async def test_a_removed_endpoint_ends_its_deliveries(room: Room) -> None:
    receiver, sender = await room.receiver(), room.server()
    room.known = None
    made = room.offer(sender, receiver.url)
    await room.begun(sender)
    there = room.found(made)
    assert (there.state, there.attempts[-1].error) == ("failed", "the endpoint is not there any more")
    assert receiver.received == []


async def test_a_try_without_a_look_up_is_none(room: Room) -> None:
    receiver, busy = await room.receiver(), True

    async def answer(request: httpx.Request) -> httpx.Response:
        assert request.extensions[WORKSPACE] == "anna"
        if busy:
            raise LookupsBusyError("many names")
        return httpx.Response(200, stream=httpx.ByteStream(b""))

    sender = WebhookSender(
        room.deliveries,
        httpx.AsyncClient(transport=httpx.MockTransport(answer)),
        lambda delivery, now: {},
        room.seen,
        lambda: room.now,
    )
    room.stack.push_async_callback(sender.close)
    made = room.offer(sender, receiver.url)
    for _ in range(2 * len(SCHEDULE)):
        await room.begun(sender)
        there = room.found(made)
        assert (there.state, there.tries, there.attempts) == ("pending", 0, [])
        assert there.next_at == room.now + PUT_BACK
        assert list(room.deliveries.due(room.now)) == []
        room.now += PUT_BACK
        await sender.look()
    await room.begun(sender)
    busy = False
    room.now += PUT_BACK
    await sender.look()
    await room.begun(sender)
    assert (room.found(made).state, room.found(made).tries) == ("delivered", 1)
    assert room.seen.states == {"delivered": 1}
    assert room.store.list("webhooks/") == []


async def test_a_store_that_fails_for_a_moment_loses_nothing(room: Room) -> None:
    receiver, sender = await room.receiver(), room.server()
    assert isinstance(room.store, MemoryStore)
    made = room.offer(sender, receiver.url)

    def refuse(method: str, key: str) -> None:
        raise StoreUnavailableError("for a moment")

    room.store.before = refuse
    await room.begun(sender)
    with pytest.raises(StoreUnavailableError):
        await sender.look()
    room.store.before = lambda *_: None
    room.now += CLAIM
    await sender.look()
    await sender.idle()
    assert room.found(made).state == "delivered"
    assert receiver.ids == [made.id, made.id], "what was not written down is repeated, with the same id"


async def test_the_lag_is_of_the_oldest(room: Room) -> None:
    sender = room.server()
    room.deliveries.add(room.make("http://127.0.0.1:9/"))
    room.now += 20
    await sender.look()
    assert room.seen.lag == pytest.approx(20)


async def test_run_sends_what_becomes_due_and_ends_when_it_is_cancelled(room: Room) -> None:
    receiver, sender = await room.receiver(), room.server()
    room.deliveries.add(room.make(receiver.url))
    room.now += CLAIM
    running = asyncio.create_task(sender.run())
    try:
        await until(lambda: receiver.received)
        await sender.idle()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def closed_port() -> int:
    async with receiving() as receiver:
        return receiver.port
