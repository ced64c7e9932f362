"""Name servers that do not answer for hosts of some endpoints: the others of the job are reached."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from tests.support.live_receivers import live_receiver
from tests.support.live_senders import (
    ANNA,
    LOCAL,
    Figures,
    PlainForm,
    endpoint,
    no_authorities,
    options,
)
from tests.support.receivers import receiving
from tests.support.waits import until
from worker.contracts.live_endpoints import Transport
from worker.contracts.live_forms import LiveBot
from worker.contracts.live_items import Action, LiveEvent, LiveItem, LiveStart
from worker.delivery.lookups import MOST_OF_WORKSPACE
from worker.delivery.url_guard import UrlGuard
from worker.platforms.registry import Platform
from worker.streaming.endpoint_state import EndpointState
from worker.streaming.live_sound import Delivery, LostSound
from worker.streaming.live_streams import LiveStreams
from worker.tape.events import RecordingStarted, TapeEvent

EVENTS = ("participant_events.join",)


class OneEvent:
    """A core that gives somebody's joining with the recording's beginning."""

    lost = LostSound(0.0, 0.0)

    def event(self, event: TapeEvent, logged: float) -> list[LiveItem]:
        return [LiveStart(zero=1.0, relative_zero=1.0), LiveEvent(action=Action.JOIN, person=ANNA, at=0.0)]

    def frames(self, *deliveries: Delivery) -> list[LiveItem]:
        return []

    def advance(self, now: float) -> list[LiveItem]:
        return []

    def end(self, at: float) -> list[LiveItem]:
        return []


@pytest.mark.parametrize("transport", list(Transport))
async def test_slow_names_of_endpoints_hold_up_no_other(transport: Transport) -> None:
    released = threading.Event()
    states: list[tuple[int, EndpointState]] = []

    def resolve(host: str, port: int) -> Sequence[str]:
        if host.startswith("slow"):
            released.wait(60)
        return ["127.0.0.1"]

    async with live_receiver() as sockets, receiving() as webhooks:
        is_socket = transport is Transport.WEBSOCKET
        scheme, port = ("ws", sockets.port) if is_socket else ("http", webhooks.port)
        last = MOST_OF_WORKSPACE + 1
        slow = [endpoint(f"{scheme}://slow{n}.example:{port}/", n, events=EVENTS) for n in range(last)]
        streams = LiveStreams(
            [*slow, endpoint(f"{scheme}://good.example:{port}/", last, events=EVENTS)],
            LiveBot(bot_id="bot", platform=Platform.GOOGLE_MEET),
            options(),
            UrlGuard(LOCAL, resolve),
            Figures(),
            lambda number, state, _: states.append((number, state)),
            lambda: 1_000.0,
            tls=no_authorities(),
            open_core=lambda *_, **__: OneEvent(),
            new_form=lambda *_: PlainForm(),
        )
        streams.start()
        try:
            streams.event(RecordingStarted(at=1.0))
            await until(lambda: states)
            assert states == [(last, EndpointState.RUNNING)]
        finally:
            released.set()
            await asyncio.wait_for(streams.close(0.0), 20)
