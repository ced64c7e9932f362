"""Whole jobs without a browser: a replayed meeting replaces the recording of a call; S3, SQS and all the rest are real."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

import msgspec
from prometheus_client import CollectorRegistry

from tests.support.fault_proxy import Request
from tests.support.tapes import STARTED_AT, Talker, synthetic_tape
from tests.support.worker_process import BOT, Cloud, s3_of, sqs_of
from worker.delivery.events_queue import EventsQueue
from worker.delivery.jobs_queue import JobsQueue
from worker.delivery.object_store import S3Store
from worker.delivery.retries import RetryPolicy
from worker.jobs.consumer import JobConsumer
from worker.jobs.context import WorkerContext
from worker.lifecycle.ending import Ending
from worker.monitoring.logs import LogTail
from worker.monitoring.metrics import Metrics
from worker.reasons import Reason
from worker.recording.observer import RecordingObserver
from worker.recording.outcome import RecordingOutcome, RecordingRequest
from worker.recording.recorder import Recorder
from worker.rendering.deferred import DeferredRenderer, OpenRenderer
from worker.rendering.output import TAPE_FOLDER
from worker.settings import BrowserSettings, WorkerSettings
from worker.states import State
from worker.tape.events import FrameBatch, RecordingEnded, TapeEvent, VideoBatch
from worker.tape.parts import PART_PATTERN
from worker.tape.writer import TapeWriter

SECONDS: Final = 6.0
PART_SECONDS: Final = 2.0
PAYLOADS: Final = [bytes([0xF8, number, 7]) * 20 for number in range(50)]
QUICK: Final = RetryPolicy(budget=20.0, first_wait=0.01, longest_wait=0.05)

JOB: Final = {
    "bot_id": BOT,
    "meeting_link": "https://meet.google.com/abc-defg-hij",
    "bot_name": "Notes",
    "audio_separate_streams": True,
}


class Visit(NamedTuple):
    """A bot's time in the call. ``reason``: why it ends; None: it lasts until the bot is stopped. ``after`` is set from outside
    before it ends by itself; ``error``: raised instead of a recording. ``is_now``: the meeting ends now, by the worker's clock.
    """

    reason: Reason | None = Reason.MEETING_ENDED
    after: asyncio.Event | None = None
    error: Exception | None = None
    is_now: bool = False


class ReplayedCall:
    """Replaces ``worker.jobs.attempt.attend``: each visit plays the same meeting of SECONDS at once."""

    def __init__(self, *visits: Visit) -> None:
        self._visits = list(visits)
        self.on_tape = asyncio.Event()
        """Set once a meeting is on the tape; the tape's last part is still open."""
        self.parts: dict[tuple[str, str], bytes] = {}
        """Each part of each tape by the names of attempt and part."""
        self.requests: list[RecordingRequest] = []
        self.began: list[float] = []
        """When each recording began, in Unix seconds."""

    async def attend(
        self,
        request: RecordingRequest,
        settings: BrowserSettings,
        observer: RecordingObserver,
        open_renderer: OpenRenderer,
        stopped: asyncio.Future[Ending],
    ) -> RecordingOutcome:
        visit = self._visits.pop(0)
        self.requests.append(request)
        if visit.error is not None:
            raise visit.error
        tape = request.output / TAPE_FOLDER
        try:
            return await self._record(visit, tape, observer, open_renderer, stopped)
        finally:
            attempt = request.output.parent.name.removeprefix("attempt-")
            for path in tape.glob(PART_PATTERN):
                self.parts[attempt, path.name] = path.read_bytes()

    async def _record(
        self,
        visit: Visit,
        folder: Path,
        observer: RecordingObserver,
        open_renderer: OpenRenderer,
        stopped: asyncio.Future[Ending],
    ) -> RecordingOutcome:
        now = began = time.time() - SECONDS if visit.is_now else STARTED_AT
        self.began.append(began)
        with TapeWriter(folder, observer.part_closed, PART_SECONDS) as tape:
            recorder = Recorder(tape, DeferredRenderer(open_renderer), lambda: now, [observer.event])
            observer.state(State.JOINING)
            observer.state(State.IN_CALL_RECORDING)
            for event in meeting(began=began):
                now = (
                    event.frames[-1].arrival
                    if isinstance(event, FrameBatch | VideoBatch)
                    else max(now, event.at)
                )
                recorder.take(event)
            self.on_tape.set()
            ending = await self._ending(visit, stopped)
            observer.state(State.LEAVING, ending.reason)
            recorder.take(RecordingEnded(at=now, reason=ending.reason, detail=ending.detail))
            manifest = recorder.finish()
        return RecordingOutcome(ending, True, manifest, recorder.error, None, None, None)

    async def _ending(self, visit: Visit, stopped: asyncio.Future[Ending]) -> Ending:
        if visit.reason is None:
            return await stopped
        if visit.after is not None:
            over = asyncio.ensure_future(visit.after.wait())
            first: list[asyncio.Future[Any]] = [over, stopped]
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            over.cancel()
            if not visit.after.is_set():
                return stopped.result()
        return Ending(visit.reason, "as the test has it", time.time())


def meeting(seconds: float = SECONDS, began: float = STARTED_AT) -> Iterator[TapeEvent]:
    """One person talks nearly all the time. Without an end."""
    talker = Talker(csrc=1001, slot=0, turns=[(0.5, seconds - 0.5)], payloads=PAYLOADS)
    for event in synthetic_tape([talker], seconds):
        if not isinstance(event, RecordingEnded):
            yield _moved(event, began - STARTED_AT) if began != STARTED_AT else event


def _moved(event: TapeEvent, seconds: float) -> TapeEvent:
    if isinstance(event, VideoBatch):
        shown = [msgspec.structs.replace(each, arrival=each.arrival + seconds) for each in event.frames]
        return msgspec.structs.replace(event, frames=shown)
    if not isinstance(event, FrameBatch):
        return msgspec.structs.replace(event, at=event.at + seconds)
    frames = [msgspec.structs.replace(each, arrival=each.arrival + seconds) for each in event.frames]
    return msgspec.structs.replace(event, frames=frames)


def send_job(cloud: Cloud, **fields: object) -> None:
    cloud.jobs.send(msgspec.json.encode({**JOB, **fields}).decode())


def worker_context(
    cloud: Cloud,
    folder: Path,
    *,
    owner: str = "worker-1",
    registry: CollectorRegistry | None = None,
    events_url: str | None = None,
    **settings: Any,
) -> WorkerContext:
    """The context of a worker whose requests go to ``cloud.url``. The caller closes its events."""
    embedded = cloud.embedded
    aws = msgspec.structs.replace(embedded.aws, endpoint_url=cloud.url)
    return WorkerContext(
        browser_settings=BrowserSettings(),
        worker_settings=WorkerSettings(
            **{"bucket": embedded.bucket, "work_folder": folder, "retry_seconds": 20.0, **settings}
        ),
        aws=aws,
        store=S3Store(s3_of(aws), embedded.bucket, retry=QUICK),
        events=EventsQueue(sqs_of(aws), events_url or embedded.events_url, retry=QUICK),
        metrics=Metrics(registry or CollectorRegistry()),
        log_about=lambda _bot, _attempt, _redactor: LogTail(),
        stopped=asyncio.get_running_loop().create_future(),
        owner=owner,
        work=folder,
        clock=time.time,
        steady=time.monotonic,
    )


async def handle_next(cloud: Cloud, context: WorkerContext) -> int:
    """Receives a job and handles it; returns the exit code."""
    queue = JobsQueue(
        sqs_of(context.aws),
        cloud.embedded.jobs_url,
        visibility=context.worker_settings.visibility_seconds,
        retry=QUICK,
    )
    delivery = await asyncio.to_thread(queue.receive, 5.0)
    assert delivery is not None, "there is no job on the queue"
    return await JobConsumer(queue, delivery, context).handle()


def kind_of(request: Request) -> str:
    """What a request is for: SQS's action, or the method and the kind of the key or prefix, such as ``PUT tape/part.mcap``."""
    if request.action:
        return request.action
    query = parse_qs(urlsplit(request.path).query)
    key = request.key or query.get("prefix", [""])[0]
    key = key.removeprefix(f"bots/{BOT}/").removeprefix(f"bots/{BOT}")
    key = re.sub(r"^attempts/\d+/", "", key)
    key = re.sub(r"part-\d+", "part", re.sub(r"streams/.*\.webm", "streams/speaker.webm", key))
    return f"{request.method if request.key else 'LIST'} {key}"
