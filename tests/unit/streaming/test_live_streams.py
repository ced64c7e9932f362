from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeAlias

import httpx
import msgspec
import pytest
from websockets.asyncio.server import ServerConnection

from tests.support.live_receivers import LiveReceiver, live_receiver, nobody, reset
from tests.support.live_senders import (
    ANNA,
    NAME,
    Clock,
    Figures,
    PlainForm,
    endpoint,
    local_guard,
    no_authorities,
    options,
)
from tests.support.receivers import receiving
from tests.support.waits import until
from worker.contracts.live_endpoints import AUDIO_MIXED, AUDIO_OPUS, AUDIO_SEPARATE, LiveEndpoint, LiveForm
from worker.contracts.live_forms import LiveBot, MessageForm
from worker.contracts.live_items import (
    Action,
    Isolation,
    LiveEnd,
    LiveEvent,
    LiveItem,
    LiveMicrophone,
    LiveMix,
    LivePcm,
    LivePerson,
    LiveStart,
)
from worker.delivery.guarded_http import guarded_client
from worker.platforms.registry import Platform
from worker.streaming import live_streams
from worker.streaming.endpoint_state import EndpointState
from worker.streaming.live_sound import Delivery, LostSound
from worker.streaming.live_streams import LiveStreams
from worker.tape.events import Frame, FrameBatch, RecordingStarted, TapeEvent, Tick

BOT = LiveBot(bot_id="bot", platform=Platform.GOOGLE_MEET)
START = LiveStart(zero=1_000.0, relative_zero=1_000.0)
PCM = LivePcm(
    person=ANNA,
    source=7,
    position=0,
    pcm=bytes(640),
    arrived=1_000.0,
    isolation=Isolation.SEPARATED,
)
JOIN = LiveEvent(action=Action.JOIN, person=ANNA, at=0.0)
EVENTS = ("participant_events.join",)

Step: TypeAlias = list[LiveItem] | Exception
"""What a core gives for an event, or raises."""


class ScriptedCore:
    """Gives for each event what is next in ``script``; an exception is raised. ``made`` are the arguments of all cores."""

    def __init__(self, script: list[Step]) -> None:
        self.script = script
        self.events: list[TapeEvent] = []
        self.runs: list[int] = []
        """How many batches came together."""
        self.looks = 0
        self.ended = False
        self.lost = LostSound(0.0, 0.0)

    def event(self, event: TapeEvent, logged: float) -> list[LiveItem]:
        self.events.append(event)
        items = self.script.pop(0) if self.script else []
        if isinstance(items, Exception):
            raise items
        return items

    def frames(self, *deliveries: Delivery) -> list[LiveItem]:
        self.runs.append(len(deliveries))
        return [item for each in deliveries for item in self.event(*each)]

    def advance(self, now: float) -> list[LiveItem]:
        self.looks += 1
        return []

    def end(self, at: float) -> list[LiveItem]:
        self.ended = True
        return [LiveEnd(at=1.0)]


class Room:
    """Live streams with a scripted core and plain forms."""

    def __init__(self, endpoints: list[LiveEndpoint], script: list[Step], changes: dict[str, Any]) -> None:
        self.cores: list[ScriptedCore] = []
        self.arguments: list[dict[str, Any]] = []
        self.forms: dict[int, PlainForm] = {}
        self.states: list[tuple[int, EndpointState, str]] = []
        self.figures = Figures()
        self.clock = Clock()
        self.breaks = False
        """Whether who is told of states raises."""
        self.script = script
        self.streams = LiveStreams(
            endpoints,
            BOT,
            options(**changes),
            local_guard(),
            self.figures,
            self.tell,
            self.clock,
            tls=no_authorities(),
            sleep=self.clock.sleep,
            open_core=self.open_core,
            new_form=self.new_form,
        )

    def tell(self, number: int, state: EndpointState, cause: str) -> None:
        if self.breaks:
            raise ValueError(state)
        self.states.append((number, state, cause))

    def open_core(self, platform: str, **arguments: Any) -> ScriptedCore:
        self.arguments.append(arguments)
        self.cores.append(ScriptedCore(list(self.script)))
        return self.cores[-1]

    def new_form(self, where: LiveEndpoint, bot: LiveBot) -> MessageForm:
        self.forms[where.number] = PlainForm()
        return self.forms[where.number]

    def events(self, count: int = 1) -> None:
        for _ in range(count):
            self.streams.event(Tick(at=self.clock.now, wall=0.0, elapsed=0.0))

    def states_of(self, number: int) -> list[str]:
        return [state.value for its, state, _ in self.states if its == number]


@asynccontextmanager
async def streaming(endpoints: list[LiveEndpoint], *script: Step, **changes: Any) -> AsyncIterator[Room]:
    room = Room(endpoints, list(script), changes)
    room.streams.start()
    try:
        yield room
    finally:
        await room.streams.close(0.0)
        assert room.figures.connections == 0
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("live")]


async def test_a_call_is_sent_from_its_start_to_its_end() -> None:
    async with live_receiver() as receiver, streaming([endpoint(receiver.url)], [START], [PCM, JOIN]) as room:
        room.events(2)
        await until(lambda: receiver.messages == ["LivePcm", "LiveEvent"])
        assert room.states == [(0, EndpointState.RUNNING, "")]
        await room.streams.close(20.0)
        await until(lambda: receiver.codes == [1000])
        assert receiver.messages == ["LivePcm", "LiveEvent", "LiveEnd"]
        assert room.states_of(0) == ["running", "done"]
        room.events()
        await room.streams.close(20.0)
        assert room.states_of(0) == ["running", "done"], "after the end nothing follows"


async def test_twenty_endpoints_cost_one_core_and_each_gets_all() -> None:
    async with AsyncExitStack() as stack:
        receivers = [await stack.enter_async_context(live_receiver()) for _ in range(20)]
        endpoints = [endpoint(each.url, number) for number, each in enumerate(receivers)]
        pcm: list[Step] = [[PCM]] * 20
        room = await stack.enter_async_context(streaming(endpoints, [START], *pcm))
        room.events(21)
        await until(lambda: all(len(each.messages) == 20 for each in receivers))
        assert len(room.cores) == 1
        assert room.figures.messages == 400
        await room.streams.close(20.0)
        await until(lambda: all(each.messages[-1] == "LiveEnd" for each in receivers))


BAD = {"hangs": "hang", "resets": "reset", "closes": "close", "is away": "away", "refuses": "refuse"}


@pytest.mark.parametrize("badness", BAD.values(), ids=BAD.keys())
async def test_one_bad_receiver_costs_the_others_nothing(badness: str) -> None:
    async def behave(receiver: LiveReceiver, connection: ServerConnection) -> None:
        if badness == "hang":
            connection.transport.pause_reading()
            await receiver.released.wait()
        elif badness == "reset":
            reset(connection)
        else:
            await connection.close(1011)

    pcm: list[Step] = [[PCM]] * 300
    async with (
        live_receiver(read_limit=4096) as bad,
        live_receiver() as good,
        AsyncExitStack() as stack,
    ):
        bad.behaviour = behave
        bad.status = 500 if badness == "refuse" else 101
        away = stack.enter_context(nobody())[1]
        url = f"ws://127.0.0.1:{away}/" if badness == "away" else bad.url
        async with streaming([endpoint(url, 0), endpoint(good.url, 1)], [START], *pcm) as room:
            room.events(301)
            await until(lambda: len(good.messages) == 300)
            if badness != "hang":
                await until(lambda: room.states_of(0)[-1:] == ["failed"])
            async with asyncio.timeout(20):
                await room.streams.close(1.0)
            assert room.states_of(1) == ["running", "done"]
            await until(lambda: len(good.messages) == 301)


async def test_endpoints_of_two_rates_have_a_core_each_which_is_asked_for_what_is_wanted() -> None:
    endpoints = [
        endpoint("ws://127.0.0.1/", 0, events=(AUDIO_OPUS,)),
        endpoint("ws://127.0.0.1/", 1, form=LiveForm.MEETSTREAM_AUDIO, events=()),
        endpoint("http://127.0.0.1/", 2, events=EVENTS),
    ]
    async with streaming(endpoints, reorder_seconds=0.1) as room:
        wanted = [(each["rate"], each["opus"], each["mixed"], each["deadline"]) for each in room.arguments]
        assert wanted == [(None, True, False, 0.1), (48_000, False, False, 0.1)]
    mixed = [endpoint("ws://127.0.0.1/", events=(AUDIO_MIXED,))]
    async with streaming(mixed) as room:
        assert [(each["rate"], each["mixed"]) for each in room.arguments] == [(16_000, True)]
    async with streaming(endpoints[2:]) as room:
        assert [each["rate"] for each in room.arguments] == [None], "nothing is decoded for events alone"


async def test_a_fault_of_a_form_costs_its_endpoint_alone() -> None:
    async with live_receiver() as bad, live_receiver() as good:
        endpoints = [endpoint(bad.url, 0), endpoint(good.url, 1)]
        async with streaming(endpoints, [START], [PCM], [PCM], [PCM]) as room:
            room.events(2)
            await until(lambda: bad.messages and good.messages)
            room.forms[0].broken = True
            room.events(2)
            await until(lambda: len(good.messages) == 3)
            assert room.states_of(0) == ["running", "failed"]
            assert room.states[-1] == (0, EndpointState.FAILED, "an internal error")
            await until(lambda: bad.codes)
            assert len(bad.messages) == 1


async def test_a_fault_of_the_core_ends_the_streams_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    faults: list[Step] = [ValueError("a fault")] * 5
    async with live_receiver() as receiver:
        async with streaming([endpoint(receiver.url)], [START], [PCM], *faults) as room:
            room.events(2)
            await until(lambda: receiver.messages)
            room.events(5)
            await until(lambda: room.states_of(0) == ["running", "failed"])
            await until(lambda: receiver.codes)
            assert receiver.messages == ["LivePcm"]
        assert caplog.text.count("a fault") == 1, "it is logged once"


async def test_a_fault_of_who_is_told_costs_nothing() -> None:
    async with live_receiver() as receiver, streaming([endpoint(receiver.url)], [START], [PCM]) as room:
        room.breaks = True
        room.events(2)
        await until(lambda: receiver.messages)


async def test_participants_connect_while_their_microphone_is_on() -> None:
    on, off = (LiveMicrophone(person=ANNA, on=on, at=0.0) for on in (True, False))
    async with live_receiver() as receiver:
        where = endpoint(receiver.url, events=(AUDIO_SEPARATE,))
        async with streaming([where], [START], [on], [PCM], [off], [on], connections="participant") as room:
            room.events()
            await until(lambda: room.cores[0].events)
            assert not receiver.upgrades
            room.events(2)
            await until(lambda: receiver.messages == ["LivePcm"])
            room.events()
            await until(lambda: len(room.cores[0].events) == 4)
            room.clock.now += 1.0
            await until(lambda: receiver.codes == [1000])
            room.events()
            await until(lambda: receiver.is_open)
            assert room.states_of(0) == ["running"]


@pytest.mark.parametrize("comes_back", [True, False])
async def test_a_connection_that_is_refused_beside_others_is_tried_seldom_and_its_loss_is_told(
    comes_back: bool,
) -> None:
    bela = LivePerson(number=2, participant_id="p2", name="Bela")
    first, second = (LiveMicrophone(person=who, on=True, at=0.0) for who in (ANNA, bela))
    async with live_receiver() as receiver:
        where = endpoint(receiver.url, events=(AUDIO_SEPARATE,))
        theirs = [msgspec.structs.replace(PCM, person=bela, position=number * 960) for number in range(20)]
        script: list[Step] = [[START, first], [second, *theirs], [PCM]]
        changes = {"connections": "participant", "retries": 3, "buffer_seconds": 0.1}
        async with streaming([where], *script, **changes) as room:
            room.clock.held_from = 5
            room.events()
            await until(lambda: receiver.is_open == 1)
            receiver.status = 503
            room.events()
            await until(lambda: len(room.clock.slept) == 5)
            assert room.clock.slept == [3.0] * 3 + [30.0] * 2
            assert room.states_of(0) == ["running"]
            if comes_back:
                receiver.status = 101
                room.clock.released.set()
                await until(lambda: len(receiver.messages) == 6)
                assert receiver.messages == ["gap 0.30 Bela", *["LivePcm"] * 5]
            room.events()
            await until(lambda: receiver.messages[-1:] == ["LivePcm"])
            async with asyncio.timeout(20):
                await room.streams.close(20.0 if comes_back else 0.0)
            cause = "not all connections could be made: it answered HTTP 503 to the upgrade"
            last = (EndpointState.DONE, "") if comes_back else (EndpointState.FAILED, cause)
            assert room.states == [(0, EndpointState.RUNNING, ""), (0, *last)]


async def test_a_connection_that_is_refused_after_the_others_closed_fails_the_endpoint() -> None:
    bela = LivePerson(number=2, participant_id="p2", name="Bela")
    first, second = (LiveMicrophone(person=who, on=True, at=0.0) for who in (ANNA, bela))
    off = LiveMicrophone(person=ANNA, on=False, at=0.0)
    async with live_receiver() as receiver:
        where = endpoint(receiver.url, events=(AUDIO_SEPARATE,))
        script: list[Step] = [[START, first], [second], [off]]
        async with streaming([where], *script, connections="participant", retries=3) as room:
            room.clock.held_from = 5
            room.events()
            await until(lambda: receiver.is_open == 1)
            receiver.status = 503
            room.events()
            await until(lambda: len(room.clock.slept) == 5)
            room.events()
            await until(lambda: len(room.cores[0].events) == 3)
            room.clock.now += 1.0
            await until(lambda: receiver.codes == [1000] and not room.figures.connections)
            room.clock.released.set()
            await until(lambda: room.states_of(0) == ["running", "failed"])


async def test_all_endpoints_together_have_a_bounded_number_of_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live_streams, "MOST_SOCKETS", 20)
    people = [LivePerson(number=number, participant_id=None, name=None) for number in range(10)]
    on = [LiveMicrophone(person=who, on=True, at=0.0) for who in people]
    said = [msgspec.structs.replace(PCM, person=who) for who in people]
    async with live_receiver() as receiver:
        endpoints = [endpoint(receiver.url, number) for number in range(4)]
        script: list[Step] = [[START, *on], list(said)]
        async with streaming(endpoints, *script, connections="participant") as room:
            room.events(2)
            await until(lambda: len(receiver.messages) == 40)
            assert receiver.most_open == 20


async def test_what_one_said_gets_old_while_another_speaks() -> None:
    bela = LivePerson(number=2, participant_id="p2", name="Bela")
    early = [msgspec.structs.replace(PCM, position=number * 960) for number in range(5)]
    late = [msgspec.structs.replace(each, person=bela, position=each.position + 48_000) for each in early]
    with nobody() as (_, port):
        where = endpoint(f"ws://127.0.0.1:{port}/")
        changes = {"connections": "participant", "buffer_seconds": 0.1}
        async with streaming([where], [START, *early], [*late], **changes) as room:
            room.clock.held_from = 1
            room.events(2)
            await until(lambda: room.figures.dropped_seconds)
            assert round(room.figures.dropped_seconds, 6) == 0.1


async def test_nothing_is_left_open_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    clients: list[httpx.AsyncClient] = []

    def client(*arguments: Any) -> httpx.AsyncClient:
        clients.append(guarded_client(*arguments))
        return clients[-1]

    def look_ups() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name == "lookup"}

    monkeypatch.setattr(live_streams, "guarded_client", client)
    before = look_ups()
    async with live_receiver() as socket, receiving() as webhook, live_receiver(read_limit=4096) as hung:

        async def hang(receiver: LiveReceiver, connection: ServerConnection) -> None:
            connection.transport.pause_reading()
            await receiver.released.wait()

        hung.behaviour = hang
        both = (AUDIO_SEPARATE, *EVENTS)
        endpoints = [
            endpoint(socket.named(NAME), 0, events=both),
            endpoint(f"http://{NAME}:{webhook.port}/", 1, events=EVENTS),
            endpoint(hung.named(NAME), 2, events=both),
        ]
        async with streaming(endpoints, [START], [JOIN, *[PCM] * 300], connections="participant") as room:
            room.events(2)
            await until(lambda: socket.messages and webhook.received and hung.upgrades)
            async with asyncio.timeout(20):
                await room.streams.close(1.0)
            assert [each.is_closed for each in clients] == [True]
            await until(lambda: not look_ups() - before)
            await until(lambda: not socket.is_open)
            assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("live")]


async def test_all_endpoints_together_keep_a_bounded_number_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_streams, "MOST_BUFFERED", 10 * len("LivePcm"))
    people = [LivePerson(number=number, participant_id=None, name=None) for number in range(10)]
    said = [msgspec.structs.replace(PCM, person=who) for who in people]
    with nobody() as (_, port):
        endpoints = [endpoint(f"ws://127.0.0.1:{port}/", number) for number in range(2)]
        async with streaming(endpoints, [START, *said], connections="participant") as room:
            room.clock.held_from = 1
            room.events()
            await until(lambda: room.figures.dropped_seconds)
            assert round(room.figures.dropped_seconds / 0.02) == 10


async def test_what_was_never_reached_has_failed_at_the_end() -> None:
    with nobody() as (_, port):
        url = f"ws://127.0.0.1:{port}/"
        async with streaming([endpoint(url)], [START]) as room:
            room.clock.held_from = 1
            room.events()
            await until(lambda: room.clock.slept)
            await room.streams.close(0.0)
            assert room.states == [(0, EndpointState.FAILED, "it was never reached")]
    async with streaming([endpoint(url)]) as room:
        await room.streams.close(1.0)
        assert room.states_of(0) == ["done"], "nothing was recorded, so nothing was dialled"


async def test_webhooks_get_the_events() -> None:
    async with receiving() as receiver:
        where = endpoint(receiver.url, events=EVENTS)
        async with streaming([where], [START], [JOIN, JOIN]) as room:
            room.events(2)
            await until(lambda: len(receiver.received) == 2)
            await room.streams.close(20.0)
            assert [each.body for each in receiver.received] == [b"LiveEvent", b"LiveEvent", b"LiveEnd"]
            assert room.states_of(0) == ["running", "done"]


def batch(sequence: int, frames: int) -> FrameBatch:
    frame = Frame(0, 1, (), 0, 0, 111, "audio/opus", None, 1_000.0, None, b"")
    return FrameBatch(1, sequence, 0, [frame] * frames)


async def test_an_event_is_only_put_aside_and_the_oldest_are_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(live_streams, "MOST_FRAMES", 100)
    monkeypatch.setattr(live_streams, "MOST_WAITING", 10)
    async with streaming([endpoint("ws://127.0.0.1/")]) as room:
        room.streams.event(RecordingStarted(at=1_000.0))
        for sequence in range(6):
            room.streams.event(batch(sequence, 30))
        assert not room.cores[0].events, "the recorder does not wait for the streams"
        await until(lambda: len(room.cores[0].events) == 3)
        assert [each.sequence for each in room.cores[0].events if isinstance(each, FrameBatch)] == [3, 4, 5]
        room.events(50)
        await until(lambda: len(room.cores[0].events) == 13)
    assert caplog.text.count("too slow") == 1


async def test_batches_go_together_and_each_run_ends_with_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_streams, "MOST_RUN_FRAMES", 100)
    monkeypatch.setattr(live_streams, "TICK", 0.5)
    async with streaming([endpoint("ws://127.0.0.1/")]) as room:
        core = room.cores[0]
        await until(lambda: core.looks == 1)
        for sequence in range(5):
            room.streams.event(batch(sequence, 30))
        room.events(1)
        room.streams.event(batch(5, 30))
        await until(lambda: core.looks == 2)
        assert core.runs == [4, 1, 1], "an event keeps its place, and a run has few enough frames"


async def test_what_comes_soon_after_a_run_waits_for_what_comes_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live_streams, "TICK", 30.0)
    async with streaming([endpoint("ws://127.0.0.1/")], batch_seconds=0.5) as room:
        core = room.cores[0]
        room.streams.event(batch(0, 1))
        await until(lambda: core.runs == [1])
        began = time.monotonic()
        room.streams.event(batch(1, 1))
        await asyncio.sleep(0.05)
        room.streams.event(batch(2, 1))
        await until(lambda: core.runs == [1, 2])
        assert time.monotonic() - began >= 0.5 * live_streams.GATHER - 0.05


async def test_what_is_due_is_sent_though_nothing_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    async with streaming([endpoint("ws://127.0.0.1/")]) as room:
        await until(lambda: room.cores[0].looks > 2)
        room.streams.event(batch(0, 1))
        await until(lambda: room.cores[0].runs == [1])


async def test_the_mix_and_sound_have_their_length_by_the_rate() -> None:
    mix = LiveMix(position=48_000, pcm=bytes(3_200), arrived=1_001.0)
    with nobody() as (_, port):
        where = endpoint(f"ws://127.0.0.1:{port}/")
        async with streaming([where], [START, PCM, mix], buffer_seconds=0.0) as room:
            room.clock.held_from = 1
            room.events()
            await until(lambda: room.figures.dropped_seconds)
            assert round(room.figures.dropped_seconds, 6) == 0.12


async def test_what_a_call_lost_is_told_once_to_each_that_wants_it() -> None:
    """In seconds of the sound that goes there."""
    wanted = {
        (AUDIO_SEPARATE,): 0.3,
        (AUDIO_MIXED,): 0.5,
        (AUDIO_SEPARATE, AUDIO_MIXED): 0.8,
        ("participant_events.join",): 0.0,
    }
    for events, seconds in wanted.items():
        async with streaming([endpoint("ws://127.0.0.1/", events=events)]) as room:
            looks = room.cores[0].looks
            room.cores[0].lost = LostSound(0.1, 0.1)
            await until(lambda: room.cores[0].looks > looks + 2)  # noqa: B023
            room.cores[0].lost = LostSound(0.3, 0.5)
            await room.streams.close(0.0)
            assert room.figures.dropped_seconds == pytest.approx(seconds)
