"""Records one and the same call with live consumers: the worker's attempt, whose page is a list of events at fixed times."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple
from unittest.mock import patch

import msgspec

from tests.support.bad_consumers import Consuming
from tests.support.event_sinks import ListSink
from tests.support.job_parts import context_with, job
from tests.support.live_endpoints import WatchedQueues, endpoint
from tests.support.memory_store import MemoryStore
from worker.delivery.bucket_layout import bot_keys
from worker.delivery.tape_upload import TapeUpload
from worker.jobs import attempt as attempt_module
from worker.jobs import live_sessions
from worker.jobs.attempt import AttemptPlan, run_attempt
from worker.jobs.live_sessions import LiveSessions, open_live
from worker.lifecycle.ending import Ending
from worker.monitoring.logs import LogTail
from worker.platforms.links import parse_link
from worker.reasons import Reason
from worker.recording.observer import RecordingObserver
from worker.recording.outcome import RecordingOutcome, RecordingRequest
from worker.recording.recorder import Recorder
from worker.rendering.deferred import DeferredRenderer, OpenRenderer
from worker.rendering.output import TAPE_FOLDER, claim_output
from worker.settings import BrowserSettings, LiveOptions
from worker.streaming import websocket_sender
from worker.tape.codec import LoggedEvent
from worker.tape.events import RecordingStarted
from worker.tape.writer import TapeWriter

THREADS: Final = frozenset({"lookup"})
"""Names of the threads that live streams wait for."""

PART_SECONDS: Final = 10.0
"""Seconds in a part of the tape, so that a call has several."""


class LiveRecording(NamedTuple):
    """``files`` are all files of the recording and all objects in the bucket, by path or key. ``texts`` are the messages of
    each consumer. ``left_after``: seconds of the attempt after the call's end. ``most_queued``: bytes in all queues of sockets
    at once.
    """

    files: dict[str, bytes]
    texts: list[list[str]]
    states: list[tuple[int, str]]
    left_after: float
    most_queued: int


class _Reports:
    """What is reported of the attempt, and of endpoints in ``states``."""

    recording_started_at: float | None = None

    def __init__(self) -> None:
        self.states: list[tuple[int, str]] = []

    def announced(self, at: float) -> None:
        raise AssertionError(f"nothing announces a call that is played, at {at}")

    def paused(self, paused: bool) -> None:
        raise AssertionError(f"nothing pauses a call that is played: {paused}")

    def recording_began(self, at: float) -> None:
        self.recording_started_at = self.recording_started_at or at

    def endpoint(self, number: int, code: str, message: str = "", attempt: int | None = None) -> None:
        self.states.append((number, code))


class _Call:
    """Plays ``events`` in the place of worker.recording.session.attend: each is taken when it was logged, and by a clock that
    says so, whatever the machine did meanwhile.
    """

    def __init__(self, events: Sequence[LoggedEvent], began: float) -> None:
        self._events = events
        self._began = began
        self.ended = 0.0

    async def attend(
        self,
        request: RecordingRequest,
        settings: BrowserSettings,
        observer: RecordingObserver,
        open_renderer: OpenRenderer,
        stopped: asyncio.Future[Ending],
    ) -> RecordingOutcome:
        del settings, stopped
        loop = asyncio.get_running_loop()
        now = self._events[0].logged
        offset = self._began - now
        claim_output(request.output)
        with TapeWriter(request.output / TAPE_FOLDER, observer.part_closed, PART_SECONDS) as tape:
            recorder = Recorder(tape, DeferredRenderer(open_renderer), lambda: now)
            recorder.observers.append(observer.event)
            for now, event in self._events:
                await asyncio.sleep(max(0.0, offset + now - loop.time()))
                recorder.take(event)
            self.ended = loop.time()
            return RecordingOutcome(
                ending=Ending(Reason.MEETING_ENDED, "played", now),
                admitted=True,
                manifest=recorder.finish(),
                error=recorder.error,
                first_packet_after=0.1,
                files_closed_after=0.1,
                cost=None,
            )


async def record(
    folder: Path,
    events: Sequence[LoggedEvent],
    open_consumers: Callable[[float], Sequence[Consuming]] = lambda _: (),
    options: LiveOptions | None = None,
) -> LiveRecording:
    """Records ``events`` into ``folder``. ``open_consumers`` takes when meeting time 0 is, by the loop's clock."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    first = events[0].logged
    call, queues, reports = _Call(events, began), WatchedQueues(), _Reports()
    zero = next(logged for logged, event in events if isinstance(event, RecordingStarted))
    async with AsyncExitStack() as stack:
        consuming = open_consumers(began + zero - first)
        consumers = [await stack.enter_async_context(each) for each in consuming]
        live_job = msgspec.structs.replace(
            job(), live=tuple(endpoint(number, each.url) for number, each in enumerate(consumers))
        )
        context = context_with(ListSink())
        live = options or LiveOptions(allow_plain=True, connections="endpoint")
        settings = msgspec.structs.replace(context.worker_settings, live=live, allowed_urls=("127.0.0.1",))
        context = replace(context, worker_settings=settings)
        stack.enter_context(patch.object(attempt_module, "attend", call.attend))
        stack.enter_context(
            patch.object(live_sessions, "SteadyClock", lambda: lambda: first + loop.time() - began)
        )
        stack.enter_context(patch.object(websocket_sender, "LiveQueue", queues.Watched))
        sessions = LiveSessions(live_job, reports, open_live(live_job, context, reports))
        keys = bot_keys("", "bot-1").attempt(1)
        store = MemoryStore()
        request = RecordingRequest(
            "bot-1", parse_link("https://meet.google.com/abc-defg-hij"), folder / "recording", "Notes"
        )
        plan = AttemptPlan(1, keys, request, LogTail(), sessions.open(1))
        with closing(TapeUpload(store, keys)) as upload:
            attempt = await run_attempt(plan, upload, context, lambda *_: None, reports, loop.create_future())
            left_after = loop.time() - call.ended
            assert upload.drain(20)
        assert attempt.outcome.error is None
        await sessions.ended()
        await sessions.close(wait=False)
        texts = [each.texts for each in consumers]
    return LiveRecording(_files(folder) | store.objects, texts, reports.states, left_after, queues.most)


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
