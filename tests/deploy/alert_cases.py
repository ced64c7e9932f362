"""For each alert, a worker or a watch of the queues that is driven into its condition, and what it serves at /metrics then.

The code is the product's; what fails is the store, the queue, the platform or the page. The pages are scripted
(tests/support/browserless.py); tests/browser/test_alerts.py drives a real Chromium into some of these conditions.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, NamedTuple
from unittest.mock import patch

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from fixtures.replica.voices import load_voice
from tests.deploy.series import Pod, Scrape
from tests.support.api import Api
from tests.support.browserless import BrowserlessWorker, Script, ScriptedCall, broken, browserless, refused
from tests.support.fault_proxy import Fault, FaultProxy, Request
from tests.support.serving import serving
from tests.support.tapes import STARTED_AT, Talker, synthetic_tape
from tests.support.waits import until
from tests.support.worker_process import BOT, Cloud
from worker.contracts.live_endpoints import LiveForm, Transport
from worker.delivery import queue_counts
from worker.delivery.aws_clients import s3_client, sqs_client
from worker.delivery.errors import RefusedError
from worker.delivery.job_poll import next_delivery
from worker.delivery.jobs_queue import Delivery
from worker.delivery.lease import LeaseRecord
from worker.delivery.object_store import S3Store
from worker.delivery.queue_counts import read_queue
from worker.delivery.retries import RetryPolicy
from worker.jobs import consumer
from worker.lifecycle.deafness import DeafnessJudge
from worker.lifecycle.ending import Ending
from worker.monitoring.capture_health import CaptureHealth
from worker.monitoring.health import Health, HealthServer
from worker.monitoring.live_metrics import LiveMetrics
from worker.monitoring.queue_watch import EVENTS, JOBS, QueueMetrics, QueueWatch
from worker.reasons import Reason
from worker.server import request_log
from worker.server.webhook_metrics import WebhookMetrics
from worker.states import State
from worker.tape.events import AudioPathSeen, Frame, FrameBatch, PageDropped, ReceiverReport

LINK: Final = "https://meet.google.com/abc-defg-hij"
VOICES: Final = ("aria", "bruno", "chiara")
APART: Final = 0.5
"""Seconds between the two scrapes whose growth is continued."""
BALLAST: Final = 650_000_000
"""Bytes."""


class Bench(NamedTuple):
    """A bucket and queues of a case, behind a proxy that can fail; ``folder`` is for recordings."""

    cloud: Cloud
    proxy: FaultProxy
    folder: Path

    def dispatch(self, bot: str = BOT, **fields: object) -> None:
        body = {"bot_id": bot, "meeting_link": LINK, "bot_name": "Notes", "audio_separate_streams": True}
        self.cloud.jobs.send(json.dumps(body | fields))

    @asynccontextmanager
    async def worker(self, script: Script, **changed: object) -> AsyncIterator[BrowserlessWorker]:
        """A worker with one job, whose calls follow ``script``."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port: int = taken.getsockname()[1]
        async with browserless(self.cloud, script, self.folder, port, **changed) as worker:
            try:
                yield worker
            finally:
                self.proxy.recover()


Case = Callable[[Bench], Awaitable[list[Pod]]]

CASES: Final[dict[str, Case]] = {}
"""By alert."""


def fires(alert: str) -> Callable[[Case], Case]:
    """Registers a case: after it, ``alert`` fires."""

    def register(case: Case) -> Case:
        assert alert not in CASES
        CASES[alert] = case
        return case

    return register


def value(text: str, name: str, **labels: str) -> float:
    """The sum of the samples of ``meetstems_{name}`` that have ``labels``; 0 without any."""
    # To parse all of a worker's metrics takes 10 ms, which waits for one of them would do twenty times a second.
    lines = [line for line in text.splitlines() if line.startswith(f"meetstems_{name}")]
    return sum(
        sample.value
        for family in text_string_to_metric_families("\n".join(lines))
        for sample in family.samples
        if sample.name == f"meetstems_{name}" and labels.items() <= sample.labels.items()
    )


async def two_scrapes(
    worker: BrowserlessWorker, wanted: Callable[[str], bool], apart: float = APART
) -> list[Scrape]:
    """The first answer that is ``wanted``, and one some seconds later, which shows how fast counts grow."""
    first = Scrape(time.monotonic(), await worker.metrics_with(wanted))
    await asyncio.sleep(apart)
    return [first, Scrape(time.monotonic(), await worker.metrics())]


class Meeting:
    """Three people who talk all the time, as a page reports them: as fast as time passes, from the first report on."""

    def __init__(
        self, change: Callable[[Frame], Frame | None] = lambda frame: frame, share: float = 1.0
    ) -> None:
        """``change`` alters or drops a frame before it reaches the tap; ``share`` of what arrives is tapped."""
        talkers = [
            Talker(
                csrc=slot + 1,
                slot=slot,
                turns=[(0, 3600)],
                payloads=[packet.payload for packet in load_voice(voice).speech],
            )
            for slot, voice in enumerate(VOICES)
        ]
        self._batches = (event for event in synthetic_tape(talkers, 3600) if isinstance(event, FrameBatch))
        self._change = change
        self._share = share
        self._received = [0, 0, 0]
        self._begun = time.time()
        self._seconds = 0.0

    def advance(self, call: ScriptedCall) -> None:
        """The page reports what has happened since its last report."""
        if self._seconds == 0.0:
            self._begun = time.time()
        while self._begun + self._seconds <= time.time():
            self._seconds += 0.1
            batch = next(self._batches)
            changed = [self._change(self._at_its_time(frame)) for frame in batch.frames]
            frames = [frame for frame in changed if frame is not None]
            call.page(FrameBatch(batch.document, batch.sequence, batch.dropped, frames))
            for frame in frames:
                self._received[frame.receiver] += 1
        for receiver, received in enumerate(self._received):
            call.page(report(receiver, received, int(received * self._share)))

    def _at_its_time(self, frame: Frame) -> Frame:
        return msgspec.structs.replace(frame, arrival=frame.arrival - STARTED_AT + self._begun)


def report(receiver: int, received: int, tapped: int) -> ReceiverReport:
    return ReceiverReport(
        at=time.time(),
        document=1,
        receiver=receiver,
        packets_received=received,
        packets_lost=0,
        frames_tapped=tapped,
    )


def in_call(act: Callable[[ScriptedCall], None], over: asyncio.Event) -> Script:
    """Records, and does ``act`` again and again, until ``over`` or stopped."""

    async def script(call: ScriptedCall) -> Ending:
        call.enter(State.IN_CALL_NOT_RECORDING)
        call.enter(State.IN_CALL_RECORDING)
        while not (over.is_set() or call.stopped.done()):
            act(call)
            await asyncio.wait([call.stopped], timeout=0.05)
        if call.stopped.done():
            return call.stopped.result()
        return Ending(Reason.MEETING_ENDED, "scripted", time.time())

    return script


async def during_a_call(
    bench: Bench,
    wanted: Callable[[str], bool],
    act: Callable[[ScriptedCall], None] | None = None,
    begun: Callable[[], None] = lambda: None,
    apart: float = APART,
    **changed: object,
) -> list[Pod]:
    """A worker in a call, scraped twice once its metrics are ``wanted``; ``begun`` is called when it records."""
    over = asyncio.Event()
    bench.dispatch()
    async with bench.worker(in_call(act or Meeting().advance, over), **changed) as worker:
        await worker.metrics_with(lambda text: value(text, "state", meetstems_state="in_call_recording") == 1)
        begun()
        scrapes = await two_scrapes(worker, wanted, apart)
        bench.proxy.recover()
        over.set()
    return [Pod("a", scrapes)]


# Capture.


@fires("MeetstemsDeafTap")
async def deaf(bench: Bench) -> list[Pod]:
    """It is over before the first scrape, as a deaf attempt ends after 10 s."""
    meeting = Meeting()
    judge = DeafnessJudge()
    received, found = 0, False

    def act(call: ScriptedCall) -> None:
        nonlocal received, found
        meeting.advance(call)
        received += 5
        reported = report(3, received, received if found else 0)
        found = found or judge.judge(reported) is not None
        call.page(reported)

    return await during_a_call(
        bench,
        lambda text: value(text, "deaf_taps_total") == 1 and value(text, "deaf_slots") == 0,
        act,
    )


@fires("MeetstemsDeliveredLow")
async def half_tapped(bench: Bench) -> list[Pod]:
    meeting = Meeting(share=0.5)
    return await during_a_call(
        bench, lambda text: value(text, "slot_packets_total", stage="tapped") > 50, meeting.advance
    )


@fires("MeetstemsLossHigh")
async def lossy(bench: Bench) -> list[Pod]:
    meeting = Meeting(lambda frame: None if frame.sequence % 10 == 0 else frame)
    return await during_a_call(
        bench,
        lambda text: (
            value(text, "packets_total", fate="lost") > 50
            and value(text, "packets_total", fate="received") > 500
        ),
        meeting.advance,
    )


@fires("MeetstemsUnattributed")
async def without_sources(bench: Bench) -> list[Pod]:
    meeting = Meeting(
        lambda frame: msgspec.structs.replace(frame, csrcs=()) if frame.sequence % 10 == 0 else frame
    )
    return await during_a_call(
        bench,
        lambda text: (
            value(text, "frames_tapped_total") > 600 and value(text, "unattributed_packets_total") > 0
        ),
        meeting.advance,
    )


@fires("MeetstemsEncodedPath")
async def encoded_path(bench: Bench) -> list[Pod]:
    def act(call: ScriptedCall) -> None:
        call.page(AudioPathSeen(at=time.time(), document=1, path="encoded"))

    return await during_a_call(bench, lambda text: value(text, "encoded_audio_path") == 1, act)


@fires("MeetstemsPageDrops")
async def page_drops(bench: Bench) -> list[Pod]:
    """Once, before the first scrape."""
    dropped = [PageDropped(at=time.time(), document=1, what="channel_message", count=3)]

    def act(call: ScriptedCall) -> None:
        call.page(*dropped)
        dropped.clear()

    return await during_a_call(
        bench, lambda text: value(text, "page_dropped_total", what="channel_message") > 0, act
    )


@fires("MeetstemsMemoryHigh")
async def much_memory(bench: Bench) -> list[Pod]:
    ballast = b"\1" * BALLAST
    pods = await during_a_call(bench, lambda text: True)
    del ballast
    return pods


@fires("MeetstemsRecordedLow")
async def records_nothing(bench: Bench) -> list[Pod]:
    """The bot is in the call and says that it records, and the page reports nothing."""
    return await during_a_call(
        bench,
        lambda text: value(text, "in_call_seconds_total", state="in_call_recording") > 0,
        lambda call: None,
    )


# Delivery.


def writes(part: str) -> Callable[[Request], bool]:
    """Requests that write an object whose key has ``part``."""
    return lambda request: request.method in {"PUT", "POST"} and part in request.path


def calls(action: str) -> Callable[[Request], bool]:
    """Requests of this action of SQS."""
    return lambda request: request.target == f"AmazonSQS.{action}"


@fires("MeetstemsUploadLag")
async def tape_cannot_be_uploaded(bench: Bench) -> list[Pod]:
    bench.proxy.fail(Fault.INTERNAL_ERROR, matches=writes("/tape/"))
    # The worker updates the lag each second.
    return await during_a_call(bench, lambda text: value(text, "upload_lag_seconds") > 1, apart=3.0)


async def _files_cannot_be_uploaded(bench: Bench, wanted: Callable[[str], bool]) -> list[Pod]:
    async def script(call: ScriptedCall) -> Ending:
        over = asyncio.Event()
        over.set()
        return await in_call(Meeting().advance, over)(call)

    bench.dispatch()
    bench.proxy.fail(Fault.INTERNAL_ERROR, matches=writes("/files/"))
    async with bench.worker(script) as worker:
        return [Pod("a", await two_scrapes(worker, wanted))]


@fires("MeetstemsStuckAtEnd")
async def stuck_at_end(bench: Bench) -> list[Pod]:
    return await _files_cannot_be_uploaded(
        bench, lambda text: value(text, "state", meetstems_state="uploading") == 1
    )


@fires("MeetstemsUploadStuck")
async def upload_stuck(bench: Bench) -> list[Pod]:
    return await _files_cannot_be_uploaded(bench, lambda text: value(text, "upload_stuck") == 1)


@fires("MeetstemsLeaseLost")
async def lease_taken(bench: Bench) -> list[Pod]:
    def take() -> None:
        record = LeaseRecord(owner="another worker", attempt=2, expires_at=time.time() + 600)
        bench.cloud.store.put(
            bench.cloud.keys.lease, msgspec.json.encode(record), content_type="application/json"
        )

    return await during_a_call(
        bench,
        lambda text: value(text, "lease_operations_total", operation="renew", result="refused") > 0,
        begun=take,
    )


@fires("MeetstemsLeaseUnproven")
async def lease_cannot_be_renewed(bench: Bench) -> list[Pod]:
    return await during_a_call(
        bench,
        lambda text: value(text, "lease_unproven") == 1,
        begun=partial(bench.proxy.fail, Fault.INTERNAL_ERROR, matches=writes("lease.json")),
    )


@fires("MeetstemsHeartbeatFails")
async def message_cannot_be_kept(bench: Bench) -> list[Pod]:
    """The failures come before the first scrape, and no more of them after it."""
    pods = await during_a_call(
        bench,
        lambda text: value(text, "queue_operations_total", operation="extend", result="error") > 2,
        begun=partial(bench.proxy.fail, Fault.INTERNAL_ERROR, matches=calls("ChangeMessageVisibility")),
    )
    return [pod._replace(scrapes=pod.scrapes[:1]) for pod in pods]


@fires("MeetstemsEventsBacklog")
async def events_cannot_be_sent(bench: Bench) -> list[Pod]:
    bench.proxy.fail(Fault.INTERNAL_ERROR, matches=calls("SendMessage"))
    return await during_a_call(bench, lambda text: value(text, "events_backlog") > 0)


# Fleet.


async def _ended(bench: Bench, script: Script, number: int) -> Pod:
    """A worker whose job has ended."""
    bench.dispatch(f"bot-{number}")
    async with bench.worker(script) as worker:
        text = await worker.metrics_with(lambda text: value(text, "outcomes_total") == 1)
        return Pod(f"pod-{number}", [Scrape(time.monotonic(), text)], lasts=60)


@fires("MeetstemsBlocked")
async def blocked(bench: Bench) -> list[Pod]:
    return [await _ended(bench, refused, number) for number in range(5)]


@fires("MeetstemsFailing")
async def failing(bench: Bench) -> list[Pod]:
    return [await _ended(bench, broken, number) for number in range(5)]


@fires("MeetstemsRedelivered")
async def redelivered(bench: Bench) -> list[Pod]:
    bench.dispatch()
    for _ in range(2):
        delivery = bench.cloud.jobs.receive(0)
        assert delivery is not None
        bench.cloud.jobs.give_back(delivery.receipt)
    async with bench.worker(refused) as worker:
        return [Pod("a", await two_scrapes(worker, lambda text: value(text, "job_receives") == 3))]


def sent_before(seconds: float) -> Any:
    """Makes SQS say that a received message was sent ``seconds`` earlier."""

    async def shifted(*arguments: Any) -> Delivery | None:
        delivery = await next_delivery(*arguments)
        return delivery and delivery._replace(sent_at=delivery.sent_at - seconds)

    return patch.object(consumer, "next_delivery", shifted)


@fires("MeetstemsJobsWait")
async def jobs_wait(bench: Bench) -> list[Pod]:
    with sent_before(600):
        return await during_a_call(bench, lambda text: value(text, "job_wait_seconds_count") == 1)


async def far_join_at(bench: Bench) -> list[Pod]:
    """A job that was sent two hours ago and joins in another: it does not wait, it is not due."""
    bench.dispatch(join_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600)))
    with sent_before(7200):
        async with bench.worker(refused) as worker:
            text = await worker.metrics_with(
                lambda text: value(text, "queue_operations_total", operation="give_back") == 1
            )
            return [Pod("far", [Scrape(time.monotonic(), text)])]


@fires("MeetstemsLongLobby")
async def long_lobby(bench: Bench) -> list[Pod]:
    over = asyncio.Event()

    async def script(call: ScriptedCall) -> Ending:
        call.enter(State.WAITING_ROOM)
        await over.wait()
        return Ending(Reason.WAITING_ROOM_TIMEOUT, "scripted", time.time())

    bench.dispatch()
    async with bench.worker(script) as worker:
        scrapes = await two_scrapes(
            worker, lambda text: value(text, "state", meetstems_state="waiting_room") == 1
        )
        over.set()
    return [Pod("a", scrapes)]


@fires("MeetstemsJobsDelayed")
async def jobs_delayed(bench: Bench) -> list[Pod]:
    """The bucket refuses what the worker did not try before it received the job."""
    bench.dispatch()
    bench.proxy.fail(Fault.INTERNAL_ERROR, matches=writes("/attempts/"))
    async with bench.worker(refused, retry_seconds=1.0) as worker:
        return [Pod("a", await two_scrapes(worker, lambda text: value(text, "jobs_delayed_total") > 0))]


# Queues.


async def watched(bench: Bench) -> Pod:
    """A watch of the queues that polls and is scraped twice."""
    registry = CollectorRegistry()
    aws = msgspec.structs.replace(bench.cloud.embedded.aws, endpoint_url=bench.cloud.url)
    urls = {JOBS: bench.cloud.embedded.jobs_url, EVENTS: bench.cloud.embedded.events_url}
    watch = QueueWatch(QueueMetrics(registry), partial(read_queue, sqs_client(aws)), urls)
    scrapes = []
    with HealthServer(registry, Health(CaptureHealth()), 0) as server:
        for _ in range(2):
            await asyncio.to_thread(watch.poll)
            text = await BrowserlessWorker(server.port).metrics()
            scrapes.append(Scrape(time.monotonic(), text))
            await asyncio.sleep(APART)
    return Pod("watch", scrapes)


@fires("MeetstemsFleetGone")
async def fleet_gone(bench: Bench) -> list[Pod]:
    bench.dispatch()
    return [await watched(bench)]


@fires("MeetstemsQueueWaits")
async def queue_waits(bench: Bench) -> list[Pod]:
    """All workers are busy: one records since an hour ago, and another job waits."""
    (busy,) = await during_a_call(bench, lambda text: True)
    bench.dispatch("bot-2")
    return [busy, await watched(bench)]


@fires("MeetstemsDeadLetters")
async def dead_letters(bench: Bench) -> list[Pod]:
    bench.cloud.jobs.send("{}")
    async with bench.worker(refused):
        await bench.cloud.until(lambda: bench.cloud.waiting_jobs() == 0)
    return [await watched(bench)]


@fires("MeetstemsQueueUnwatched")
async def unwatched(bench: Bench) -> list[Pod]:
    bench.proxy.fail(Fault.RESET)
    with patch.object(queue_counts, "RETRY", RetryPolicy(budget=0.1)):
        return [await watched(bench)]


# The server of the API.


def served(api: Api) -> Scrape:
    """What the server has at /metrics."""
    return Scrape(time.monotonic(), generate_latest(api.services.metrics.registry).decode())


async def asked(api: Api) -> list[Pod]:
    """A server that is asked, as often again each APART seconds."""
    scrapes = [served(api)]
    async with api.client() as client:
        for _ in range(30):
            await client.get("/api/v1/bots")
    last = served(api)
    scrapes.append(last._replace(at=scrapes[0].at + APART))
    return [Pod("server", scrapes)]


def server_over(bench: Bench, budget: float = 10.0) -> Api:
    """A server whose store is the case's, behind its proxy; it gives a request up after ``budget`` seconds."""
    aws = msgspec.structs.replace(bench.cloud.embedded.aws, endpoint_url=bench.cloud.url)
    store = S3Store(s3_client(aws), bench.cloud.embedded.bucket, retry=RetryPolicy(budget=budget))
    bench.folder.mkdir(parents=True, exist_ok=True)
    return Api(bench.folder, store=store)


@fires("MeetstemsApiFailing")
async def api_without_store(bench: Bench) -> list[Pod]:
    api = server_over(bench, budget=0.0)
    bench.proxy.fail(Fault.INTERNAL_ERROR)
    return await asked(api)


@fires("MeetstemsApiSlow")
async def slow_api(bench: Bench) -> list[Pod]:
    """Its clock goes by three seconds at each look."""
    clock = SimpleNamespace(monotonic=count(0.0, 3.0).__next__)
    with patch.object(request_log, "time", clock):
        return await asked(server_over(bench))


@fires("MeetstemsDueNotDispatched")
async def due_not_dispatched(bench: Bench) -> list[Pod]:
    """The queue does not answer to the server, neither at once nor later."""
    api = server_over(bench)
    api.desk.error = RefusedError("SQS: refused")
    async with api.client() as client:
        await client.post("/api/v1/bots/create_bot", json={"meeting_link": LINK})
    api.now += 600
    async with serving(api.app):
        await until(lambda: value(served(api).text, "api_oldest_due_seconds") > 0)
        return [Pod("server", [served(api)])]


async def webhooks_of(metrics: Callable[[WebhookMetrics], None]) -> list[Pod]:
    """A server whose webhooks fare as ``metrics`` says."""
    registry = CollectorRegistry()
    metrics(WebhookMetrics(registry))
    return [Pod("server", [Scrape(time.monotonic(), generate_latest(registry).decode())])]


@fires("MeetstemsWebhooksWait")
async def webhooks_wait(bench: Bench) -> list[Pod]:
    return await webhooks_of(lambda metrics: metrics.set_oldest_due(400.0))


@fires("MeetstemsWebhooksGivenUp")
async def webhooks_given_up(bench: Bench) -> list[Pod]:
    return await webhooks_of(lambda metrics: metrics.attempted("recall", "failed", 15.0))


# Live streams.


def live_of(*scrapes: Callable[[LiveMetrics], None]) -> list[Pod]:
    """A worker whose live streams fare as each of ``scrapes`` says, APART seconds after the one before."""
    registry, now = CollectorRegistry(), time.monotonic()
    metrics = LiveMetrics(registry)
    made: list[Scrape] = []
    for number, happens in enumerate(scrapes):
        happens(metrics)
        made.append(Scrape(now + number * APART, generate_latest(registry).decode()))
    return [Pod("a", made)]


@fires("MeetstemsLiveFailed")
async def live_failed(bench: Bench) -> list[Pod]:
    return live_of(lambda metrics: metrics.failed(Transport.WEBSOCKET, LiveForm.RECALL))


@fires("MeetstemsLiveLate")
async def live_late(bench: Bench) -> list[Pod]:
    def send(metrics: LiveMetrics) -> None:
        for _ in range(50):
            metrics.lag(Transport.WEBSOCKET, LiveForm.RECALL, 2.0)

    return live_of(send, send)


# Nothing.


async def orderly_hour(bench: Bench) -> list[Pod]:
    """A worker that records an hour and ends, beside queues without messages."""
    over = asyncio.Event()
    bench.dispatch()
    async with bench.worker(in_call(Meeting().advance, over), lease_seconds=6.0) as worker:
        scrapes = await two_scrapes(
            worker,
            lambda text: (
                value(text, "recorded_seconds_total") > 5
                and value(text, "lease_operations_total", operation="renew", result="ok") > 0
                and value(text, "queue_operations_total", operation="extend", result="ok") > 0
            ),
        )
        over.set()
        end = await worker.metrics_with(lambda text: value(text, "outcomes_total") == 1)
    worker_pod = Pod("a", scrapes, lasts=3600, end=[Scrape(time.monotonic(), end)] * 3)
    bench.cloud.events()
    api = server_over(bench)
    async with serving(api.app):
        (server,) = await asked(api)
    return [worker_pod, await watched(bench), server]
