"""Whole jobs, from the queue to the result, with a real S3 and SQS; only the call is replaced by a replayed meeting."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from tests.support.fault_proxy import Exchange, Fault, FaultProxy, Request, is_s3
from tests.support.live_receivers import live_receiver
from tests.support.live_validators import check_recall
from tests.support.replayed_jobs import (
    JOB,
    SECONDS,
    ReplayedCall,
    Visit,
    handle_next,
    kind_of,
    meeting,
    send_job,
    worker_context,
)
from tests.support.timed_connections import TimedConnections, timed_connections
from tests.support.uploaded_tapes import write_tape
from tests.support.worker_process import BOT, Cloud
from worker.browser.injected_scripts import limits_for
from worker.contracts.commands import Command, Commands
from worker.contracts.status import OutcomeKind, Result
from worker.delivery import lease, patient_store
from worker.delivery.lease import LeaseRecord
from worker.jobs import attempt, command_inbox, finish, supervisor
from worker.jobs.attempt_numbers import claim_attempt
from worker.jobs.consumer import JobConsumer
from worker.jobs.context import WorkerContext
from worker.jobs.job_run import FILES_AT_DRAIN
from worker.jobs.local_copy import Origin, job_folder, recording_folder
from worker.lifecycle.ending import Ending
from worker.reasons import Reason
from worker.settings import LiveOptions
from worker.tape.parts import PART_PATTERN

pytestmark = pytest.mark.usefixtures("short_waits")

FAULTS: Final = (
    Fault.ACCESS_DENIED,
    Fault.EXPIRED_TOKEN,
    Fault.THROTTLED,
    Fault.CLOCK_SKEW,
    Fault.RESET,
    Fault.LOST_ANSWER,
)

FRESH: Final = (
    "ChangeMessageVisibility",
    "DeleteMessage",
    "GET audio_streams.json",
    "GET bot.json",
    "GET command_state.json",
    "GET commands.json",
    "GET files/meeting.json",
    "GET lease.json",
    "GET meeting.json",
    "GET result.json",
    "LIST attempts/",
    "LIST files/",
    "LIST tape/",
    "PUT attempt.json",
    "PUT audio_streams.json",
    "PUT bot.json",
    "PUT files/audio.wav",
    "PUT files/audio_streams.json",
    "PUT files/meeting.json",
    "PUT files/streams/speaker.webm",
    "PUT files/timeline.html",
    "PUT job.json",
    "PUT lease.json",
    "PUT meeting.json",
    "PUT result.json",
    "PUT tape/part.mcap",
    "SendMessage",
)
"""The kinds of requests of a job that is recorded at the first attempt, after its receive."""

FAILING: Final = frozenset(FRESH) - {"SendMessage"}
"""Kinds that are made to fail. For events see test_events_wait_through_refusals."""


class Stage:
    """One job and the workers that handle it."""

    def __init__(self, cloud: Cloud, proxy: FaultProxy, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.cloud = cloud
        self.proxy = proxy
        self.folder = folder
        self._patch = patch
        self.call = ReplayedCall()
        self.registry = CollectorRegistry()
        self._contexts: list[WorkerContext] = []

    def worker(self, *visits: Visit, owner: str = "worker-1", **settings: Any) -> WorkerContext:
        """A worker whose attempts go as ``visits``."""
        parts = self.call.parts
        self.call = ReplayedCall(*visits)
        self.call.parts = parts
        self._patch.setattr(attempt, "attend", self.call.attend)
        self.registry = CollectorRegistry()
        self.folder.mkdir(exist_ok=True)
        context = worker_context(self.cloud, self.folder, owner=owner, registry=self.registry, **settings)
        self._contexts.append(context)
        return context

    async def recorded(self, context: WorkerContext, over: asyncio.Event, renewals: int = 2) -> int:
        """Handles the job, whose call lasts until lease and message were renewed; returns the exit code."""
        running = asyncio.create_task(handle_next(self.cloud, context))
        await asyncio.wait(
            [running, asyncio.create_task(self.call.on_tape.wait())], return_when=asyncio.FIRST_COMPLETED
        )
        before = self.counts()
        async with asyncio.timeout(30):
            while not running.done() and any(  # noqa: ASYNC110 - it depends on threads
                self.counts()[kind] < before[kind] + renewals
                for kind in ("PUT lease.json", "ChangeMessageVisibility")
            ):
                await asyncio.sleep(0.01)
        over.set()
        return await running

    def counts(self) -> Counter[str]:
        return Counter(map(kind_of, self.proxy.seen))

    def sample(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"meetstems_{name}", labels) or 0.0

    def stop(self, context: WorkerContext, reason: Reason = Reason.DRAINED) -> None:
        context.stopped.set_result(Ending(reason, "SIGTERM", time.time()))

    def check_recorded(self, *, events: tuple[str, ...] | None = None) -> None:
        """Everything is in the bucket and on no disk, one result is sent, and the message is gone."""
        self.close()
        (result,) = self.cloud.results()
        assert result.outcome == OutcomeKind.RECORDED, (result.reason, result.detail)
        assert self.stored_parts() == self.call.parts
        listed = {each.key: each.size for each in self.cloud.store.list(self.cloud.keys.folder)}
        assert result.files
        assert all(listed[file.key] == file.size for file in result.files)
        manifest = self.cloud.manifest()
        for file in [manifest.recording.mixed_audio, *(each.url for _, each in manifest.segments())]:
            assert self.cloud.keys.folder + str(file) in listed
        assert self.cloud.waiting_jobs() == 0
        assert self.cloud.dead_letters() == []
        assert list(self.folder.iterdir()) == []
        status = self.cloud.status()
        assert status is not None
        assert (status.state, status.reported) == ("done", True)
        if events is not None:
            assert tuple(self.cloud.event_names()) == events

    def fail_once(self, fault: Fault) -> None:
        """From now on each odd request of each of the kinds FAILING fails: each once where it is tried again."""
        lock, seen = threading.Lock(), Counter[str]()

        def matches(request: Request) -> bool:
            kind = kind_of(request)
            if kind not in FAILING:
                return False
            with lock:
                seen[kind] += 1
                return seen[kind] % 2 == 1

        self.proxy.fail(fault, matches=matches)

    def stored_parts(self) -> dict[tuple[str, str], bytes]:
        """The parts of tapes in the bucket, as ``ReplayedCall.parts`` has them."""
        folder = self.cloud.keys.folder
        return {
            (key.split("/")[1], key.rsplit("/", 1)[1]): self.cloud.store.get(folder + key).data
            for key in self.cloud.objects()
            if "/tape/" in key
        }

    def local_parts(self) -> list[Path]:
        """The parts of tapes that are on the disk."""
        return sorted(self.folder.rglob(PART_PATTERN))

    def close(self) -> None:
        for context in self._contexts:
            context.events.close()


@pytest.fixture
def stage(cloud: Cloud, proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(cloud, proxy, tmp_path / "work", monkeypatch)


def take_lease(cloud: Cloud) -> None:
    """Another worker takes the lease, as if it had found it expired."""
    record = LeaseRecord(owner="thief", attempt=2, expires_at=time.time() + 600, ttl=600.0)
    cloud.store.put(cloud.keys.lease, msgspec.json.encode(record), content_type="application/json")


async def test_a_job_is_recorded_with_the_requests_of_the_table(stage: Stage) -> None:
    send_job(stage.cloud)
    over = asyncio.Event()
    assert await stage.recorded(stage.worker(Visit(after=over)), over) == 0
    stage.check_recorded(
        events=(
            "bot.joining",
            "bot.recording",
            "bot.leaving",
            "bot.stopped",
            "audio.processed",
            "bot.done",
            "bot.result",
        )
    )
    assert set(stage.counts()) - {"ReceiveMessage"} == set(FRESH)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_job_is_recorded_if_every_request_fails_once(stage: Stage, fault: Fault) -> None:
    send_job(stage.cloud)
    over = asyncio.Event()
    context = stage.worker(Visit(after=over))
    stage.fail_once(fault)
    assert await stage.recorded(context, over, renewals=4) == 0
    assert stage.proxy.failed >= len(FAILING)
    stage.check_recorded()


@pytest.mark.parametrize("fault", [Fault.ACCESS_DENIED, Fault.LOST_ANSWER])
async def test_a_drained_job_is_finished_by_the_next_worker_if_every_request_fails_once(
    stage: Stage, fault: Fault
) -> None:
    send_job(stage.cloud)
    first = stage.worker(Visit(None))
    stage.fail_once(fault)
    running = asyncio.create_task(handle_next(stage.cloud, first))
    await stage.call.on_tape.wait()
    stage.stop(first)
    assert await running == 75
    stage.close()
    assert stage.cloud.results() == []
    assert stage.cloud.waiting_jobs() == 1
    second = stage.worker(Visit(), owner="worker-2")
    assert await handle_next(stage.cloud, second) == 0
    stage.check_recorded()
    (result,) = stage.cloud.results()
    assert result.counters["attempts"] == 2
    assert result.counters["packets_received"] == 2 * 250


@pytest.mark.parametrize("fault", [Fault.ACCESS_DENIED, Fault.THROTTLED])
async def test_a_job_that_is_given_up_is_reported_and_recovered_if_every_request_fails_once(
    stage: Stage, fault: Fault
) -> None:
    await drained(stage)
    context = stage.worker(owner="worker-2", most_attempts=0)
    stage.fail_once(fault)
    assert await handle_next(stage.cloud, context) == 1
    stage.close()
    (result,) = stage.cloud.results()
    assert (result.outcome, result.reason) == ("failed", "too_many_attempts")
    assert len(stage.cloud.dead_letters()) == 1
    assert stage.cloud.waiting_jobs() == 0
    # What the drained worker recorded is rendered and merged all the same.
    assert stage.cloud.manifest().recording.duration_seconds > SECONDS - 1


async def drained(stage: Stage, *visits: Visit) -> None:
    """A worker records, and is drained; its events are gone."""
    send_job(stage.cloud)
    context = stage.worker(*(visits or [Visit(None)]))
    running = asyncio.create_task(handle_next(stage.cloud, context))
    await stage.call.on_tape.wait()
    stage.stop(context)
    assert await running == 75


@pytest.mark.parametrize(("folder", "there"), [("video", True), ("streams", False)])
async def test_a_drained_worker_uploads_audio_however_large_the_videos_are(
    stage: Stage, folder: str, there: bool
) -> None:
    send_job(stage.cloud)
    context = stage.worker(Visit(None))
    running = asyncio.create_task(handle_next(stage.cloud, context))
    await stage.call.on_tape.wait()
    (large,) = (path.parent / folder / "large.bin" for path in stage.folder.rglob("tape"))
    large.parent.mkdir(exist_ok=True)
    with large.open("wb") as file:
        file.truncate(FILES_AT_DRAIN + 1)
    stage.stop(context)
    assert await running == 75
    stage.close()
    assert any(key.endswith("/files/audio.wav") for key in stage.cloud.objects()) is there


async def test_a_drain_that_takes_chromium_away_first_hands_the_job_on(stage: Stage) -> None:
    """A process group gets the signal as a whole, so the browser may die before the bot has left."""
    dies = asyncio.Event()
    send_job(stage.cloud)
    context = stage.worker(Visit(Reason.BROWSER_DIED, after=dies))
    running = asyncio.create_task(handle_next(stage.cloud, context))
    await stage.call.on_tape.wait()
    dies.set()
    # The attempt's future is resolved by its own end; the stop comes in the same turn of the loop.
    context.stopped.set_result(Ending(Reason.DRAINED, "SIGTERM", time.time()))
    assert await running == 75
    stage.close()
    assert stage.cloud.results() == []
    assert stage.cloud.waiting_jobs() == 1


async def test_a_new_chromium_is_allowed_for_one_trouble(stage: Stage) -> None:
    send_job(stage.cloud)
    context = stage.worker(Visit(Reason.BROWSER_DIED), Visit())
    assert await handle_next(stage.cloud, context) == 0
    stage.check_recorded()
    assert stage.sample("restarts_total", reason="browser_died") == 1
    # A capture that misses some speech is left for a new one once, and kept then.
    assert [request.comes_back for request in stage.call.requests] == [True, False]


async def test_a_second_trouble_soon_after_the_first_ends_the_job(stage: Stage) -> None:
    send_job(stage.cloud)
    context = stage.worker(Visit(Reason.BROWSER_DIED), Visit(Reason.PAGE_HUNG), Visit())
    assert await handle_next(stage.cloud, context) == 1
    stage.close()
    (result,) = stage.cloud.results()
    assert (result.outcome, result.reason) == ("failed", "page_hung")
    assert result.audio_streams is not None


async def test_a_worker_that_loses_the_bot_before_it_joins_leaves_the_message_alone(stage: Stage) -> None:
    later = datetime.fromtimestamp(time.time() + 200, UTC).isoformat()
    send_job(stage.cloud, join_at=later)
    context = stage.worker()
    running = asyncio.create_task(handle_next(stage.cloud, context))
    await stage.cloud.until(lambda: stage.counts()["PUT attempt.json"])
    take_lease(stage.cloud)
    assert await running == 0
    assert stage.counts()["SendMessage"] == 0
    assert stage.counts()["DeleteMessage"] == 0


@pytest.mark.parametrize("fault", [Fault.SLOW_DOWN, Fault.ACCESS_DENIED])
async def test_a_drain_while_the_store_is_away_ends_in_time_and_keeps_the_only_copy(
    stage: Stage, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patient_store, "TRY_SECONDS", 0.2)
    send_job(stage.cloud)
    context = stage.worker(Visit(None), grace_seconds=1.0)
    running = asyncio.create_task(handle_next(stage.cloud, context))
    await stage.cloud.until(lambda: stage.counts()["PUT bot.json"])
    stage.proxy.fail(fault, matches=is_s3)
    began = time.monotonic()
    stage.stop(context)
    assert await running == 75
    assert time.monotonic() - began < 40
    assert stage.cloud.waiting_jobs() == 1
    assert len(stage.local_parts()) == 3
    assert stage.sample("upload_failures_total") == 1
    assert stage.sample("upload_stuck") == stage.sample("lease_unproven") == 0


async def test_the_longest_duration_is_that_of_all_attempts_together(stage: Stage) -> None:
    leave = {"in_call_recording_timeout": 700}
    send_job(stage.cloud, automatic_leave=leave)
    first = stage.worker(Visit(Reason.BROWSER_DIED), Visit(None))
    running = asyncio.create_task(handle_next(stage.cloud, first))
    await stage.cloud.until(lambda: len(stage.call.requests) == 2)
    await stage.cloud.until(lambda: len(stage.call.parts) >= 3 and stage.call.on_tape.is_set())
    stage.stop(first)
    assert await running == 75
    longest = [request.policy.max_duration for request in stage.call.requests]
    second = stage.worker(Visit(), owner="worker-2")
    assert await handle_next(stage.cloud, second) == 0
    longest += [request.policy.max_duration for request in stage.call.requests]
    recorded = SECONDS - 0.5
    assert longest == pytest.approx([700, 700 - recorded, 700 - 2 * recorded], abs=0.1)


async def test_too_much_memory_gets_a_new_chromium(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    over = asyncio.Event()
    monkeypatch.setattr(supervisor, "MEMORY_PERIOD", 0.02)
    monkeypatch.setattr(
        supervisor, "memory_in_use", lambda: 101 if len(stage.call.requests) == 1 and over.is_set() else 99
    )
    send_job(stage.cloud)
    context = stage.worker(Visit(None), Visit(), memory_limit=100)
    running = asyncio.create_task(handle_next(stage.cloud, context))
    await stage.call.on_tape.wait()
    over.set()
    assert await running == 0
    stage.check_recorded()
    assert stage.sample("restarts_total", reason="oom_soft_limit") == 1


LIVE: Final = LiveOptions(allow_plain=True, buffer_seconds=60.0, retry_seconds=0.05, retries=2)


async def test_live_streams_begin_and_end_with_the_recording(stage: Stage) -> None:
    over = asyncio.Event()
    async with live_receiver() as receiver:
        send_job(stage.cloud, live_audio_required={"websocket_url": receiver.url})
        context = stage.worker(Visit(after=over), live=LIVE, allowed_urls=("127.0.0.1",))
        running = asyncio.create_task(handle_next(stage.cloud, context))
        try:
            await stage.cloud.until(lambda: len(receiver.messages) > 10)
        finally:
            over.set()
        assert await running == 0
        await stage.cloud.until(lambda: receiver.codes)
        assert receiver.codes == [1000]
    ready = msgspec.json.decode(receiver.messages[0])
    assert (ready["type"], ready["bot_id"]) == ("ready", BOT)
    assert all(isinstance(frame, bytes) and frame[0] == 1 for frame in receiver.messages[1:])
    # The page sends sound at once.
    (request,) = stage.call.requests
    assert request.limits == limits_for(80)
    stage.check_recorded()
    names = stage.cloud.event_names()
    assert names.index("realtime_endpoint.running") > names.index("bot.recording")
    assert names.index("realtime_endpoint.done") < names.index("bot.result")
    (result,) = stage.cloud.results()
    assert (result.warnings, result.ignored) == ([], [])
    status = stage.cloud.status()
    assert status is not None
    assert [each.code for each in status.realtime_endpoints] == ["running", "done"]
    assert status.recording_started_at is not None
    assert stage.sample("live_messages_total", transport="websocket", form="meetstream_audio") > 10


async def test_live_streams_begin_anew_in_each_attempt_on_the_clock_of_the_first(stage: Stage) -> None:
    """The browser dies, then the worker is stopped; another worker finishes the job."""
    over = asyncio.Event()
    async with timed_connections() as receiver:
        endpoint = {
            "type": "websocket",
            "url": receiver.url,
            "events": ["audio_separate_raw.data", "participant_events.speech_on"],
        }
        body = {"bot_id": BOT, "meeting_url": JOB["meeting_link"], "bot_name": "Notes"}
        stage.cloud.jobs.send(
            msgspec.json.encode(body | {"recording_config": {"realtime_endpoints": [endpoint]}}).decode()
        )
        live: dict[str, Any] = {"live": LIVE, "allowed_urls": ("127.0.0.1",)}

        def has_heard(attempt: int) -> bool:
            return attempt in {each["extra_data"]["attempt"] for each in speakers(receiver)}

        died = asyncio.Event()
        first = stage.worker(Visit(Reason.BROWSER_DIED, died, is_now=True), Visit(None, is_now=True), **live)
        running = asyncio.create_task(handle_next(stage.cloud, first))
        await stage.cloud.until(lambda: has_heard(1))
        died.set()
        await stage.cloud.until(lambda: has_heard(2) and stage.call.on_tape.is_set())
        stage.stop(first)
        assert await running == 75
        began = stage.call.began
        second = stage.worker(Visit(after=over, is_now=True), owner="worker-2", **live)
        running = asyncio.create_task(handle_next(stage.cloud, second))
        try:
            await stage.cloud.until(lambda: has_heard(3))
        finally:
            over.set()
        assert await running == 0
        await stage.cloud.until(lambda: all(each.closed_at for each in receiver.connections))
    stage.close()
    heard = [Counter(who(each) for each in connection.texts) for connection in receiver.connections]
    assert len(heard) == 6, "events, and one speaker, of each attempt"
    assert all(len(attempts) == 1 for attempts in heard)
    assert [each.code for each in receiver.connections] == [1000] * 6
    assert len({each["id"] for each in speakers(receiver)}) == 1
    began += stage.call.began
    for number, start in enumerate(began, start=1):
        relative = min(at for of, at in sounds(receiver) if of == number)
        assert relative == pytest.approx(start - began[0] + 0.5, abs=0.05)
    status = stage.cloud.status()
    assert status is not None
    reported = [(each.code, each.attempt) for each in status.realtime_endpoints]
    assert reported == [("running", 1), ("running", 2), ("running", 3), ("done", 3)]


def documents(receiver: TimedConnections) -> list[Any]:
    return [check_recall(text) for connection in receiver.connections for text in connection.texts]


def speakers(receiver: TimedConnections) -> list[Any]:
    return [each["data"]["data"]["participant"] for each in documents(receiver)]


def who(text: str) -> int:
    """The attempt that a message is of."""
    attempt: int = check_recall(text)["data"]["data"]["participant"]["extra_data"]["attempt"]
    return attempt


def sounds(receiver: TimedConnections) -> list[tuple[int, float]]:
    """The attempt and the relative time of each message of sound."""
    inner = [each["data"]["data"] for each in documents(receiver) if "audio" in each["event"]]
    return [(each["participant"]["extra_data"]["attempt"], each["timestamp"]["relative"]) for each in inner]


async def test_a_receiver_that_refuses_costs_the_recording_nothing_and_is_reported(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    over = asyncio.Event()
    async with live_receiver() as receiver:
        receiver.status = 503
        send_job(stage.cloud, live_audio_required={"websocket_url": f"{receiver.url}?token=s3cret-t0ken"})
        context = stage.worker(Visit(after=over), live=LIVE, allowed_urls=("127.0.0.1",))
        running = asyncio.create_task(handle_next(stage.cloud, context))
        try:
            await stage.cloud.until(lambda: "realtime_endpoint.failed" in stage.cloud.event_names())
        finally:
            over.set()
        assert await running == 0
    stage.check_recorded()
    (result,) = stage.cloud.results()
    (warning,) = result.warnings
    assert warning.startswith("The live stream to live_audio_required.websocket_url failed (")
    assert stage.sample("live_failed_endpoints_total", transport="websocket", form="meetstream_audio") == 1
    objects = [stage.cloud.store.get(stage.cloud.keys.folder + key).data for key in stage.cloud.objects()]
    reported = msgspec.json.encode(stage.cloud.events())
    assert not [each for each in (*objects, reported) if b"s3cret" in each]
    assert "live" in caplog.text
    assert "s3cret" not in caplog.text


async def test_a_job_without_live_streams_has_the_batches_of_a_recording(stage: Stage) -> None:
    send_job(stage.cloud)
    assert await handle_next(stage.cloud, stage.worker(Visit())) == 0
    (request,) = stage.call.requests
    assert request.limits is None
    stage.close()


async def test_the_result_comes_after_the_last_part_of_the_tape(stage: Stage) -> None:
    """All else succeeds, and the refusals last until long after the call."""
    send_job(stage.cloud)
    context = stage.worker(Visit())
    stage.proxy.fail(Fault.ACCESS_DENIED, matches=lambda request: "/tape/" in request.key)
    running = asyncio.create_task(handle_next(stage.cloud, context))
    await stage.cloud.until(lambda: stage.counts()["PUT tape/part.mcap"] > 5)
    assert not [kind for kind in stage.counts() if "files/" in kind]
    stage.proxy.recover()
    assert await running == 0
    stage.check_recorded()
    (result,) = stage.cloud.results()
    assert result.counters["tape_parts"] == 3


async def test_a_drain_before_the_time_to_join_hands_the_job_on(stage: Stage) -> None:
    later = datetime.fromtimestamp(time.time() + 200, UTC).isoformat()
    send_job(stage.cloud, join_at=later)
    context = stage.worker()
    running = asyncio.create_task(handle_next(stage.cloud, context))
    await stage.cloud.until(lambda: stage.counts()["PUT attempt.json"])
    stage.stop(context)
    assert await running == 75
    assert stage.cloud.waiting_jobs() == 1


async def test_a_job_that_is_too_late_ends_without_joining(stage: Stage) -> None:
    long_ago = datetime.fromtimestamp(time.time() - 4000, UTC).isoformat()
    send_job(stage.cloud, join_at=long_ago)
    cloud, context = stage.cloud, stage.worker()
    delivery = cloud.jobs.receive(1)
    assert delivery is not None
    waited = delivery._replace(sent_at=time.time() - 3700)
    assert await JobConsumer(cloud.jobs, waited, context).handle() == 1
    stage.close()
    (result,) = cloud.results()
    assert (result.outcome, result.reason) == ("failed", "too_late")
    assert cloud.waiting_jobs() == 0


async def test_a_tape_that_a_killed_worker_left_is_uploaded_and_leads_into_no_later_meeting(
    stage: Stage,
) -> None:
    """Its worker was killed long ago; the job is received again after its latest start."""
    cloud = stage.cloud
    claim_attempt(cloud.store, cloud.keys, "killed", time.time())
    stage.folder.mkdir()
    origin = Origin(owner="killed", bucket=cloud.embedded.bucket, prefix="")
    with job_folder(stage.folder, BOT, origin) as left:
        tape = recording_folder(left, 1) / "tape"
        parts = write_tape(tape, meeting())
        uploaded, *missing = parts
        cloud.store.put(cloud.keys.attempt(1).tape_part(uploaded.name), uploaded, content_type="any/type")
        stage.call.parts = {("0001", part.name): part.read_bytes() for part in parts}
    assert missing
    send_job(cloud)
    context = stage.worker(owner="worker-2")
    delivery = cloud.jobs.receive(1)
    assert delivery is not None
    waited = delivery._replace(sent_at=time.time() - 3700)
    assert await JobConsumer(cloud.jobs, waited, context).handle() == 1
    stage.close()
    (result,) = cloud.results()
    assert (result.reason, result.audio_streams is not None) == ("too_late", True)
    assert stage.stored_parts() == stage.call.parts
    assert list(stage.folder.iterdir()) == []


async def test_the_tape_is_removed_only_where_that_is_asked_for(stage: Stage) -> None:
    send_job(stage.cloud)
    assert await handle_next(stage.cloud, stage.worker(Visit(), keep_tape=False)) == 0
    stage.close()
    assert stage.cloud.tape_parts() == 0
    (result,) = stage.cloud.results()
    assert result.counters["tape_parts"] == 3


async def test_a_worker_that_may_not_delete_ends_all_the_same(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish, "REMOVAL_PATIENCE", 0.1)
    send_job(stage.cloud)
    stage.proxy.fail(Fault.ACCESS_DENIED, matches=lambda request: request.method == "DELETE")
    async with asyncio.timeout(60):
        assert await handle_next(stage.cloud, stage.worker(Visit(), keep_tape=False)) == 0
    stage.close()
    assert stage.proxy.failed
    assert stage.cloud.tape_parts() == 3
    assert stage.cloud.waiting_jobs() == 0


async def test_a_worker_that_lost_the_bot_while_it_waited_writes_no_result(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its writes are refused, those of the worker that takes over are not: such as after an expired token."""
    monkeypatch.setattr(lease, "RENEWALS_PER_TTL", 3)
    send_job(stage.cloud)
    over = asyncio.Event()
    context = stage.worker(Visit(after=over), lease_seconds=1.0)
    running = asyncio.create_task(handle_next(stage.cloud, context))
    await stage.call.on_tape.wait()
    stage.proxy.fail(
        Fault.EXPIRED_TOKEN,
        matches=lambda request: (
            request.method == "PUT" and request.key.endswith(("result.json", "lease.json"))
        ),
    )
    over.set()
    await stage.cloud.until(lambda: stage.counts()["PUT result.json"] > 1 and stage.sample("lease_unproven"))
    take_lease(stage.cloud)
    # The result stays refused: a try that had asked for the lease before it was taken would write it now.
    stage.proxy.fail(
        Fault.EXPIRED_TOKEN,
        matches=lambda request: request.method == "PUT" and request.key.endswith("result.json"),
    )
    assert await running == 0
    stage.proxy.recover()
    stage.close()
    assert "result.json" not in stage.cloud.objects()
    assert stage.cloud.results() == []
    assert stage.counts()["DeleteMessage"] == 0
    assert stage.sample("lease_unproven") == stage.sample("upload_stuck") == 0


async def test_a_cancelled_job_waits_for_nothing_and_keeps_its_folder(stage: Stage) -> None:
    """A second Ctrl-C, while the store refuses everything."""
    send_job(stage.cloud)
    context = stage.worker(Visit(None))
    running = asyncio.create_task(handle_next(stage.cloud, context))
    await stage.cloud.until(lambda: stage.counts()["PUT bot.json"])
    stage.proxy.fail(Fault.ACCESS_DENIED, matches=is_s3)
    stage.stop(context, Reason.INTERRUPTED)
    await stage.cloud.until(lambda: stage.proxy.failed > 3)
    began = time.monotonic()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert time.monotonic() - began < 20
    assert len(stage.local_parts()) == 3


MOMENTS: Final = tuple(range(2, 40)) if os.environ.get("MEETSTEMS_CHAOS") else (5, 9, 14, 21, 28, 34)
"""Numbers of the request at which something happens to a worker; a job has about 40."""


def at_request(proxy: FaultProxy, number: int, happens: Callable[[], None]) -> None:
    """Calls ``happens``, in a thread of the proxy, before the request ``number`` is handled, and before each further one."""
    counter = itertools.count(1)

    def change(exchange: Exchange) -> Exchange:
        if next(counter) >= number:
            happens()
        return exchange

    proxy.change_requests(change)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_drain_at_any_moment_loses_nothing(stage: Stage, moment: int) -> None:
    send_job(stage.cloud)
    context = stage.worker(Visit(), Visit())
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if not context.stopped.done():
            stage.stop(context)

    def stop_soon() -> None:
        loop.call_soon_threadsafe(stop)

    at_request(stage.proxy, moment, stop_soon)
    await handle_next(stage.cloud, context)
    stage.proxy.reset()
    if stage.cloud.waiting_jobs():
        assert stage.cloud.results() == []
        visits = 2 - len(stage.call.requests)
        assert await handle_next(stage.cloud, stage.worker(*[Visit()] * visits, owner="worker-2")) == 0
    stage.check_recorded()


def is_reported(cloud: Cloud) -> bool:
    status = cloud.status()
    return status is not None and status.reported


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_worker_that_is_paused_at_any_moment_changes_no_truth(
    stage: Stage, moment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For longer than its lease: another worker does the whole job meanwhile. What was in flight arrives after that."""
    monkeypatch.setattr(lease, "RENEWALS_PER_TTL", 3)
    send_job(stage.cloud)
    send_job(stage.cloud)
    context = stage.worker(Visit(), Visit(), lease_seconds=1.0)
    paused, resumed = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def pause() -> None:
        loop.call_soon_threadsafe(paused.set)
        assert resumed.wait(60)

    at_request(stage.proxy, moment, pause)
    running = asyncio.create_task(handle_next(stage.cloud, context))
    first: list[asyncio.Future[Any]] = [running, asyncio.ensure_future(paused.wait())]
    await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
    direct = Cloud(stage.cloud.embedded)
    (stage.folder / "other").mkdir()
    other = worker_context(direct, stage.folder / "other", owner="worker-2", lease_seconds=1.0)
    try:
        while await handle_next(direct, other) != 0 or not is_reported(direct):
            direct.jobs.send(msgspec.json.encode(JOB).decode())
    finally:
        resumed.set()
    truth = {key: direct.store.get(direct.keys.folder + key).data for key in ("bot.json", "result.json")}
    await running
    stage.close()
    other.events.close()
    for key, data in truth.items():
        assert direct.store.get(direct.keys.folder + key).data == data, key
    result = msgspec.json.decode(truth["result.json"], type=Result)
    assert result.outcome == OutcomeKind.RECORDED
    assert {event.sequence for event in direct.results()} == {result.sequence}
    assert stage.stored_parts() == stage.call.parts
    assert stage.local_parts() == []


@pytest.mark.parametrize("fault", FAULTS)
async def test_events_wait_through_refusals(stage: Stage, fault: Fault) -> None:
    send_job(stage.cloud)
    context = stage.worker(Visit())
    stage.proxy.fail(fault, times=3, matches=lambda request: request.action == "SendMessage")
    assert await handle_next(stage.cloud, context) == 0
    stage.check_recorded()


def give(cloud: Cloud, kind: str) -> None:
    body = msgspec.json.encode(Commands(commands=[Command(id=f"c-{kind}", kind=kind, at=time.time())]))
    cloud.store.put(cloud.keys.commands, body, content_type="application/json")


def ended(cloud: Cloud) -> list[tuple[str, str | None]]:
    """Recall.ai's codes of the bot's end, with their sub-codes."""
    status = cloud.status()
    assert status is not None
    ends = [(change.code, change.sub_code) for change in status.history]
    return list(dict.fromkeys(each for each in ends if each[0] in ("call_ended", "done", "fatal")))


LEFT: Final = [("call_ended", "bot_received_leave_call"), ("done", None)]


@pytest.fixture
def quick_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_inbox, "POLL", 0.02)


@pytest.mark.usefixtures("quick_commands")
async def test_a_bot_that_is_told_to_leave_leaves_and_is_done(stage: Stage) -> None:
    send_job(stage.cloud)
    running = asyncio.create_task(handle_next(stage.cloud, stage.worker(Visit(None))))
    await stage.call.on_tape.wait()
    give(stage.cloud, "leave")
    assert await running == 0
    stage.check_recorded()
    (result,) = stage.cloud.results()
    assert (result.reason, ended(stage.cloud)) == ("interrupted", LEFT)


@pytest.mark.usefixtures("quick_commands")
async def test_a_leave_stays_a_leave_for_the_worker_after_the_one_that_was_stopped(stage: Stage) -> None:
    await drained(stage)
    give(stage.cloud, "leave")
    second = stage.worker(owner="worker-2")
    assert await handle_next(stage.cloud, second) == 0
    stage.close()
    (result,) = stage.cloud.results()
    assert (result.outcome, result.reason, ended(stage.cloud)) == ("recorded", "interrupted", LEFT)
    assert stage.call.requests == []


@pytest.mark.usefixtures("quick_commands")
async def test_a_bot_that_waits_for_its_time_leaves_before_it_joined(stage: Stage) -> None:
    at = datetime.fromtimestamp(time.time() + 100, UTC).isoformat()
    send_job(stage.cloud, join_at=at)
    give(stage.cloud, "leave")
    await handle_next(stage.cloud, stage.worker())
    stage.close()
    (result,) = stage.cloud.results()
    assert (result.outcome, result.reason, ended(stage.cloud)) == ("not_admitted", "interrupted", LEFT)


@pytest.mark.usefixtures("quick_commands")
async def test_a_paused_bot_is_paused_in_the_next_attempt(stage: Stage) -> None:
    send_job(stage.cloud)
    first = stage.worker(Visit(None))
    running = asyncio.create_task(handle_next(stage.cloud, first))
    await stage.call.on_tape.wait()
    give(stage.cloud, "pause")
    async with asyncio.timeout(30):
        while stage.cloud.keys.command_state.rsplit("/", 1)[1] not in stage.cloud.objects():  # noqa: ASYNC110 - S3
            await asyncio.sleep(0.02)
    stage.stop(first)
    assert await running == 75
    stage.close()
    second = stage.worker(Visit(), owner="worker-2")
    assert await handle_next(stage.cloud, second) == 0
    stage.close()
    controls = stage.call.requests[0].controls
    assert controls is not None
    assert controls.paused


@pytest.mark.usefixtures("quick_commands")
async def test_a_resume_between_two_workers_is_reported(stage: Stage) -> None:
    """Neither of their sessions writes an event of it: one was over, the other begins so."""
    give(stage.cloud, "pause")
    await drained(stage)
    stage.close()
    status = stage.cloud.status()
    assert status is not None
    assert status.paused
    give(stage.cloud, "resume")
    send_job(stage.cloud)
    assert await handle_next(stage.cloud, stage.worker(Visit(), owner="worker-2")) == 0
    stage.close()
    status = stage.cloud.status()
    assert status is not None
    assert not status.paused
