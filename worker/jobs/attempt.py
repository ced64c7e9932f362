"""One attempt at a job's call: records it, uploads the tape while it grows, and renders the files."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from worker.delivery.bucket_layout import AttemptKeys
from worker.delivery.tape_upload import TapeUpload
from worker.jobs.context import WorkerContext
from worker.jobs.demo_call import settings_for
from worker.jobs.live_sessions import LiveSession
from worker.jobs.second_try import replay_twice
from worker.lifecycle.ending import Ending
from worker.manifest.schema import Manifest
from worker.monitoring.logs import LogTail
from worker.monitoring.metrics import Metrics
from worker.reasons import Reason
from worker.recording.observer import RecordingObserver
from worker.recording.outcome import RecordingOutcome, RecordingRequest
from worker.recording.session import attend
from worker.rendering.deferred import NothingRecordedError
from worker.rendering.output import TAPE_FOLDER
from worker.rendering.progress import Progress
from worker.rendering.renderer import Renderer
from worker.states import State
from worker.tape.events import Announced, RecordingPaused, RecordingResumed, RecordingStarted, TapeEvent
from worker.tape.parts import PART_PATTERN

logger = logging.getLogger(__name__)

PROGRESS_INTERVAL: Final = 2.0
"""Seconds between two readings of the progress, for metrics that are scraped less often; each renders what waits."""

ReportState = Callable[[State, Reason | None], None]
"""Called with each state that the bot enters and, from leaving on, with the reason."""


class Reports(Protocol):
    """What is reported of an attempt beside its states; worker.jobs.reporter.Reporter does it."""

    def announced(self, at: float) -> None:
        """The call was told of the recording at ``at`` (Unix seconds)."""

    def paused(self, paused: bool) -> None:
        """The recording was paused, or goes on."""

    def recording_began(self, at: float) -> None:
        """The recording began at ``at`` (Unix seconds)."""


class AttemptPlan(NamedTuple):
    """An attempt to make: its number, its keys in the bucket, what to record, the log lines about it, and its live streams."""

    number: int
    keys: AttemptKeys
    request: RecordingRequest
    log: LogTail
    live: LiveSession | None = None


@dataclass(frozen=True)
class Attempt:
    """A finished attempt. ``files`` is the folder of the finished files; ``manifest`` is None without them.

    ``failure`` is the folder of the page's snapshot, which exists only after a failure; the lines of ``log`` go with it.
    """

    number: int
    keys: AttemptKeys
    log: LogTail
    upload: TapeUpload
    outcome: RecordingOutcome
    manifest: Manifest | None
    files: Path
    failure: Path


class _AttemptObserver(RecordingObserver):
    """Forwards states, the announcement and pauses to the reporter, progress to the metrics, events to them and to the live
    streams, and closed parts of the tape to the upload."""

    interval = PROGRESS_INTERVAL

    def __init__(
        self,
        report_state: ReportState,
        reports: Reports,
        metrics: Metrics,
        upload: TapeUpload,
        closed: set[Path],
        live: LiveSession | None,
    ) -> None:
        self._report_state = report_state
        self._reports = reports
        self._metrics = metrics
        self._upload = upload
        self._closed = closed
        self._live = live

    def state(self, state: State, reason: Reason | None = None) -> None:
        self._report_state(state, reason)

    def update(self, progress: Progress) -> None:
        self._metrics.capture.set_progress(progress)

    def event(self, event: TapeEvent) -> None:
        self._metrics.observe(event)
        match event:
            case Announced(failure=""):
                self._reports.announced(event.at)
            case RecordingPaused() | RecordingResumed():
                self._reports.paused(isinstance(event, RecordingPaused))
            case RecordingStarted():
                self._reports.recording_began(event.at)
            case _:
                pass
        if self._live is not None:
            self._live.event(event)

    def part_closed(self, path: Path) -> None:
        self._closed.add(path)
        self._metrics.delivery.part_closed(path.stat().st_size)
        self._upload.part_closed(path)


async def run_attempt(
    plan: AttemptPlan,
    upload: TapeUpload,
    context: WorkerContext,
    report_state: ReportState,
    reports: Reports,
    stopped: asyncio.Future[Ending],
) -> Attempt:
    """Joins, records into ``plan.request.output``, and renders the files. Raises what attend() raises.

    The live streams begin to close with the recording's end, and nothing here waits for them. ``reports`` learn what else
    happens in the call. ``upload`` gets the tape's parts; the caller closes it.
    """
    folder = plan.request.output
    failure = folder.with_name("failure")
    closed: set[Path] = set()
    demo = context.worker_settings.local_demo
    if plan.live is not None:
        plan.live.begin()
    try:
        async with settings_for(plan.request.link, context.browser_settings, demo) as browser_settings:
            outcome = await attend(
                plan.request._replace(failure=failure),
                browser_settings,
                _AttemptObserver(report_state, reports, context.metrics, upload, closed, plan.live),
                lambda platform: Renderer(folder, platform),
                stopped,
            )
    finally:
        if plan.live is not None:
            plan.live.end()
    manifest, files = outcome.manifest, folder
    if outcome.error is not None and (manifest is None or manifest.recording.incomplete_files):
        files = folder.with_name("files")
        manifest = await asyncio.to_thread(_render_again, folder, files)
    _upload_torn_parts(folder / TAPE_FOLDER, closed, upload)
    return Attempt(plan.number, plan.keys, plan.log, upload, outcome, manifest, files, failure)


def _upload_torn_parts(tape: Path, closed: set[Path], upload: TapeUpload) -> None:
    """Uploads the parts that a failing tape left without closing them."""
    for path in sorted(tape.glob(PART_PATTERN)):
        if path not in closed:
            upload.part_closed(path)


def _render_again(folder: Path, files: Path) -> Manifest | None:
    """Renders the tape into ``files`` after an error; returns None where that gives no manifest."""
    for path in folder.iterdir():
        if path.name != TAPE_FOLDER:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    try:
        return replay_twice(folder / TAPE_FOLDER, files).manifest
    except NothingRecordedError:
        return None
    except Exception as error:  # noqa: BLE001 - the tape is in the bucket, whatever its files fail at
        logger.warning("rendering again failed: %s", error)
        return None
