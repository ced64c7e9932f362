from __future__ import annotations

import asyncio
import base64
import datetime
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from tests.support.api import KEY, NOW, OTHER_KEY
from tests.support.record_process import ROOT
from tests.support.waits import until
from tests.support.webhook_room import WebhookRoom, take_all, webhook_room
from worker.delivery.object_store import StoreUnavailableError
from worker.delivery.webhook_deliveries import CLAIM
from worker.delivery.webhooks import WebhookSender
from worker.server.webhooks import Webhooks

RECALL = [
    "bot.joining_call",
    "bot.in_waiting_room",
    "bot.in_call_not_recording",
    "bot.in_call_recording",
    "recording.processing",
    "audio_mixed.processing",
    "participant_events.processing",
    "meeting_metadata.processing",
    "bot.call_ended",
    "recording.done",
    "audio_mixed.done",
    "participant_events.done",
    "meeting_metadata.done",
    "bot.done",
]

MEETSTREAM = [
    "bot.joining",
    "bot.in_waiting_room",
    "bot.inmeeting",
    "bot.recording",
    "bot.leaving",
    "bot.stopped",
    "manifest.completed",
    "audio.processed",
    "bot.done",
]


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[WebhookRoom]:
    async with webhook_room(tmp_path) as room:
        yield room


async def idle(sender: WebhookSender) -> None:
    # What threads offered is begun by the event loop.
    await asyncio.sleep(0)
    await sender.idle()


async def sent_by(room: WebhookRoom, server: Webhooks) -> None:
    """Takes all events, and ends when all of their webhooks were sent."""
    async with server.running() as sender:
        await until(lambda: not list(room.queue._messages()))
        await idle(sender)


async def test_recalls_webhooks_reach_the_bots_url_and_the_files_endpoints(room: WebhookRoom) -> None:
    secret = "whsec_" + base64.b64encode(b"k" * 24).decode()
    own, all_of_them, few, other = [await room.receiver() for _ in range(4)]
    room.write_file(
        endpoints=[
            {"url": all_of_them.url, "secret": secret},
            {"url": few.url, "events": ["*.done"]},
            {"url": other.url, "workspace": "bob"},
        ]
    )
    bot_id = await room.create(webhook_url=own.url, metadata={"a": "b"})
    room.send(*room.visit(bot_id))
    await sent_by(room, room.server())
    assert own.events == all_of_them.events == RECALL
    assert few.events == [name for name in RECALL if name.endswith(".done")]
    assert other.received == []
    assert len({*own.ids, *all_of_them.ids, *few.ids}) == 2 * len(RECALL) + len(few.ids)
    received = all_of_them.received[-1]
    assert received.document["data"]["bot"] == {"id": bot_id, "metadata": {"a": "b"}}
    # The package knows no other clock than the system's.
    signature = Webhook(secret).sign(received.id, _moment(received.headers), received.body.decode())
    assert received.headers["webhook-signature"] == signature
    assert "webhook-signature" not in own.received[0].headers


async def test_meetstreams_webhooks_reach_the_callback(room: WebhookRoom) -> None:
    receiver = await room.receiver()
    bot_id = await room.create("meetstream", callback_url=receiver.url, custom_attributes={"a": 1})
    room.send(*room.visit(bot_id))
    await sent_by(room, room.server())
    assert receiver.events == MEETSTREAM
    assert {each.document["bot_id"] for each in receiver.received} == {bot_id}
    assert all(each.document["custom_attributes"] == {"a": 1} for each in receiver.received)
    assert "x-meetstream-signature" not in receiver.received[0].headers


async def test_two_servers_and_events_that_come_twice_deliver_once(room: WebhookRoom) -> None:
    receiver = await room.receiver()
    bots = [await room.create(webhook_url=receiver.url) for _ in range(3)]
    for bot_id in bots:
        events = room.visit(bot_id)
        room.send(*events, *events)
    one, two = room.server(), room.server()
    async with one.running() as first, two.running() as second:
        await until(lambda: not list(room.queue._messages()))
        await asyncio.gather(first.look(), second.look())
        await asyncio.gather(idle(first), idle(second))
    assert len(receiver.ids) == len(set(receiver.ids)) == 3 * len(RECALL)


async def test_events_of_a_server_without_the_bot_are_taken_and_nothing_is_sent(room: WebhookRoom) -> None:
    room.send({"event": "bot.joining", "bot_id": "of-the-queue", "updated_at": "x"})
    assert await take_all(room.server()) == 1
    assert room.api.store.list("webhooks/") == []


@pytest.mark.parametrize(
    "body", ["{", "7", "{}", '{"event":"data_deletion","bot_id":"b"}', '{"event":1,"bot_id":"../x"}']
)
async def test_what_is_no_event_holds_up_no_other(room: WebhookRoom, body: str) -> None:
    receiver = await room.receiver()
    bot_id = await room.create(webhook_url=receiver.url)
    room.queue.send(body)
    room.send(room.visit(bot_id)[0])
    await sent_by(room, room.server())
    assert receiver.events == ["bot.joining_call"]


async def test_an_event_waits_while_the_store_does_not_answer(
    room: WebhookRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = await room.receiver()
    bot_id = await room.create(webhook_url=receiver.url)
    room.send(room.visit(bot_id)[0])

    def refuse(*_: object, **__: object) -> None:
        raise StoreUnavailableError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(room.api.store, "put", refuse)
        assert await take_all(room.server()) == 1
    assert len(list(room.queue._messages())) == 1
    room.api.now += 60
    await sent_by(room, room.server())
    assert receiver.events == ["bot.joining_call"]


async def test_a_bot_that_never_joined_is_reported_by_who_cancelled_it(room: WebhookRoom) -> None:
    receiver = await room.receiver()
    bot_id = await room.create(webhook_url=receiver.url, join_at="2030-01-01T00:00:00Z")
    async with room.api.client() as client:
        assert (await client.post(f"/api/v1/bot/{bot_id}/leave_call")).status_code == 200
    room.send(*room.api.events.sent)
    await sent_by(room, room.server())
    assert receiver.events == ["bot.call_ended", "bot.done"]


async def test_a_deletion_is_told_and_leaves_nothing(room: WebhookRoom) -> None:
    receiver, endpoint = await room.receiver(), await room.receiver()
    room.write_file(endpoints=[{"url": endpoint.url, "form": "meetstream"}])
    bot_id = await room.create("meetstream", callback_url=receiver.url)
    room.send(*room.visit(bot_id))
    server = room.server()
    await sent_by(room, server)
    async with room.api.client() as client:
        assert (await client.delete(f"/api/v1/bots/{bot_id}/delete")).status_code == 200
    assert room.api.store.list(f"bots/{bot_id}/") == []
    receiver.status = 500
    room.send(
        {
            "event": "data_deletion",
            "bot_id": bot_id,
            "vendor": "meetstream",
            "workspace": "anna",
            "callback_url": receiver.url,
            "updated_at": "2026-01-01T00:00:00.000Z",
        }
    )
    await sent_by(room, server)
    assert receiver.events[-1] == endpoint.events[-1] == "data_deletion"
    receiver.status = 200
    room.api.now += 10
    async with server.running() as sender:
        await sender.look()
        await idle(sender)
    assert receiver.ids[-1] == receiver.ids[-2]
    assert room.api.store.list("webhooks/") == []
    assert room.api.store.list(f"bots/{bot_id}/") == []


async def test_a_bot_that_is_deleted_while_its_event_is_taken_leaves_nothing(
    room: WebhookRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot_id = await room.create(webhook_url=(await room.receiver()).url)
    record = room.api.bots.known(bot_id)
    assert record is not None
    room.send(room.visit(bot_id)[0])
    answers = [record, None]
    monkeypatch.setattr(room.api.bots, "known", lambda _: answers.pop(0))
    assert await take_all(room.server()) == 1
    assert answers == []
    assert room.api.store.list(f"bots/{bot_id}/deliveries/") == []


async def test_the_log_lists_attempts_and_sends_again(room: WebhookRoom) -> None:
    receiver = await room.receiver()
    receiver.status, receiver.answer = 500, b"database is down"
    bot_id = await room.create(webhook_url=f"{receiver.url}?token=hunter2")
    room.send(*room.visit(bot_id))
    server = room.server()
    path = f"/api/v1/bot/{bot_id}/deliveries"
    async with server.running() as sender, room.api.client() as client:
        await until(lambda: not list(room.queue._messages()))
        await idle(sender)
        results = (await client.get(path)).json()["results"]
        assert [each["event"] for each in results] == RECALL
        assert {each["state"] for each in results} == {"pending"}
        first = results[0]
        assert first["next_attempt_at"] is not None
        assert (first["attempts"][0]["status"], first["attempts"][0]["answer"]) == (500, "database is down")
        assert first["url"].startswith(receiver.url)
        assert "hunter2" not in str(results)
        receiver.status = 200
        room.api.now += 10
        await sender.look()
        await idle(sender)
        before = len(receiver.received)
        again = await client.post(f"{path}/{first['id']}/send_again/")
        assert (again.status_code, again.json()["state"]) == (202, "pending")
        await sender.look()
        await idle(sender)
        assert len(receiver.received) == before + 1
        assert receiver.ids[-1] == first["id"]
        shown = (await client.get(f"{path}/{first['id']}")).json()
        assert [each["status"] for each in shown["attempts"]] == [500, 200, 200]
        assert (shown["state"], shown["body"]["event"]) == ("delivered", RECALL[0])


async def test_the_log_is_the_workspaces_own(room: WebhookRoom) -> None:
    receiver = await room.receiver()
    bot_id = await room.create(webhook_url=receiver.url)
    room.send(room.visit(bot_id)[0])
    await take_all(room.server())
    path = f"/api/v1/bot/{bot_id}/deliveries"
    async with (
        room.api.client(KEY) as own,
        room.api.client(OTHER_KEY) as other,
        room.api.client(None) as nobody,
    ):
        (entry,) = (await own.get(path)).json()["results"]
        for answer in (
            await other.get(path),
            await other.get(f"{path}/{entry['id']}"),
            await other.post(f"{path}/{entry['id']}/send_again"),
            await own.get(f"{path}/msg_{'0' * 32}"),
            await own.post(f"{path}/..%2f..%2frecord/send_again"),
            await own.get("/api/v1/bot/unknown/deliveries"),
        ):
            assert answer.status_code == 404
        assert (await nobody.get(path)).status_code == 401


async def test_of_the_operators_endpoints_the_log_shows_host_and_state(room: WebhookRoom) -> None:
    own, mine, operators, bobs = [await room.receiver() for _ in range(4)]
    operators.answer = mine.answer = b"an answer"
    operators.status = mine.status = 500
    room.write_file(
        endpoints=[
            {"url": mine.url, "workspace": "anna"},
            {"url": f"{operators.url}/s3cret"},
            {"url": bobs.url, "workspace": "bob"},
        ]
    )
    bot_id = await room.create(webhook_url=own.url)
    room.send(room.visit(bot_id)[0])
    server = room.server()
    path = f"/api/v1/bot/{bot_id}/deliveries"
    async with server.running() as sender, room.api.client() as client:
        await until(lambda: not list(room.queue._messages()))
        await idle(sender)
        results = (await client.get(path)).json()["results"]
        for entry in results:
            assert (await client.get(f"{path}/{entry['id']}")).json() == entry
        by_url = {entry["url"]: entry for entry in results}
        assert set(by_url) == {own.url, mine.url, "http://127.0.0.1"}
        assert by_url[mine.url]["attempts"][0]["answer"] == "an answer"
        hidden = by_url["http://127.0.0.1"]
        assert (hidden["event"], hidden["state"]) == ("bot.joining_call", "pending")
        assert (hidden["attempts"], hidden["body"], hidden["next_attempt_at"]) == ([], None, None)
        for url in (own.url, mine.url):
            assert (await client.post(f"{path}/{by_url[url]['id']}/send_again")).status_code == 202
        refused = await client.post(f"{path}/{hidden['id']}/send_again")
        assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
        await sender.look()
        await idle(sender)
    assert [len(each.received) for each in (own, mine, operators, bobs)] == [2, 2, 1, 0]


def written_down(room: WebhookRoom, bot_id: str) -> int:
    """How many deliveries of the bot are known to be done."""
    return sum(1 for each in room.api.services.deliveries.of_bot(bot_id) if each.state == "delivered")


SENDER = """
import asyncio, sys
from pathlib import Path
from tests.support.webhook_room import webhook_room

async def main():
    folder, now, endpoints = sys.argv[1:]
    async with webhook_room(Path(folder)) as room:
        room.api.now = float(now)
        room.file.write_text(endpoints)
        async with room.server().running():
            print("running", flush=True)
            await asyncio.sleep(100)

asyncio.run(main())
"""


async def test_a_server_that_is_killed_while_it_sends_loses_none_and_repeats_with_the_same_id(
    room: WebhookRoom, tmp_path: Path
) -> None:
    slow, well = await room.receiver(), await room.receiver()
    room.write_file(endpoints=[{"url": well.url}])
    bot_id = await room.create(webhook_url=slow.url)
    slow.hang = True
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SENDER, str(tmp_path), str(NOW + 1), room.file.read_text()),
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            assert await process.stdout.readline() == b"running\n"
            room.send(*room.visit(bot_id)[:3])
            await until(lambda: slow.busy and written_down(room, bot_id) == 3)
    finally:
        process.kill()
        await process.wait()
    slow.hang = False
    slow.released.set()
    async with room.server().running() as sender:
        await until(lambda: not list(room.queue._messages()))
        await idle(sender)
        room.api.now += 2 * CLAIM
        await sender.look()
        await idle(sender)
    assert slow.events[0] == "bot.joining_call"
    assert sorted({*slow.events}) == sorted(RECALL[:3])
    assert len(set(slow.ids)) == 3
    assert slow.ids.count(slow.ids[0]) == 2, "it was sent when the kill came"
    assert len(well.ids) == len(set(well.ids)) == 3, "what was written down is not repeated"


def _moment(headers: dict[str, str]) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(int(headers["webhook-timestamp"]), datetime.UTC)
