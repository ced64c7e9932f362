"""An endpoint that failed has no senders any more: nothing is put on them, and nobody waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from worker.contracts.live_endpoints import PARTICIPANT_EVENTS, LiveEndpoint, LiveForm, Transport
from worker.contracts.live_forms import LiveBot, open_form
from worker.contracts.live_items import LiveStart
from worker.platforms.registry import Platform
from worker.settings import LiveOptions
from worker.streaming.endpoint_state import EndpointState
from worker.streaming.endpoint_stream import EndpointStream
from worker.streaming.live_queue import Message
from worker.streaming.sender import SenderObserver


class NoMetrics:
    """Counts nothing."""

    connected = message = lag = dropped = reconnected = staticmethod(lambda *_: None)


class IdleSender:
    """A Sender that never sends; ``calls`` is what it was asked for."""

    def __init__(self) -> None:
        self.task = asyncio.create_task(asyncio.Event().wait())
        self.is_connected = True
        self.calls: list[str] = []

    def open(self) -> None:
        self.calls.append("open")

    def put(self, message: Message) -> None:
        self.calls.append("put")

    def finish(self) -> None:
        self.calls.append("finish")

    async def close(self, within: float) -> None:
        self.calls.append("close")


async def test_a_failed_endpoint_lets_go_of_its_senders_at_once() -> None:
    senders: list[IdleSender] = []
    states: list[EndpointState] = []
    endpoint = LiveEndpoint(
        number=0,
        form=LiveForm.RECALL,
        transport=Transport.WEBSOCKET,
        url="wss://live.example/",
        events=(f"{PARTICIPANT_EVENTS}join",),
    )

    def new_sender(name: str, figures: object, observer: SenderObserver, buffer: object) -> IdleSender:
        senders.append(IdleSender())
        return senders[-1]

    make: Callable[..., EndpointStream] = EndpointStream
    bot = LiveBot(bot_id="bot-1", platform=Platform.GOOGLE_MEET)
    stream = make(
        endpoint,
        open_form(endpoint, bot),
        LiveOptions(),
        new_sender,
        NoMetrics(),
        lambda _number, state, _why: states.append(state),
    )
    stream.take(LiveStart(zero=0.0, relative_zero=0.0, attempt=1), 0.0)
    (sender,) = senders
    stream.fail("it is broken")
    stream.fail("it is broken again")
    await stream.close(5.0)
    assert sender.task.cancelled()
    assert "close" not in sender.calls
    assert states == [EndpointState.FAILED]
