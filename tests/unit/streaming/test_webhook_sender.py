from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
from meetstream.webhooks import verify_webhook_signature
from standardwebhooks import Webhook

from tests.support.live_receivers import nobody
from tests.support.live_senders import (
    LOCAL,
    NAME,
    Clock,
    Figures,
    Names,
    Told,
    endpoint,
    no_authorities,
    options,
)
from tests.support.receivers import receiving
from tests.support.waits import until
from worker.contracts.live_endpoints import LiveForm
from worker.delivery.guarded_http import guarded_client
from worker.delivery.url_guard import UrlGuard
from worker.safe_text import Secret
from worker.streaming.endpoint_figures import EndpointFigures
from worker.streaming.live_queue import Message
from worker.streaming.webhook_sender import WebhookSender

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLawS"


class Room:
    """A sender with all that it tells. Its clock begins with the machine's, by which signatures are judged."""

    def __init__(
        self, url: str, form: LiveForm, headers: dict[str, str], names: Names, changes: dict[str, object]
    ) -> None:
        settings = options(**changes)
        where = endpoint(url, form=form, headers=headers, events=("participant_events.join",))
        self.clock = Clock()
        self.clock.now = time.time()
        self.figures = Figures()
        self.told = Told()
        self.client = guarded_client(UrlGuard(LOCAL, names), no_authorities())
        self.counts = EndpointFigures(where, self.figures)
        self.sender = WebhookSender(
            "live", where, self.client, settings, self.counts, self.told, self.clock, self.clock.sleep
        )

    def put(self, *texts: str) -> None:
        for text in texts:
            self.sender.put(Message(text))

    @property
    def ended(self) -> bool:
        return self.sender.task.done()


@asynccontextmanager
async def posting(
    url: str,
    form: LiveForm = LiveForm.RECALL,
    headers: dict[str, str] | None = None,
    names: Names | None = None,
    **changes: object,
) -> AsyncIterator[Room]:
    room = Room(url, form, headers or {}, names or Names(["127.0.0.1"]), changes)
    try:
        yield room
    finally:
        await room.sender.close(0.0)
        await room.client.aclose()
        assert room.figures.connections == 0


async def test_events_are_posted_in_order() -> None:
    async with receiving() as receiver:
        headers = {"Authorization": "Bearer a", "Content-Length": "7", "Host": "inner.example"}
        async with posting(f"{receiver.url}?token=a%20b", headers=headers) as room:
            room.put(*(f'{{"event":"{number}"}}' for number in range(5)))
            room.sender.finish()
            await until(lambda: room.ended)
            assert (room.told.ups, room.told.causes, room.clock.slept) == (5, [], [])
            assert (room.figures.messages, room.figures.bytes, room.figures.made) == (5, 5 * 13, 1)
        assert receiver.events == ["0", "1", "2", "3", "4"]
        assert len(set(receiver.ids)) == 5
        first = receiver.received[0]
        assert (first.method, first.path) == ("POST", "/hook?token=a%20b")
        assert first.headers["authorization"] == "Bearer a"
        assert first.headers["content-type"] == "application/json"
        assert first.headers["host"] == f"127.0.0.1:{receiver.port}"
        assert "webhook-signature" not in first.headers


@pytest.mark.parametrize("form", [LiveForm.RECALL, LiveForm.MEETSTREAM])
async def test_they_are_signed_in_the_vendors_form(form: LiveForm) -> None:
    async with receiving() as receiver, posting(receiver.url, form, signing_secret=Secret(SECRET)) as room:
        room.put('{"event":"a","name":"Zoë"}')
        await until(lambda: room.told.ups)
        received = receiver.received[0]
        if form is LiveForm.RECALL:
            Webhook(SECRET).verify(received.body, received.headers)
        else:
            signature = received.headers["x-meetstream-signature"]
            assert verify_webhook_signature(received.body, signature, SECRET)


@pytest.mark.parametrize("status", [0, 302, 400, 404, 429, 500])
async def test_a_message_that_is_not_taken_is_repeated_before_the_next_one(status: int) -> None:
    async with receiving() as receiver, posting(receiver.url) as room:
        receiver.status = status
        room.clock.at_wait[3] = partial(setattr, receiver, "status", 204)
        room.put('{"event":"a"}', '{"event":"b"}')
        await until(lambda: room.told.ups == 2)
        assert receiver.events == ["a"] * 4 + ["b"]
        assert len(set(receiver.ids)) == 2, "a repetition has the same id"
        assert room.clock.slept == [1.0] * 3


async def test_after_all_retries_of_a_message_the_endpoint_has_failed() -> None:
    async with receiving() as receiver, posting(receiver.url) as room:
        receiver.status = 500
        room.put('{"event":"a"}', '{"event":"b"}')
        await until(lambda: room.ended)
        assert (len(receiver.received), room.clock.slept) == (61, [1.0] * 60)
        assert (room.told.causes, room.told.ups) == (["it answered HTTP 500"], 0)
        assert room.counts.lost_events == 2


async def test_tries_are_counted_anew_for_each_message() -> None:
    async with receiving() as receiver, posting(receiver.url, webhook_retries=3) as room:
        for number in range(1, 4):
            receiver.status = 503
            room.clock.at_wait[3 * number] = partial(setattr, receiver, "status", 200)
            room.put(f'{{"event":"{number}"}}')
            await until(lambda count=number: room.told.ups == count)  # type: ignore[misc]
        assert receiver.events == ["1"] * 4 + ["2"] * 4 + ["3"] * 4
        assert room.told.causes == []


CAUSES = {
    "nobody listens": ("http://127.0.0.1:{port}/", "the connection failed (ConnectError)"),
    "an address inside": (
        f"http://{NAME}/?token=canary",
        "the URL: leads to an address that is local, private or reserved",
    ),
    "without TLS": ("http://canary.example/", "the URL expected an address like https://hooks.example/path"),
}


@pytest.mark.parametrize(("url", "cause"), CAUSES.values(), ids=CAUSES.keys())
async def test_the_cause_is_said_without_the_url(
    url: str, cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "worker")
    names = Names(["10.0.0.1"])
    plain = "canary.example" not in url
    with nobody() as (_, port):
        url = url.replace("{port}", f"{port}")
        async with posting(url, names=names, webhook_retries=2, allow_plain=plain) as room:
            room.put("{}")
            await until(lambda: room.ended)
            assert room.told.causes == [cause]
    assert "canary" not in caplog.text


async def test_closing_gives_up_what_a_receiver_does_not_take() -> None:
    async with receiving() as receiver, posting(receiver.url) as room:
        receiver.hang = True
        room.put('{"event":"a"}', '{"event":"b"}')
        await until(lambda: receiver.received)
        await room.sender.close(0.01)
        assert room.ended
        assert receiver.events == ["a"]
        assert room.counts.lost_events == 2, "one that is not known to be there is lost, too"


async def test_what_waits_for_another_try_at_the_end_is_lost() -> None:
    async with receiving() as receiver, posting(receiver.url) as room:
        receiver.status = 500
        room.clock.held_from = 1
        room.put('{"event":"a"}')
        await until(lambda: room.clock.slept)
        await room.sender.close(0.01)
        assert (room.counts.lost_events, room.told.ups) == (1, 0)
