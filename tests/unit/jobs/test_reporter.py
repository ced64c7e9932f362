from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import msgspec
import pytest

from tests.support.event_sinks import ListSink
from tests.support.job_parts import job
from tests.support.memory_store import Failing, MemoryStore
from tests.support.waits import until
from worker.contracts.job import Job
from worker.contracts.status import MOST_ENDPOINT_CHANGES, BotStatus
from worker.delivery.bucket_layout import bot_keys
from worker.delivery.errors import RefusedError
from worker.delivery.lease import Lease, LeaseLostError, LeaseRecord
from worker.jobs import reporter as module
from worker.jobs.reporter import Reporter, read_status
from worker.reasons import Reason
from worker.states import State

KEYS = bot_keys("", "bot-1")
TTL = 30.0
RESULT = {"event": "bot.result", "bot_id": "bot-1"}


class Desk:
    """A reporter of attempt 2, whose lease and bot.json are in one store."""

    def __init__(
        self, owner: str = "worker-1", store: MemoryStore | None = None, its_job: Job | None = None
    ) -> None:
        self.store = store or MemoryStore()
        self.steady = 0.0
        self.sink = ListSink()
        self.lease = Lease.acquire(self.store, KEYS.lease, owner, time.time(), TTL, lambda: self.steady)
        self.reporter = Reporter(self.store, KEYS, self.sink, self.lease, its_job or job(), 2, time.time)

    def pause(self) -> None:
        """The worker is stopped for longer than its lease."""
        self.steady += TTL + 1

    def take_over(self) -> None:
        """Another worker takes the bot, and writes its bot.json."""
        record = LeaseRecord(owner="worker-2", attempt=9, expires_at=time.time() + 600, ttl=TTL)
        self.store.overwrite(KEYS.lease, msgspec.json.encode(record))
        self.store.overwrite(KEYS.status, b"of worker-2")

    @property
    def status(self) -> BotStatus:
        return msgspec.json.decode(self.store.objects[KEYS.status], type=BotStatus)


def is_written(desk: Desk, state: State) -> Callable[[], bool]:
    return lambda: KEYS.status in desk.store.objects and desk.status.state == state


async def test_states_are_sent_at_once_and_written_soon() -> None:
    desk = Desk()
    desk.reporter.enter(State.JOINING)
    assert desk.sink.names == ["bot.joining"]
    desk.reporter.enter(State.IN_CALL_RECORDING)
    assert desk.sink.names == ["bot.joining", "bot.recording"]
    await until(is_written(desk, State.IN_CALL_RECORDING))
    assert [event["sequence"] for event in desk.sink.sent] == [2001, 2002]
    assert (desk.status.attempt, desk.status.sequence) == (2, 2002)


async def test_bot_json_keeps_the_states_of_all_attempts_in_order() -> None:
    desk = Desk()
    desk.reporter.enter(State.JOINING)
    desk.reporter.enter(State.FATAL, Reason.BROWSER_DIED)
    await until(is_written(desk, State.FATAL))
    later = Reporter(desk.store, KEYS, desk.sink, desk.lease, job(), 3, time.time, before=desk.status)
    later.enter(State.JOINING)
    later.enter(State.JOINING)
    await until(is_written(desk, State.JOINING))
    assert [(change.attempt, change.state, change.reason) for change in desk.status.history] == [
        (2, "joining", ""),
        (2, "fatal", "browser_died"),
        (3, "joining", ""),
    ]
    assert desk.status.history[-1].at == desk.status.updated_at


async def test_the_same_state_is_reported_once() -> None:
    desk = Desk()
    for _ in range(3):
        desk.reporter.enter(State.JOINING)
    assert desk.sink.names == ["bot.joining"]
    desk.reporter.enter(State.LEAVING, Reason.SILENCE)
    desk.reporter.enter(State.LEAVING, Reason.MEETING_ENDED)
    assert desk.sink.names == ["bot.joining", "bot.leaving", "bot.leaving"]


async def test_a_delayed_upload_is_reported_once_for_each_attempt() -> None:
    desk = Desk()
    for attempt in (2, 2, 3):
        desk.reporter.attempt = attempt
        desk.reporter.upload_delayed()
    assert [(event["event"], event["attempt"]) for event in desk.sink.sent] == [
        ("bot.delayed", 2),
        ("bot.delayed", 3),
    ]
    first, second = desk.sink.sent
    assert first["sequence"] < second["sequence"]
    assert first["idempotency_key"] != second["idempotency_key"]


async def test_numbers_grow_with_the_attempt() -> None:
    desk = Desk()
    desk.reporter.enter(State.JOINING)
    desk.reporter.attempt = 3
    desk.reporter.enter(State.IN_CALL_RECORDING)
    assert [event["sequence"] for event in desk.sink.sent] == [2001, 3002]
    assert [event["attempt"] for event in desk.sink.sent] == [2, 3]


async def test_an_unproven_owner_reports_once_its_lease_is_renewed() -> None:
    desk = Desk()
    desk.pause()
    desk.reporter.enter(State.JOINING)
    assert desk.sink.names == []
    desk.reporter.enter(State.IN_CALL_RECORDING)
    desk.reporter.enter(State.LEAVING, Reason.SILENCE)
    await until(lambda: len(desk.sink.sent) == 3)
    assert desk.sink.names == ["bot.joining", "bot.recording", "bot.leaving"]
    await until(is_written(desk, State.LEAVING))
    assert desk.lease.is_proven


async def test_an_unproven_owner_reports_although_the_store_refuses_the_renewal() -> None:
    """Refusals say nothing about the owner, and somebody has to tell what happens in the call."""
    desk = Desk()
    desk.pause()
    desk.store.before = Failing(*[RefusedError("no")] * 3, wanted=("put bots/bot-1/lease.json",))
    desk.reporter.enter(State.JOINING)
    await until(lambda: desk.sink.names == ["bot.joining"])


async def test_events_keep_their_order_when_the_lease_is_proven_again() -> None:
    desk = Desk()
    asked, answer = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def before(method: str, key: str) -> None:
        if (method, key) == ("put", KEYS.lease) and not answer.is_set():
            loop.call_soon_threadsafe(asked.set)
            asyncio.run_coroutine_threadsafe(answer.wait(), loop).result(20)

    desk.pause()
    desk.store.before = before
    desk.reporter.enter(State.JOINING)
    await asked.wait()
    # A heartbeat renews it meanwhile; the first event is still waiting for its own answer.
    desk.lease._proven_at = desk.steady
    desk.reporter.enter(State.IN_CALL_RECORDING)
    assert desk.sink.names == []
    answer.set()
    await until(lambda: len(desk.sink.sent) == 2)
    assert desk.sink.names == ["bot.joining", "bot.recording"]


async def test_a_worker_that_was_taken_over_says_nothing() -> None:
    desk = Desk()
    desk.reporter.enter(State.JOINING)
    await until(is_written(desk, State.JOINING))
    desk.pause()
    desk.take_over()
    desk.reporter.enter(State.IN_CALL_RECORDING)
    desk.reporter.enter(State.LEAVING, Reason.SILENCE)
    for act in (desk.reporter.audio_ready, desk.reporter.audio_missing):
        with pytest.raises(LeaseLostError):
            await act()
    with pytest.raises(LeaseLostError):
        await desk.reporter.send_result(RESULT, 1.0, threading.Event())
    assert desk.sink.names == ["bot.joining"]
    assert desk.store.objects[KEYS.status] == b"of worker-2"


async def test_a_worker_whose_pause_ended_in_mid_write_does_not_overwrite_bot_json() -> None:
    """Proven by its own clock until the pause: only the version of bot.json tells."""
    desk = Desk()
    desk.reporter.enter(State.JOINING)
    await until(is_written(desk, State.JOINING))

    def before(method: str, key: str) -> None:
        if (method, key) == ("put", KEYS.status):
            desk.store.before = lambda _method, _key: None
            desk.pause()
            desk.take_over()

    desk.store.before = before
    desk.reporter.enter(State.IN_CALL_RECORDING)
    await until(lambda: desk.store.objects[KEYS.status] == b"of worker-2")
    with pytest.raises(LeaseLostError):
        await desk.reporter.audio_ready()
    assert desk.store.objects[KEYS.status] == b"of worker-2"


async def test_the_end_is_written_in_order() -> None:
    desk = Desk()
    desk.reporter.enter(State.STOPPED, Reason.MEETING_ENDED)
    await desk.reporter.audio_ready()
    assert desk.status.audio_status == "Success"
    desk.reporter.enter(State.DONE, Reason.MEETING_ENDED)
    assert await desk.reporter.send_result(RESULT, 1.0, threading.Event())
    assert desk.sink.names == ["bot.stopped", "audio.processed", "bot.done", "bot.result"]
    assert (desk.status.state, desk.status.audio_status, desk.status.reported) == ("done", "Success", True)


@pytest.mark.parametrize(("failed", "video_status"), [(False, "Success"), (True, "Failed")])
async def test_videos_are_final_after_the_audio(failed: bool, video_status: str) -> None:
    desk = Desk(its_job=job(video_separate_streams=True))
    desk.reporter.enter(State.STOPPED, Reason.MEETING_ENDED)
    await desk.reporter.audio_ready()
    assert desk.status.video_status == "in_progress"
    await desk.reporter.video_ready(failed=failed)
    assert desk.status.video_status == video_status
    desk.reporter.enter(State.DONE, Reason.MEETING_ENDED)
    await until(is_written(desk, State.DONE))
    assert (desk.status.audio_status, desk.status.video_status) == ("Success", video_status)
    assert desk.sink.names == ["bot.stopped", "audio.processed", "video.processed", "bot.done"]
    sent = desk.sink.sent[2]
    assert (sent["video_status"], sent["status_code"]) == (video_status, 500 if failed else 200)


@pytest.mark.parametrize(
    ("asked", "before", "after"), [(True, "in_progress", "Success"), (False, None, None)]
)
async def test_where_nothing_was_recorded_no_video_is_waited_for(
    asked: bool, before: str | None, after: str | None
) -> None:
    desk = Desk(its_job=job(video_separate_streams=asked))
    desk.reporter.enter(State.JOINING)
    await until(is_written(desk, State.JOINING))
    assert desk.status.video_status == before
    await desk.reporter.audio_missing()
    assert desk.status.video_status == after
    assert desk.sink.names == ["bot.joining"]


@pytest.mark.parametrize(
    ("asked", "final", "after", "events"),
    [
        (True, False, "Failed", ["video.processed"]),
        (True, True, "Success", ["video.processed"]),
        (False, False, None, []),
    ],
    ids=["no video", "video", "not asked for"],
)
async def test_what_cannot_be_recovered_is_not_waited_for(
    asked: bool, final: bool, after: str | None, events: list[str]
) -> None:
    desk = Desk(its_job=job(video_separate_streams=asked))
    desk.reporter.enter(State.FATAL, Reason.TOO_MANY_ATTEMPTS)
    if final:
        await desk.reporter.video_ready()
    await desk.reporter.end_waiting()
    assert (desk.status.audio_status, desk.status.video_status) == ("Success", after)
    assert desk.sink.names[1:] == events


async def test_a_result_that_cannot_be_sent_is_not_written_as_reported() -> None:
    desk = Desk()
    desk.reporter.enter(State.DONE, Reason.MEETING_ENDED)
    desk.sink.reachable = False
    assert not await desk.reporter.send_result(RESULT, 1.0, threading.Event())
    await until(is_written(desk, State.DONE))
    assert not desk.status.reported


async def test_a_worker_that_is_out_of_time_does_not_wait_for_the_events_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "DRAIN_ROUND", 0.01)
    desk, out_of_time = Desk(), threading.Event()
    desk.sink.reachable, desk.sink.waiting = False, 1
    desk.reporter.enter(State.DONE)
    sending = asyncio.create_task(desk.reporter.send_result(RESULT, 600.0, out_of_time))
    await until(lambda: "bot.result" in desk.sink.names)
    assert not sending.done()
    out_of_time.set()
    async with asyncio.timeout(20):
        assert not await sending


async def test_a_state_that_cannot_be_written_is_replaced_by_the_next() -> None:
    desk = Desk()
    desk.store.before = Failing(RefusedError("no"), wanted=(f"put {KEYS.status}",))
    desk.reporter.enter(State.JOINING)
    await asyncio.sleep(0.05)
    desk.reporter.enter(State.IN_CALL_RECORDING)
    await until(is_written(desk, State.IN_CALL_RECORDING))


async def test_what_must_be_written_raises() -> None:
    desk = Desk()
    desk.reporter.enter(State.STOPPED, Reason.MEETING_ENDED)
    await until(is_written(desk, State.STOPPED))
    desk.store.before = Failing(RefusedError("no"), wanted=(f"put {KEYS.status}",))
    with pytest.raises(RefusedError):
        await desk.reporter.audio_ready()
    # No event reports audio that bot.json does not show.
    assert desk.sink.names == ["bot.stopped"]


async def test_a_successor_writes_over_bot_json_of_the_former_worker() -> None:
    former = Desk()
    former.reporter.enter(State.IN_CALL_RECORDING)
    await until(is_written(former, State.IN_CALL_RECORDING))
    former.lease.release(time.time())
    successor = Desk("worker-2", former.store)
    successor.reporter.enter(State.JOINING)
    await until(is_written(successor, State.JOINING))


@pytest.mark.parametrize("garbage", [b"{", b'{"bot_id":"\xff"}', b'{"x":' + b"[" * 100_000])
def test_a_status_that_cannot_be_read_is_none(garbage: bytes) -> None:
    store = MemoryStore()
    store.overwrite(KEYS.status, garbage)
    etag, status = read_status(store, KEYS)
    assert (etag is None, status) == (False, None)


async def test_a_pause_is_reported_once_and_known_to_the_next_worker() -> None:
    desk = Desk()
    desk.reporter.paused(True)
    assert desk.sink.sent == []
    assert not desk.reporter.enter(State.IN_CALL_RECORDING).paused
    for paused in (True, True, False, False, True):
        desk.reporter.paused(paused)
    await until(lambda: is_written(desk, State.IN_CALL_RECORDING)() and desk.status.paused)
    names = [event["event"] for event in desk.sink.sent]
    assert names == ["bot.recording", "recording.paused", "recording.processing", "recording.paused"]
    assert [event["code"] for event in desk.sink.sent[1:]] == ["paused", "processing", "paused"]
    sequences = [event["sequence"] for event in desk.sink.sent]
    assert sequences == sorted(set(sequences))
    before = desk.status
    again = Reporter(desk.store, KEYS, desk.sink, desk.lease, job(), 3, time.time, before=before)
    again.paused(True)
    assert again.enter(State.IN_CALL_RECORDING).paused
    assert len(desk.sink.sent) == 5


TOKEN = "q4Zx9kPw2LmN8vBt"
LIVE = job(
    recording_config={
        "realtime_endpoints": [
            {
                "type": "webhook",
                "url": f"https://live.example/{TOKEN}?key={TOKEN}",
                "events": ["participant_events.join"],
                "headers": {"X-Key": TOKEN},
            }
        ]
    }
)


async def test_states_of_endpoints_are_sent_and_known_to_the_next_worker() -> None:
    desk = Desk(its_job=LIVE)
    desk.reporter.endpoint(0, "running")
    assert desk.sink.sent == []
    desk.reporter.enter(State.IN_CALL_RECORDING)
    desk.reporter.endpoint(0, "running")
    desk.reporter.endpoint(0, "failed", "refused\nby the receiver", 1)
    desk.reporter.enter(State.LEAVING, Reason.SILENCE)
    await until(is_written(desk, State.LEAVING))
    names = ["bot.recording", "realtime_endpoint.running", "realtime_endpoint.failed", "bot.leaving"]
    assert desk.sink.names == names
    changes = [
        (each.number, each.code, each.message, each.attempt) for each in desk.status.realtime_endpoints
    ]
    assert changes == [(0, "running", "", 2), (0, "failed", "refused by the receiver", 1)]
    events = desk.sink.sent[1:3]
    assert [(event["code"], event["status_code"]) for event in events] == [("running", 200), ("failed", 500)]
    assert [event["endpoint"] for event in events] == msgspec.to_builtins(desk.status.realtime_endpoints)
    assert [event["updated_at"] for event in events] == [each.at for each in desk.status.realtime_endpoints]
    later = Reporter(desk.store, KEYS, desk.sink, desk.lease, LIVE, 3, time.time, before=desk.status)
    later.enter(State.JOINING)
    await until(is_written(desk, State.JOINING))
    assert len(desk.status.realtime_endpoints) == 2


async def test_states_of_endpoints_are_bounded_in_bot_json() -> None:
    desk = Desk(its_job=LIVE)
    desk.reporter.enter(State.IN_CALL_RECORDING)
    for _ in range(MOST_ENDPOINT_CHANGES + 5):
        desk.reporter.endpoint(0, "running")
    desk.reporter.endpoint(0, "done")
    await until(
        lambda: (
            is_written(desk, State.IN_CALL_RECORDING)() and desk.status.realtime_endpoints[-1].code == "done"
        )
    )
    assert len(desk.status.realtime_endpoints) == MOST_ENDPOINT_CHANGES


async def test_nothing_of_an_endpoint_follows_the_result() -> None:
    desk = Desk(its_job=LIVE)
    desk.reporter.enter(State.DONE, Reason.SILENCE)
    await desk.reporter.send_result(RESULT, 1.0, threading.Event())
    desk.reporter.endpoint(0, "failed")
    assert desk.sink.names[-1] == "bot.result"


async def test_what_leads_to_an_endpoint_is_in_no_report() -> None:
    desk = Desk(its_job=LIVE)
    desk.reporter.enter(State.IN_CALL_RECORDING)
    endpoint = LIVE.live[0]
    desk.reporter.endpoint(0, "failed", f"{endpoint.url} answered 401 to {endpoint.headers}")
    await until(lambda: is_written(desk, State.IN_CALL_RECORDING)() and bool(desk.status.realtime_endpoints))
    assert "answered 401" in desk.status.realtime_endpoints[0].message
    for text in (desk.store.objects[KEYS.status].decode(), str(desk.sink.sent)):
        assert TOKEN not in text


async def test_the_clock_of_live_streams_is_that_of_the_first_attempt_that_recorded() -> None:
    desk = Desk()
    assert desk.reporter.recording_started_at is None
    desk.reporter.enter(State.IN_CALL_RECORDING)
    desk.reporter.recording_began(1_790_000_000.123456)
    desk.reporter.recording_began(1_790_000_100.0)
    assert desk.reporter.recording_started_at == 1_790_000_000.123456
    await until(is_written(desk, State.IN_CALL_RECORDING))
    desk.reporter.enter(State.LEAVING, Reason.SILENCE)
    await until(is_written(desk, State.LEAVING))
    before = desk.status
    later = Reporter(desk.store, KEYS, desk.sink, desk.lease, job(), 3, time.time, before=before)
    assert later.recording_started_at == 1_790_000_000.123456
    # A worker of an earlier version wrote only the states.
    before = msgspec.structs.replace(before, recording_started_at=None)
    later = Reporter(desk.store, KEYS, desk.sink, desk.lease, job(), 3, time.time, before=before)
    began = later.recording_started_at
    assert began is not None and abs(began - time.time()) < 60
