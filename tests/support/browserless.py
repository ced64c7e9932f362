"""``meetstems run`` in this process without a browser.

Queue, lease, tape, files, uploads, reports and /metrics are real; what a page would report is scripted.
"""

from __future__ import annotations

import asyncio
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import msgspec

from tests.support.worker_process import Cloud
from worker.jobs import attempt as attempt_module
from worker.jobs import preflight
from worker.jobs.consumer import run_from_queue
from worker.lifecycle.ending import Ending
from worker.reasons import Reason
from worker.recording.deafness_watch import DeafnessWatch
from worker.recording.observer import RecordingObserver
from worker.recording.outcome import RecordingOutcome, RecordingRequest
from worker.recording.recorder import Recorder
from worker.rendering.deferred import DeferredRenderer, OpenRenderer
from worker.rendering.output import TAPE_FOLDER, claim_output
from worker.settings import BrowserSettings, WorkerSettings
from worker.states import State
from worker.tape.events import (
    TAPE_VERSION,
    FrameBatch,
    PageEvent,
    RecordingEnded,
    RecordingStarted,
    StateChanged,
    TapeStarted,
)
from worker.tape.writer import TapeWriter

WITHIN: Final = 60.0
"""Seconds for anything that a test waits for."""

PART_SECONDS: Final = 0.2
"""Seconds in a part of the tape, so that a short call has some."""


class ScriptedCall:
    """A call as the page reports it. Its script calls these methods, and ends it by returning why."""

    def __init__(
        self, recorder: Recorder, observer: RecordingObserver, stopped: asyncio.Future[Ending]
    ) -> None:
        self._recorder = recorder
        self._observer = observer
        self._take = DeafnessWatch(recorder.take).take
        self.stopped = stopped

    def enter(self, state: State, reason: Reason | None = None) -> None:
        """The lifecycle enters ``state``. Recording begins with IN_CALL_RECORDING."""
        now = time.time()
        if state is State.IN_CALL_RECORDING:
            self._recorder.take(RecordingStarted(at=now))
        self._observer.state(state, reason)
        self._recorder.take(StateChanged(at=now, state=state, reason=reason or ""))

    def page(self, *events: FrameBatch | PageEvent) -> None:
        """The page reports ``events``."""
        for event in events:
            self._take(event)
        if progress := self._recorder.progress():
            self._observer.update(progress)


Script = Callable[[ScriptedCall], Awaitable[Ending]]


async def refused(call: ScriptedCall) -> Ending:
    """The platform does not let the bot in."""
    del call
    return Ending(Reason.BLOCKED_BY_PLATFORM, "scripted", time.time())


async def broken(call: ScriptedCall) -> Ending:
    """Something of ours fails before the call."""
    del call
    return Ending(Reason.INTERNAL_ERROR, "scripted", time.time())


class BrowserlessWorker:
    """A running worker; made by ``browserless``."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def metrics(self) -> str:
        """What Prometheus would get now; waits until the worker serves it."""
        deadline = time.monotonic() + WITHIN
        while True:
            try:
                return await asyncio.to_thread(self.scrape)
            except (OSError, urllib.error.URLError):
                assert time.monotonic() < deadline, "no /metrics"
                await asyncio.sleep(0.02)

    async def metrics_with(self, wanted: Callable[[str], bool]) -> str:
        """The first answer that is ``wanted``."""
        deadline = time.monotonic() + WITHIN
        while not wanted(text := await self.metrics()):
            assert time.monotonic() < deadline, text
            await asyncio.sleep(0.05)
        return text

    async def scrape_until(self, ended: asyncio.Future[Any]) -> None:
        """Scrapes until ``ended`` is done, as the worker waits for its last scrapes."""
        while not ended.done():
            with suppress(OSError, urllib.error.URLError):
                await asyncio.to_thread(self.scrape)
            await asyncio.wait([ended], timeout=0.1)

    def scrape(self) -> str:
        """What Prometheus would get now. Raises OSError."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            return str(answer.read().decode())


@asynccontextmanager
async def browserless(
    cloud: Cloud, script: Script, work: Path, port: int, **changed: object
) -> AsyncIterator[BrowserlessWorker]:
    """Runs a worker that takes one job, whose calls follow ``script``. ``changed`` are fields of WorkerSettings.

    After the block the worker's end is awaited: the block has to let it end. The worker waits for two scrapes after its job.
    """
    await asyncio.to_thread(work.mkdir, parents=True, exist_ok=True)
    settings = WorkerSettings(
        bucket=cloud.embedded.bucket,
        jobs_queue_url=cloud.embedded.jobs_url,
        events_queue_url=cloud.embedded.events_url,
        aws_endpoint_url=cloud.url,
        work_folder=work,
        visibility_seconds=3,
        lease_seconds=2.0,
        retry_seconds=WITHIN,
        most_attempts=5,
        metrics_port=port,
        linger_seconds=WITHIN,
        log_json=True,
    )
    aws = msgspec.structs.replace(cloud.embedded.aws, endpoint_url=cloud.url)
    with (
        patch.object(attempt_module, "attend", _scripted(script)),
        patch.object(preflight, "launch_browser", _no_browser),
    ):
        running = asyncio.create_task(
            run_from_queue(
                BrowserSettings(), msgspec.structs.replace(settings, **changed), aws, forever=False
            )
        )
        worker = BrowserlessWorker(port)
        try:
            yield worker
            async with asyncio.timeout(WITHIN):
                await worker.scrape_until(running)
            await running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def _no_browser(settings: BrowserSettings) -> AsyncIterator[None]:
    """In the place of worker.browser.launch.launch_browser."""
    del settings
    yield


def _scripted(script: Script) -> Callable[..., Awaitable[RecordingOutcome]]:
    """In the place of worker.recording.session.attend."""

    async def attend(
        request: RecordingRequest,
        settings: BrowserSettings,
        observer: RecordingObserver,
        open_renderer: OpenRenderer,
        stopped: asyncio.Future[Ending],
    ) -> RecordingOutcome:
        del settings
        claim_output(request.output)
        with TapeWriter(request.output / TAPE_FOLDER, observer.part_closed, PART_SECONDS) as tape:
            recorder = Recorder(tape, DeferredRenderer(open_renderer), observers=[observer.event])
            call = ScriptedCall(recorder, observer, stopped)
            recorder.take(
                TapeStarted(
                    at=time.time(),
                    version=TAPE_VERSION,
                    bot_id=request.bot_id,
                    platform=request.link.platform,
                    meeting_url=request.link.shown,
                    bot_name=request.bot_name,
                )
            )
            call.enter(State.JOINING)
            ending = await script(call)
            if recorder.begun:
                recorder.take(RecordingEnded(at=ending.at, reason=ending.reason, detail=ending.detail))
            call.enter(State.LEAVING, ending.reason)
            admitted = recorder.begun
            call.enter(State.FATAL if ending.reason.is_cut_off or not admitted else State.DONE, ending.reason)
            return RecordingOutcome(
                ending=ending,
                admitted=admitted,
                manifest=recorder.finish(),
                error=recorder.error,
                first_packet_after=0.1 if admitted else None,
                files_closed_after=0.1,
                cost=None,
            )

    return attend
