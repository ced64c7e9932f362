"""Faults while a worker runs a job with a real Chromium, and the results that remain."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from playwright.async_api import BrowserContext
from prometheus_client import CollectorRegistry

from fixtures.replica.server import Replica
from tests.support.kills import conversation
from tests.support.record_process import assert_complete, meeting, settings_for
from tests.support.worker_process import BOT, Cloud, cloud
from worker.browser import hang_detector, launch, page_snapshot
from worker.browser.launch import BrowserSession, new_context
from worker.contracts.job import Job
from worker.contracts.parse_job import parse_job
from worker.delivery.aws_clients import sqs_client
from worker.delivery.events_queue import EventsQueue
from worker.jobs.context import WorkerContext
from worker.jobs.disposition import Disposition
from worker.jobs.job_run import run_job
from worker.lifecycle import broken_capture
from worker.lifecycle.ending import Ending
from worker.monitoring.logs import LogTail
from worker.monitoring.metrics import Metrics
from worker.reasons import Reason
from worker.recording import session
from worker.settings import WorkerSettings
from worker.tape.events import TapDeaf
from worker.tape.reader import TapeReader
from worker.tape.writer import TapeWriter


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as embedded:
        yield embedded


@asynccontextmanager
async def context_of(replica: Replica, aws: Cloud, work: Path) -> AsyncIterator[WorkerContext]:
    sqs = sqs_client(aws.embedded.aws)
    events = EventsQueue(sqs, aws.embedded.events_url)
    try:
        yield WorkerContext(
            browser_settings=settings_for(replica),
            worker_settings=WorkerSettings(bucket=aws.embedded.bucket, lease_seconds=5.0),
            aws=aws.embedded.aws,
            store=aws.store,
            events=events,
            metrics=Metrics(CollectorRegistry()),
            log_about=lambda _bot, _attempt, _redactor: LogTail(),
            stopped=asyncio.get_running_loop().create_future(),
            owner="this test",
            work=work,
            clock=time.time,
            steady=time.monotonic,
        )
    finally:
        events.close()
        sqs.close()


def job_for(replica: Replica, **fields: object) -> Job:
    body = {
        "bot_id": BOT,
        "meeting_link": replica.meeting_url,
        "bot_name": "Notes",
        "audio_separate_streams": True,
        **fields,
    }
    return parse_job(msgspec.json.encode(body), lambda: "other")


async def test_a_full_disk_ends_the_recording_and_what_was_written_is_uploaded(
    aws: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = TapeWriter._append
    batches = 0

    def fail_after_a_while(
        self: TapeWriter, topic: str, data: bytes, logged_at: float, *, gives_way: bool
    ) -> None:
        nonlocal batches
        batches += topic == "frames"
        if batches > 30:
            full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise self._failed(full) from full
        append(self, topic, data, logged_at, gives_way=gives_way)

    monkeypatch.setattr(TapeWriter, "_append", fail_after_a_while)
    async with (
        Replica(meeting(60), tmp_path / "truth.jsonl") as replica,
        context_of(replica, aws, tmp_path / "work") as worker_context,
    ):
        assert (
            await run_job(job_for(replica), worker_context, sent_at=time.time(), ends_by=None, give_up=False)
            is Disposition.FAILED
        )
        assert await replica.wait_ended() == "left"
    (result,) = aws.results()
    assert (result.outcome, result.reason) == ("failed", "disk_full")
    assert result.counters["packets_received"] > 50
    bot = aws.save(tmp_path / "bot")
    on_tape = sum(
        len(event.frames) for event in TapeReader(bot / "attempts/0001/tape") if hasattr(event, "frames")
    )
    assert on_tape >= result.counters["packets_received"]
    assert_complete(bot / "attempts/0001/files")


async def test_ends_by_ends_the_recording_as_max_duration(aws: Cloud, tmp_path: Path) -> None:
    async with (
        Replica(meeting(60), tmp_path / "truth.jsonl") as replica,
        context_of(replica, aws, tmp_path / "work") as worker_context,
    ):
        disposition = await run_job(
            job_for(replica),
            worker_context,
            sent_at=time.time(),
            ends_by=time.monotonic() + 6.0,
            give_up=False,
        )
        assert disposition is Disposition.DONE
    (result,) = aws.results()
    assert (result.outcome, result.reason) == ("recorded", "max_duration")
    assert result.duration_seconds < 30


async def test_a_worker_that_lost_its_lease_leaves_and_uploads_no_files(aws: Cloud, tmp_path: Path) -> None:
    async with (
        Replica(meeting(60), tmp_path / "truth.jsonl") as replica,
        context_of(replica, aws, tmp_path / "work") as worker_context,
    ):
        running = asyncio.create_task(
            run_job(job_for(replica), worker_context, sent_at=time.time(), ends_by=None, give_up=False)
        )
        await aws.until(aws.has_recorded)
        other_lease = b'{"owner": "another", "attempt": 9, "expires_at": 9999999999, "ttl": 600}'
        await asyncio.to_thread(aws.store.put, aws.keys.lease, other_lease, content_type="application/json")
        assert await asyncio.wait_for(running, 30) is Disposition.TAKEN_OVER
        assert await replica.wait_ended() == "left"
    assert aws.results() == []
    assert not any("/files/" in key for key in aws.objects())
    recorded = sorted(path.name for path in (tmp_path / "work").rglob("part-*.mcap"))
    assert recorded == [key.rpartition("/")[2] for key in aws.objects() if "/tape/" in key]
    status = aws.status()
    assert status is not None
    assert status.state == "in_call_recording"


AFTER_SOME_FRAMES = """
  const NativeWorker = window.Worker;
  window.Worker = class extends NativeWorker {
    constructor(...args) {
      super(...args);
      let batches = 0;
      this.addEventListener("message", ({ data }) => {
        if (data.frames && ++batches === 20) sabotage(this);
      });
    }
  };
"""
"""Calls ``sabotage`` after 20 batches, which are two seconds of speech."""

SABOTAGE = {
    "tap_deaf": "const sabotage = (tap) => tap.terminate();",
    "page_hung": "const sabotage = () => { for (;;); };",
}


@pytest.mark.parametrize("reason", list(SABOTAGE))
async def test_a_dead_capture_is_restarted_once_and_then_fails_the_job(
    aws: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    async def sabotaged(browser: BrowserSession) -> BrowserContext:
        context = await new_context(browser)
        await context.add_init_script(f"{SABOTAGE[reason]}{AFTER_SOME_FRAMES}")
        return context

    monkeypatch.setattr(session, "new_context", sabotaged)
    monkeypatch.setattr(broken_capture, "DEAF_TIMEOUT", 1.0)
    monkeypatch.setattr(hang_detector, "HUNG_TIMEOUT", 2.0)
    monkeypatch.setattr(hang_detector, "_HUNG_PERIOD", 0.5)
    # A page that hangs needs each of these timeouts twice.
    monkeypatch.setattr(page_snapshot, "TIMEOUT", 1.0)
    monkeypatch.setattr(session, "LEAVE_TIMEOUT", 1.0)
    monkeypatch.setattr(launch, "CLOSE_TIMEOUT", 1.0)
    async with (
        Replica(conversation(60), tmp_path / "truth.jsonl") as replica,
        context_of(replica, aws, tmp_path / "work") as worker_context,
    ):
        disposition = await run_job(
            job_for(replica), worker_context, sent_at=time.time(), ends_by=None, give_up=False
        )
    assert disposition is Disposition.FAILED
    (result,) = aws.results()
    assert (result.outcome, result.reason, result.attempt) == ("failed", reason, 2)
    manifest = aws.manifest()
    assert isinstance(manifest.recording.parts, list)
    assert [part.ended_reason for part in manifest.recording.parts] == [reason, reason]
    bot = aws.save(tmp_path / "bot")
    for number in (1, 2):
        tape = list(TapeReader(bot / f"attempts/{number:04d}/tape"))
        assert any(isinstance(event, TapDeaf) for event in tape) is (reason == "tap_deaf")
        assert_complete(bot / f"attempts/{number:04d}/files")


async def test_a_stop_before_joining_hands_the_job_on(aws: Cloud, tmp_path: Path) -> None:
    async with (
        Replica(meeting(60), tmp_path / "truth.jsonl") as replica,
        context_of(replica, aws, tmp_path / "work") as worker_context,
    ):
        far_future = "2199-01-01T00:00:00Z"
        running = asyncio.create_task(
            run_job(
                job_for(replica, join_at=far_future),
                worker_context,
                sent_at=time.time(),
                ends_by=None,
                give_up=False,
            )
        )
        await aws.until(lambda: "attempts/0001/attempt.json" in aws.objects())
        worker_context.stopped.set_result(Ending(Reason.DRAINED, "SIGTERM", time.time()))
        assert await asyncio.wait_for(running, 10) is Disposition.HANDED_ON
    assert aws.results() == []
