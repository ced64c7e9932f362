"""How soon after a long meeting everything is uploaded and reported, with an embedded S3 and SQS."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from tests.support.conversation import conversation
from tests.support.tapes import synthetic_tape
from worker.contracts.parse_job import parse_job
from worker.contracts.status import AUDIO_SUCCESS, BotStatus
from worker.delivery.aws_clients import s3_client, sqs_client
from worker.delivery.bucket_layout import bot_keys
from worker.delivery.embedded_aws import Embedded, embedded_aws
from worker.delivery.events_queue import EventsQueue
from worker.delivery.object_store import NotFoundError, S3Store
from worker.delivery.retries import RetryPolicy
from worker.jobs import attempt
from worker.jobs.context import WorkerContext
from worker.jobs.disposition import Disposition
from worker.jobs.job_run import run_job
from worker.lifecycle.ending import Ending
from worker.monitoring.logs import LogTail
from worker.monitoring.metrics import Metrics
from worker.reasons import Reason
from worker.recording.observer import RecordingObserver
from worker.recording.outcome import RecordingOutcome, RecordingRequest
from worker.recording.recorder import Recorder
from worker.recording.session import PART_SECONDS
from worker.rendering.deferred import DeferredRenderer, OpenRenderer
from worker.rendering.output import TAPE_FOLDER
from worker.settings import BrowserSettings, WorkerSettings
from worker.tape.events import FrameBatch, RecordingEnded, TapeEvent, VideoBatch
from worker.tape.writer import TapeWriter

pytestmark = pytest.mark.timeout(1800)

HOUR = 3600.0
JOB = b"""{"bot_id": "bot-1", "meeting_link": "https://meet.google.com/abc-defg-hij", "bot_name": "Notes",
    "audio_separate_streams": true}"""


class Replayed:
    """Replaces the recording of a call: plays a whole meeting as fast as possible, then waits for the stop."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.on_tape = asyncio.Event()
        """Set once the whole meeting is on the tape."""
        self.ended_at = 0.0

    async def attend(
        self,
        request: RecordingRequest,
        settings: BrowserSettings,
        observer: RecordingObserver,
        open_renderer: OpenRenderer,
        stopped: asyncio.Future[Ending],
    ) -> RecordingOutcome:
        now = 0.0

        def clock() -> float:
            return now

        with TapeWriter(request.output / TAPE_FOLDER, observer.part_closed, PART_SECONDS) as tape:
            recorder = Recorder(tape, DeferredRenderer(open_renderer), clock, [observer.event])
            for number, event in enumerate(_events(self._seconds)):
                now = (
                    event.frames[-1].arrival
                    if isinstance(event, FrameBatch | VideoBatch)
                    else max(now, event.at)
                )
                recorder.take(event)
                if number % 100 == 0:
                    await asyncio.sleep(0)
            self.on_tape.set()
            stop = await stopped
            self.ended_at = time.monotonic()
            recorder.take(RecordingEnded(at=now, reason=stop.reason, detail=stop.detail))
            return RecordingOutcome(stop, True, recorder.finish(), recorder.error, None, None, None)


def _events(seconds: float) -> Iterator[TapeEvent]:
    for event in synthetic_tape(conversation(seconds), seconds, jitter=0.005):
        if not isinstance(event, RecordingEnded):
            yield event


@pytest.fixture
def aws() -> Iterator[Embedded]:
    with embedded_aws() as embedded:
        yield embedded


async def finish(
    seconds: float, aws: Embedded, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[float, float]:
    """Seconds from the end of the meeting to the status Success, and to the sent result."""
    replayed = Replayed(seconds)
    monkeypatch.setattr(attempt, "attend", replayed.attend)
    worker_settings = WorkerSettings(bucket=aws.bucket, memory_limit=None)
    with closing(s3_client(aws.aws)) as s3, closing(sqs_client(aws.aws)) as sqs:
        store = S3Store(s3, aws.bucket, retry=RetryPolicy(budget=60.0))
        events = EventsQueue(sqs, aws.events_url)
        stopped: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        context = WorkerContext(
            browser_settings=BrowserSettings(),
            worker_settings=worker_settings,
            aws=aws.aws,
            store=store,
            events=events,
            metrics=Metrics(CollectorRegistry()),
            log_about=lambda _bot, _attempt, _redactor: LogTail(),
            stopped=stopped,
            owner="bench",
            work=folder / "work",
            clock=time.time,
            steady=time.monotonic,
        )
        running = asyncio.create_task(
            run_job(
                parse_job(JOB, lambda: "other"), context, sent_at=time.time(), ends_by=None, give_up=False
            )
        )
        await asyncio.wait(
            [running, asyncio.create_task(replayed.on_tape.wait())], return_when="FIRST_COMPLETED"
        )
        stopped.set_result(Ending(Reason.INTERRUPTED, "SIGINT", time.time()))
        success = asyncio.create_task(asyncio.to_thread(_until_success, store))
        assert await running is Disposition.DONE
        reported = time.monotonic()
        events.close()
        return await success - replayed.ended_at, reported - replayed.ended_at


def _until_success(store: S3Store) -> float:
    key = bot_keys("", "bot-1").status
    while True:
        try:
            status = msgspec.json.decode(store.get(key).data, type=BotStatus)
        except NotFoundError:
            continue
        if status.audio_status == AUDIO_SUCCESS:
            return time.monotonic()
        time.sleep(0.02)


@pytest.mark.parametrize(("hours", "success", "everything"), [(1, 3.0, 30.0), (4, 20.0, 60.0)])
async def test_a_long_meeting_is_uploaded_and_reported_in_time(
    hours: int,
    success: float,
    everything: float,
    aws: Embedded,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ready, reported = await finish(hours * HOUR, aws, tmp_path, monkeypatch)
    print(
        f"\n{hours} h: audio_streams.json is Success after {ready:.2f} s, the result is sent after {reported:.2f} s"
    )
    assert ready <= success
    assert reported <= everything
