"""What the parts of a job get: the job itself, its worker's context, its result."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import msgspec
from prometheus_client import CollectorRegistry

from worker.contracts.job import Job
from worker.contracts.parse_job import parse_job
from worker.contracts.status import OutcomeKind, Result, ResultFile
from worker.delivery.aws_clients import Aws
from worker.delivery.event_sinks import EventSink
from worker.delivery.object_store import S3Store
from worker.jobs.context import WorkerContext
from worker.jobs.job_outcome import JobOutcome, make_result
from worker.manifest.schema import Manifest
from worker.monitoring.logs import LogTail
from worker.monitoring.metrics import Metrics
from worker.reasons import Reason
from worker.settings import BrowserSettings, WorkerSettings
from worker.states import State


def parse(**fields: Any) -> Job:
    """The job of a body with these fields."""
    return parse_job(json.dumps(fields), lambda: "new-id")


def job(**fields: object) -> Job:
    """A job of MeetStream's form; ``fields`` are added to its body, or replace some of it."""
    body = {"bot_id": "bot-1", "meeting_link": "https://meet.google.com/abc-defg-hij", "bot_name": "Notes"}
    return parse_job(msgspec.json.encode({**body, **fields}), lambda: "other")


JOB = parse_job(
    msgspec.json.encode(
        {
            "bot_id": "bot-1",
            "meeting_link": "https://meet.google.com/abc-defg-hij",
            "custom_attributes": {"order": "7"},
            "video_required": True,
        }
    ),
    lambda: "other",
)
"""With attributes, and with a field that has no effect."""

AT = 1_790_000_000.25


def result_of(
    kind: OutcomeKind, reason: Reason = Reason.MEETING_ENDED, manifest: Manifest | None = None
) -> Result:
    """The result of JOB at AT."""
    state = State.FATAL if kind in (OutcomeKind.FAILED, OutcomeKind.NOT_ADMITTED) else State.DONE
    return make_result(
        JOB,
        JobOutcome(kind, state, reason, "detail"),
        manifest,
        files=[ResultFile(key="bots/bot-1/a.webm", size=3)],
        tape_bytes=10,
        tape_parts=2,
        audio_streams=None if manifest is None else "bots/bot-1/audio_streams.json",
        attempt=4,
        sequence=4009,
        at=AT,
    )


NOW = 1_800_000_000.0


class UnusedStore:
    """Only passed on."""

    def within(self, _: float) -> UnusedStore:
        return self


def context_with(
    events: EventSink,
    work: Path | None = None,
    registry: CollectorRegistry | None = None,
    steady: Callable[[], float] = time.monotonic,
) -> WorkerContext:
    """A context whose time is NOW and whose store is not used."""
    return WorkerContext(
        browser_settings=BrowserSettings(),
        worker_settings=WorkerSettings(bucket="bucket", most_attempts=2, work_folder=work),
        aws=Aws(),
        store=cast(S3Store, UnusedStore()),
        events=events,
        metrics=Metrics(registry or CollectorRegistry()),
        log_about=lambda _bot, _attempt, _redactor: LogTail(),
        stopped=asyncio.get_running_loop().create_future(),
        owner="this test",
        work=Path(),
        clock=lambda: NOW,
        steady=steady,
    )
