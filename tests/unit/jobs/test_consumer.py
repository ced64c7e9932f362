from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from prometheus_client import CollectorRegistry

from tests.support.event_sinks import ListSink
from tests.support.job_parts import NOW, context_with
from worker.browser.launch import ChromiumLaunchError, ChromiumNotFoundError
from worker.browser.virtual_display import DisplayError
from worker.contracts.job import Job
from worker.delivery.aws_clients import Aws
from worker.delivery.errors import RefusedError, UnavailableError
from worker.delivery.event_sinks import EventSink
from worker.delivery.jobs_queue import Delivery, JobsQueue
from worker.delivery.retries import RetryPolicy
from worker.errors import InputError
from worker.jobs import backend, consumer
from worker.jobs.bot_claim import BotIdTakenError
from worker.jobs.consumer import JobConsumer, run_from_queue, run_one
from worker.jobs.context import WorkerContext
from worker.jobs.disposition import Disposition
from worker.jobs.recovery_process import RecoveryError
from worker.lifecycle.ending import Ending
from worker.reasons import Reason
from worker.settings import BrowserSettings, SettingsError, WorkerSettings

LINK = "https://meet.google.com/abc-defg-hij"
STEADY = 700.0
DEAD_LETTERS = "arn:aws:sqs:us-east-1:123456789012:dead-letters"


class ScriptedSqs:
    """Answers like SQS and records each request: (operation, its main argument)."""

    def __init__(
        self,
        *,
        dead_letters: bool = True,
        refuses: bool = False,
        lost: bool = False,
        refused_deletes: int = 0,
    ) -> None:
        self.asked: list[tuple[str, object]] = []
        self.copies: list[dict[str, object]] = []
        self.carried: list[dict[str, str]] = []
        self._refused_deletes = refused_deletes
        self._dead_letters = dead_letters
        self._refuses = refuses
        self._lost = lost

    def change_message_visibility(self, *, VisibilityTimeout: int, **_: object) -> None:  # noqa: N803
        self._ask("hide", VisibilityTimeout)

    def delete_message(self, **_: object) -> None:
        if self._refused_deletes:
            self._refused_deletes -= 1
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "DeleteMessage")
        self._ask("delete", None)

    def send_message(self, *, MessageBody: str, **fields: Any) -> dict[str, str]:  # noqa: N803
        if self._refuses:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "SendMessage")
        attributes = {name: each["StringValue"] for name, each in fields["MessageAttributes"].items()}
        if "reason" in attributes:
            self.asked.append(("dead letter", attributes["reason"]))
        else:
            self.asked.append(("copy", (fields["DelaySeconds"], int(attributes["receives"]))))
            self.copies.append(json.loads(MessageBody))
            self.carried.append(attributes)
        return {"MessageId": "copy"}

    def get_queue_attributes(self, **_: object) -> dict[str, dict[str, str]]:
        if not self._dead_letters:
            return {}
        return {"Attributes": {"RedrivePolicy": json.dumps({"deadLetterTargetArn": DEAD_LETTERS})}}

    def get_queue_url(self, **_: object) -> dict[str, str]:
        return {"QueueUrl": "https://sqs.example/dead-letters"}

    def _ask(self, operation: str, argument: object) -> None:
        self.asked.append((operation, argument))
        if self._lost:
            raise ClientError({"Error": {"Code": "ReceiptHandleIsInvalid"}}, operation)


class TimedSink(ListSink):
    """Is only waited for as long as the consumer may."""

    def drain(self, timeout: float) -> bool:
        assert timeout in (WorkerSettings().retry_seconds, consumer.MESSAGE_PATIENCE)
        return super().drain(timeout)


class Runs:
    """Replaces ``run_job``: keeps what it is asked to run, then returns or raises ``end``."""

    def __init__(self, end: Disposition | Exception = Disposition.DONE) -> None:
        self.jobs: list[Job] = []
        self.sent_at: list[float] = []
        self.ends_by: list[float | None] = []
        self.give_up: list[bool] = []
        self._end = end

    async def run_job(
        self, job: Job, context: WorkerContext, *, sent_at: float, ends_by: float | None, give_up: bool
    ) -> Disposition:
        assert context.work.is_dir()
        self.sent_at.append(sent_at)
        self.jobs.append(job)
        self.ends_by.append(ends_by)
        self.give_up.append(give_up)
        if isinstance(self._end, Exception):
            raise self._end
        return self._end


RunsWith = Callable[[Disposition | Exception], Runs]


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "MESSAGE_RETRY", 0.0)


@pytest.fixture
def runs_with(monkeypatch: pytest.MonkeyPatch) -> RunsWith:
    def replace(end: Disposition | Exception) -> Runs:
        runs = Runs(end)
        monkeypatch.setattr(consumer, "run_job", runs.run_job)
        return runs

    return replace


def delivery(receive_count: int = 1, message_id: str = "m-1", **fields: object) -> Delivery:
    body = {"bot_id": "bot-1", "meeting_link": LINK, **fields}
    return Delivery(json.dumps(body), "receipt", receive_count, NOW - 5.0, message_id)


async def handle(
    sqs: ScriptedSqs,
    received: Delivery,
    events: EventSink | None = None,
    registry: CollectorRegistry | None = None,
) -> int:
    """A steady clock that begins at STEADY and moves by a second at each look."""
    queue = JobsQueue(
        cast(Any, sqs), "https://sqs.example/jobs", retry=RetryPolicy(budget=0.1, first_wait=0.01)
    )
    context = context_with(events or TimedSink(), registry=registry, steady=partial(next, count(STEADY)))
    return await JobConsumer(queue, received, context).handle()


def counted(registry: CollectorRegistry, operation: str, result: str) -> float | None:
    labels = {"operation": operation, "result": result}
    return registry.get_sample_value("meetstems_queue_operations_total", labels)


async def succeed(*_: object) -> bool:
    return True


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize(
    ("disposition", "exit_code", "asked"),
    [
        (Disposition.DONE, 0, [("delete", None)]),
        (Disposition.FAILED, 1, [("delete", None)]),
        (Disposition.HELD, 0, [("copy", (60, 0)), ("delete", None)]),
        (Disposition.HANDED_ON, 75, [("copy", (0, 0)), ("delete", None)]),
        (Disposition.TAKEN_OVER, 0, []),
        (Disposition.UNREPORTED, 75, [("copy", (30, 0)), ("delete", None)]),
        (Disposition.GIVEN_UP, 1, [("dead letter", "too_many_attempts"), ("delete", None)]),
    ],
)
async def test_each_disposition_has_its_exit_code_and_settles_the_message(
    runs_with: RunsWith, disposition: Disposition, exit_code: int, asked: list[tuple[str, object]]
) -> None:
    runs = runs_with(disposition)
    sqs = ScriptedSqs()
    assert await handle(sqs, delivery()) == exit_code
    assert sqs.asked == asked
    assert [job.bot_id for job in runs.jobs] == ["bot-1"]
    assert runs.ends_by == [STEADY + 12 * 3600 - 1800]
    assert runs.sent_at == [NOW - 5.0]


@pytest.mark.parametrize(
    ("disposition", "exit_code"),
    [
        (Disposition.DONE, 0),
        (Disposition.FAILED, 1),
        (Disposition.HELD, 75),
        (Disposition.HANDED_ON, 75),
        (Disposition.TAKEN_OVER, 0),
        (Disposition.UNREPORTED, 75),
        (Disposition.GIVEN_UP, 1),
    ],
)
async def test_each_disposition_of_a_job_without_a_queue_has_its_exit_code(
    runs_with: RunsWith,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    disposition: Disposition,
    exit_code: int,
) -> None:
    @asynccontextmanager
    async def open_context(*_: object) -> AsyncIterator[WorkerContext]:
        yield context_with(TimedSink(), tmp_path)

    monkeypatch.setattr(consumer, "open_context", open_context)
    monkeypatch.setattr(consumer, "preflight", succeed)
    monkeypatch.setattr(consumer, "until_able", succeed)
    runs = runs_with(disposition)
    body = json.dumps({"meeting_link": LINK}).encode()
    assert await run_one(body, BrowserSettings(), WorkerSettings(), Aws()) == exit_code
    assert (runs.ends_by, runs.give_up) == ([None], [False])
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    ("error", "exit_code", "kind"),
    [
        (InputError("MEETSTEMS_STORAGE_STATE: wrong"), 2, "configuration"),
        (RefusedError("S3: put: AccessDenied"), 2, "refused"),
        (ChromiumNotFoundError("there is no Chromium"), 2, "browser"),
        (UnavailableError("S3: put: no answer"), 75, "unavailable"),
        (ChromiumLaunchError("Chromium did not start"), 75, "browser"),
        (DisplayError("no display"), 75, "browser"),
        (OSError("the disk is full"), 75, "system"),
    ],
)
@pytest.mark.parametrize(
    ("receive_count", "delays", "seconds"),
    [(1, 0, 30), (1, 3, 240), (2, 4, 480), (3, 5, 600), (3, 9, 600), (1, consumer.MOST_DELAYS - 1, 600)],
)
async def test_a_job_that_this_worker_cannot_run_is_put_back_and_reported_as_delayed(
    runs_with: RunsWith,
    error: Exception,
    exit_code: int,
    kind: str,
    receive_count: int,
    delays: int,
    seconds: int,
) -> None:
    """This receive does not count: a worker's environment is no fault of the job."""
    runs_with(error)
    sqs, events, registry = ScriptedSqs(), TimedSink(), CollectorRegistry()
    received = delivery(receive_count)._replace(delays=delays, postponed=77)
    assert await handle(sqs, received, events, registry) == exit_code
    assert sqs.asked == [("copy", (seconds, receive_count - 1)), ("delete", None)]
    (event,) = events.sent
    assert (event["event"], event["bot_id"]) == ("bot.delayed", "bot-1")
    assert event["message"] == f"The bot cannot be run now and is tried again: {error}"
    assert datetime.fromisoformat(event["retry_at"]).timestamp() == NOW + seconds
    assert registry.get_sample_value("meetstems_jobs_delayed_total", {"reason": kind}) == 1


@pytest.mark.parametrize("end", [Disposition.UNREPORTED, UnavailableError("no answer")])
async def test_a_copy_carries_the_delays_and_what_its_job_has_spent(
    runs_with: RunsWith, end: Disposition | Exception
) -> None:
    """A job that waited for its time for days has not been delayed once."""
    runs_with(end)
    sqs = ScriptedSqs()
    await handle(sqs, delivery(2)._replace(postponed=500, delays=1))
    assert sqs.asked[0] == ("copy", (60, 1))
    assert sqs.carried == [{"sent_at": str(NOW - 5.0), "receives": "1", "postponed": "501", "delays": "2"}]


@pytest.mark.parametrize(
    ("disposition", "asked"),
    [
        (Disposition.HELD, [("copy", (60, 0)), ("delete", None)]),
        (Disposition.HANDED_ON, [("copy", (0, 0)), ("delete", None)]),
        (Disposition.UNREPORTED, [("copy", (30, 0)), ("delete", None)]),
        (Disposition.GIVEN_UP, [("dead letter", "too_many_attempts"), ("delete", None)]),
    ],
)
async def test_a_refused_delete_does_not_multiply_the_message(
    runs_with: RunsWith, disposition: Disposition, asked: list[tuple[str, object]]
) -> None:
    runs_with(disposition)
    sqs = ScriptedSqs(refused_deletes=3)
    await handle(sqs, delivery())
    assert sqs.asked == asked


@pytest.mark.parametrize(
    ("disposition", "asked"),
    [
        (Disposition.HELD, [("hide", 60)]),
        (Disposition.HANDED_ON, [("hide", 0)]),
        (Disposition.UNREPORTED, [("hide", 30)]),
        (Disposition.GIVEN_UP, [("hide", 30)]),
    ],
)
async def test_a_message_goes_back_itself_where_the_queue_takes_no_copy(
    runs_with: RunsWith, disposition: Disposition, asked: list[tuple[str, object]]
) -> None:
    runs_with(disposition)
    sqs = ScriptedSqs(refuses=True)
    await handle(sqs, delivery())
    assert sqs.asked == asked


@pytest.mark.parametrize("error", [RuntimeError("a bug"), RecoveryError("it ended with exit code 1")])
async def test_a_receive_whose_failure_may_be_the_jobs_own_counts(
    runs_with: RunsWith, error: Exception
) -> None:
    runs_with(error)
    sqs, events = ScriptedSqs(), TimedSink()
    assert await handle(sqs, delivery(), events) == 1
    assert sqs.asked == [("hide", 30)]
    assert events.sent == []


@pytest.mark.parametrize("error", [RuntimeError("a bug with a secret"), RecoveryError("exit code 1")])
async def test_a_job_that_cannot_even_be_given_up_is_reported_all_the_same(
    runs_with: RunsWith, error: Exception
) -> None:
    """Its next receive would end in the dead-letter queue in silence."""
    runs_with(error)
    sqs, events = ScriptedSqs(), TimedSink()
    assert await handle(sqs, delivery(receive_count=3), events) == 1
    assert sqs.asked == [("dead letter", "too_many_attempts"), ("delete", None)]
    (event,) = events.sent
    assert (event["event"], event["bot_id"], event["outcome"], event["reason"]) == (
        "bot.result",
        "bot-1",
        "failed",
        "too_many_attempts",
    )
    assert event["idempotency_key"] == "bot-1-result"
    assert event["detail"] == f"internal error: {type(error).__name__}"


async def test_a_job_that_can_neither_be_given_up_nor_reported_stays_on_the_queue(
    runs_with: RunsWith,
) -> None:
    runs_with(RuntimeError("a bug"))
    sqs = ScriptedSqs()
    assert await handle(sqs, delivery(receive_count=3), TimedSink(reachable=False)) == 75
    assert sqs.asked == [("copy", (30, 2)), ("delete", None)]


@pytest.mark.parametrize("problem", [None, OSError("busy"), ValueError("odd"), RuntimeError("shutdown")])
async def test_the_folder_does_not_decide_how_a_job_ended(
    runs_with: RunsWith, monkeypatch: pytest.MonkeyPatch, problem: Exception | None
) -> None:
    def remove(work: Path, *_: object) -> bool:
        if problem is not None:
            raise problem
        return True

    monkeypatch.setattr(consumer, "remove_local_copy", remove)
    runs_with(Disposition.DONE)
    sqs = ScriptedSqs()
    assert await handle(sqs, delivery()) == 0
    assert sqs.asked == [("delete", None)]


async def test_a_job_that_no_worker_can_run_is_reported_in_the_end(runs_with: RunsWith) -> None:
    runs_with(RefusedError("S3: put: AccessDenied"))
    sqs, events = ScriptedSqs(), TimedSink()
    assert await handle(sqs, delivery()._replace(delays=consumer.MOST_DELAYS), events) == 1
    assert sqs.asked == [("dead letter", "too_many_attempts"), ("delete", None)]
    (event,) = events.sent
    assert (event["event"], event["reason"]) == ("bot.result", "too_many_attempts")
    assert event["detail"] == "refused error: RefusedError"


async def test_a_bot_id_that_is_taken_is_reported_and_costs_only_this_message(runs_with: RunsWith) -> None:
    runs_with(BotIdTakenError("job: bot_id: 'bot-1' belongs to a job with another body"))
    sqs, events = ScriptedSqs(), TimedSink()
    assert await handle(sqs, delivery(), events) == 1
    assert sqs.asked == [("dead letter", "invalid_job"), ("delete", None)]
    (event,) = events.sent
    assert (event["reason"], event["bot_id"]) == ("invalid_job", None)
    assert "'bot-1' belongs to a job with another body" in event["message"]


@pytest.mark.parametrize(("receive_count", "gives_up"), [(1, False), (2, False), (3, True)])
async def test_a_job_that_was_received_too_often_is_given_up(
    runs_with: RunsWith, receive_count: int, gives_up: bool
) -> None:
    runs = runs_with(Disposition.DONE)
    sqs = ScriptedSqs()
    assert await handle(sqs, delivery(receive_count)) == 0
    assert runs.give_up == [gives_up]
    # Another worker has recorded it: a job that succeeded is no dead letter.
    assert sqs.asked == [("delete", None)]


async def test_a_job_that_was_given_up_but_not_reported_stays_on_the_queue(runs_with: RunsWith) -> None:
    runs_with(Disposition.UNREPORTED)
    sqs = ScriptedSqs()
    assert await handle(sqs, delivery(receive_count=3)) == 75
    assert sqs.asked == [("copy", (30, 2)), ("delete", None)]


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ({}, [("dead letter", "invalid_job"), ("delete", None)]),
        ({"dead_letters": False}, [("delete", None)]),
        ({"refuses": True}, [("hide", 30)]),
    ],
)
async def test_an_invalid_job_is_reported_and_taken_off_the_queue(
    runs_with: RunsWith, options: dict[str, bool], asked: list[tuple[str, object]]
) -> None:
    sqs = ScriptedSqs(**options)
    runs = runs_with(Disposition.DONE)
    events = TimedSink()
    assert await handle(sqs, delivery(bot_name=7), events) == 1
    assert sqs.asked == asked
    (event,) = events.sent
    assert event["message"] == "job: bot_name: 7; expected 1 to 100 printable characters"
    assert (event["bot_id"], event["reason"]) == ("bot-1", "invalid_job")
    assert (event["event"], event["bot_status"], event["sub_code"]) == ("bot.failed", "Error", "bot_errored")
    again = TimedSink()
    await handle(ScriptedSqs(), delivery(receive_count=2, message_id="m-2", bot_name=7), again)
    assert again.sent == events.sent
    assert runs.jobs == []


async def test_an_invalid_job_that_cannot_be_reported_stays_on_the_queue(runs_with: RunsWith) -> None:
    runs_with(Disposition.DONE)
    sqs = ScriptedSqs()
    assert await handle(sqs, delivery(bot_name=7), TimedSink(reachable=False)) == 75
    assert sqs.asked == [("copy", (30, 0)), ("delete", None)]


@pytest.mark.parametrize(
    ("at", "receive_count", "asked"),
    [
        ("09:00:00", 1, [("hide", 3360)]),
        ("09:00:00", 2, [("copy", (900, 1)), ("delete", None)]),
        ("08:10:00", 1, [("copy", (360, 0)), ("delete", None)]),
        ("08:04:01", 1, [("copy", (1, 0)), ("delete", None)]),
    ],
)
async def test_a_job_for_later_goes_back_to_the_queue_until_shortly_before(
    runs_with: RunsWith, at: str, receive_count: int, asked: list[tuple[str, object]]
) -> None:
    """A lead of four minutes: a node, the image and Chromium may have to start first."""
    runs = runs_with(Disposition.DONE)
    sqs = ScriptedSqs()
    assert await handle(sqs, delivery(receive_count, join_at=f"2027-01-15T{at}Z")) == 0
    assert sqs.asked == asked
    assert runs.jobs == []


async def test_a_copy_of_a_job_for_later_keeps_the_bot_id(runs_with: RunsWith) -> None:
    runs = runs_with(Disposition.DONE)
    sqs = ScriptedSqs()
    later = delivery(2, bot_id=None, join_at="2027-01-15T08:10:00Z")
    assert await handle(sqs, later) == 0
    (copy,) = sqs.copies
    await handle(ScriptedSqs(), delivery(bot_id=None))
    await handle(ScriptedSqs(), delivery(bot_id=None, message_id="m-2"))
    first, second = (job.bot_id for job in runs.jobs)
    assert copy["bot_id"] == first != second


@pytest.mark.parametrize("at", ["07:00:00", "08:00:00", "08:04:00"])
async def test_a_job_for_now_or_soon_is_done(runs_with: RunsWith, at: str) -> None:
    runs = runs_with(Disposition.DONE)
    assert await handle(ScriptedSqs(), delivery(join_at=f"2027-01-15T{at}Z")) == 0
    assert len(runs.jobs) == 1


@pytest.mark.parametrize(
    ("join_at", "waited"),
    [
        (None, 5.0),
        ("2027-01-15T07:59:58Z", 2.0),
        ("2027-01-15T08:03:00Z", 0.0),
        ("2026-01-15T08:00:00Z", 5.0),
    ],
)
async def test_a_receive_and_the_fate_of_its_message_are_counted(
    runs_with: RunsWith, join_at: str | None, waited: float
) -> None:
    runs_with(Disposition.DONE)
    registry = CollectorRegistry()
    await handle(ScriptedSqs(), delivery(2, join_at=join_at), registry=registry)
    assert registry.get_sample_value("meetstems_job_wait_seconds_sum") == waited
    assert registry.get_sample_value("meetstems_job_receives") == 2.0
    assert (counted(registry, "delete", "ok"), counted(registry, "delete", "error")) == (1.0, 0.0)


async def test_a_message_that_was_lost_meanwhile_changes_no_exit_code(
    runs_with: RunsWith, caplog: pytest.LogCaptureFixture
) -> None:
    runs_with(Disposition.FAILED)
    registry = CollectorRegistry()
    assert await handle(ScriptedSqs(lost=True), delivery(), registry=registry) == 1
    assert "the message was lost: SQS: delete" in caplog.text
    assert (counted(registry, "delete", "ok"), counted(registry, "delete", "error")) == (0.0, 1.0)


class Poll:
    """Replaces ``next_delivery``: the next of ``deliveries``; after the last one the worker is stopped."""

    def __init__(self, *deliveries: Delivery | None) -> None:
        self._deliveries = list(deliveries)
        self.waited: list[float] = []

    async def next_delivery(
        self, queue: JobsQueue, seconds: float, stopped: asyncio.Future[Ending]
    ) -> Delivery | None:
        assert queue.visibility == 77
        self.waited.append(seconds)
        received = self._deliveries.pop(0)
        if not self._deliveries:
            stopped.set_result(Ending(Reason.DRAINED, "SIGTERM", NOW))
        return received


async def run_queue(monkeypatch: pytest.MonkeyPatch, poll: Poll, sqs: ScriptedSqs, *, forever: bool) -> int:
    @asynccontextmanager
    async def open_context(*_: object) -> AsyncIterator[WorkerContext]:
        yield context_with(TimedSink())

    monkeypatch.setattr(consumer, "open_context", open_context)
    monkeypatch.setattr(consumer, "preflight", succeed)
    monkeypatch.setattr(consumer, "until_able", succeed)
    monkeypatch.setattr(consumer, "next_delivery", poll.next_delivery)
    monkeypatch.setattr(backend, "sqs_client", lambda *_: sqs)
    monkeypatch.setattr(backend, "watch_requests", lambda *_: None)
    worker_settings = WorkerSettings(
        jobs_queue_url="https://sqs.example/jobs", receive_seconds=7.0, visibility_seconds=77
    )
    return await run_from_queue(BrowserSettings(), worker_settings, Aws(), forever=forever)


async def test_run_from_queue_does_one_job(runs_with: RunsWith, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = runs_with(Disposition.FAILED)
    poll = Poll(delivery(), delivery())
    assert await run_queue(monkeypatch, poll, ScriptedSqs(), forever=False) == 1
    assert (len(runs.jobs), poll.waited) == (1, [7.0])


async def test_run_from_queue_without_a_job_exits_with_0(
    runs_with: RunsWith, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = runs_with(Disposition.FAILED)
    assert await run_queue(monkeypatch, Poll(None), ScriptedSqs(), forever=False) == 0
    assert runs.jobs == []


async def test_run_from_queue_forever_stops_at_the_signal_with_the_last_jobs_exit_code(
    runs_with: RunsWith, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = runs_with(Disposition.FAILED)
    poll = Poll(delivery(), None, delivery(), None)
    sqs = ScriptedSqs()
    assert await run_queue(monkeypatch, poll, sqs, forever=True) == 1
    assert (len(runs.jobs), poll.waited) == (2, [20.0] * 4)
    assert sqs.asked == [("delete", None), ("delete", None)]


async def test_run_from_queue_needs_the_url_of_a_queue() -> None:
    with pytest.raises(SettingsError, match="MEETSTEMS_JOBS_QUEUE_URL: is not set"):
        await run_from_queue(BrowserSettings(), WorkerSettings(), Aws(), forever=False)


@pytest.mark.parametrize(("lost", "result"), [(False, "ok"), (True, "error")])
async def test_extensions_of_the_message_are_counted(
    monkeypatch: pytest.MonkeyPatch, lost: bool, result: str
) -> None:
    sqs, registry = ScriptedSqs(lost=lost), CollectorRegistry()

    async def until_counted(*_: object, **__: object) -> Disposition:
        async with asyncio.timeout(10):
            while not counted(registry, "extend", result):  # noqa: ASYNC110 - the heartbeat is a thread
                await asyncio.sleep(0.01)
        return Disposition.DONE

    monkeypatch.setattr(consumer, "run_job", until_counted)
    queue = JobsQueue(cast(Any, sqs), "https://sqs.example/jobs", visibility=1)
    context = context_with(TimedSink(), registry=registry)
    assert await JobConsumer(queue, delivery(), context).handle() == 0
    assert sqs.asked[0] == ("hide", 1)
