from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from worker.delivery.aws_clients import Aws, Credentials
from worker.delivery.folder_store import FolderStore
from worker.delivery.retries import RetryPolicy
from worker.jobs import context as module
from worker.jobs.backend import jobs_in, open_jobs, open_sent_events
from worker.jobs.context import WorkerContext, open_context, owner_name
from worker.monitoring.health import HealthServer
from worker.reasons import Reason
from worker.safe_text import Redactor, Secret
from worker.settings import BrowserSettings, LiveOptions, SettingsError, WorkerSettings
from worker.states import State

AWS = Aws(
    endpoint_url="http://127.0.0.1:9",
    region="us-east-1",
    credentials=Credentials(access_key_id="id", secret_access_key="secret"),
)
SETTINGS = WorkerSettings(bucket="recordings", metrics_port=0, linger_seconds=3600.0)
PLAIN = WorkerSettings(bucket="bucket")


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def lingered(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that each worker would linger at most."""
    seconds: list[float] = []

    async def linger(_server: HealthServer, most: float, _stopped: asyncio.Future[str]) -> None:
        seconds.append(most)

    monkeypatch.setattr(module, "linger", linger)
    return seconds


@pytest.mark.parametrize(
    ("pod", "node", "before"), [("pod-1", "node-1", "pod-1@node-1/"), ("pod-1", "", "pod-1/"), ("", "", "")]
)
def test_the_owner_says_where_it_runs_and_is_unique(pod: str, node: str, before: str) -> None:
    settings = WorkerSettings(pod=pod, node=node)
    owners = {owner_name(settings) for _ in range(100)}
    assert len(owners) == 100
    assert all(owner.startswith(before) and len(owner) == len(before) + 36 for owner in owners)


@pytest.mark.parametrize(
    ("work", "lingers"),
    [
        (lambda _: None, []),
        (lambda context: context.metrics.job.set_state(State.IDLE, 1.0), []),
        (lambda context: context.metrics.job.job_received(3.0, 1), [3600.0]),
        (lambda context: context.metrics.job.set_state(State.JOINING, 1.0), [3600.0]),
    ],
    ids=["nothing", "idle", "received", "run"],
)
async def test_only_a_worker_that_had_a_job_waits_for_its_last_scrape(
    lingered: list[float], work: Callable[[WorkerContext], None], lingers: list[float]
) -> None:
    async with open_context(BrowserSettings(), SETTINGS, AWS) as context:
        work(context)
    assert lingered == lingers


@pytest.mark.parametrize(
    ("number", "on_sigterm", "reason"),
    [
        (signal.SIGTERM, Reason.DRAINED, Reason.DRAINED),
        (signal.SIGTERM, Reason.INTERRUPTED, Reason.INTERRUPTED),
        # A person's Ctrl-C and a closed terminal end the job, for either meaning of SIGTERM.
        (signal.SIGINT, Reason.DRAINED, Reason.INTERRUPTED),
        (signal.SIGHUP, Reason.DRAINED, Reason.INTERRUPTED),
    ],
)
async def test_a_drain_is_distinguished_from_a_person(
    number: signal.Signals, on_sigterm: Reason, reason: Reason
) -> None:
    before = time.time()
    async with open_context(BrowserSettings(), PLAIN, AWS, on_sigterm) as context:
        assert not context.stopped.done()
        os.kill(os.getpid(), number)
        async with asyncio.timeout(10):
            ending = await context.stopped
        assert (ending.reason, ending.detail) == (reason, number.name)
        assert before - 1 < ending.at < time.time() + 1


async def test_a_worker_needs_a_bucket() -> None:
    with pytest.raises(SettingsError, match="MEETSTEMS_BUCKET: is not set"):
        async with open_context(BrowserSettings(), WorkerSettings(), AWS):
            pass


async def test_each_worker_has_a_unique_owner() -> None:
    owners = set()
    for _ in range(2):
        async with open_context(BrowserSettings(), PLAIN, AWS) as context:
            owners.add(context.owner)
            assert context.work == Path()
    assert len(owners) == 2


async def test_a_lease_is_timed_while_the_machine_sleeps() -> None:
    """CLOCK_MONOTONIC does not: after it, a paused owner would believe that its lease is new."""
    async with open_context(BrowserSettings(), PLAIN, AWS) as context:
        assert abs(context.steady() - time.clock_gettime(time.CLOCK_BOOTTIME)) < 5


async def test_the_log_hides_the_bots_token(capsys: pytest.CaptureFixture[str]) -> None:
    settings = BrowserSettings(teams_bot_token=Secret("t0ken-of-the-bot"))
    async with open_context(settings, PLAIN, AWS) as context:
        context.log_about("bot", 1, Redactor(["passcode"]))
        logging.getLogger("worker").warning("t0ken-of-the-bot and passcode")
    assert capsys.readouterr().err.count("x" * 16 + " and " + "x" * 8) == 1


async def test_the_log_hides_the_key_that_signs_live_streams(capsys: pytest.CaptureFixture[str]) -> None:
    live = LiveOptions(signing_secret=Secret("whsec_s3cret"))
    async with open_context(BrowserSettings(), msgspec.structs.replace(PLAIN, live=live), AWS):
        logging.getLogger("worker").warning("signed with whsec_s3cret")
    assert "s3cret" not in capsys.readouterr().err


async def test_a_data_folder_is_used_in_place_of_s3_and_sqs(tmp_path: Path) -> None:
    settings = WorkerSettings(data_folder=tmp_path / "data", bucket="not-used")
    async with open_context(BrowserSettings(), settings, Aws()) as context:
        context.store.put("key", b"1", content_type="")
        context.events.send({"event": "bot.joining"})
        assert context.events.drain(20)
    queue = open_jobs(settings, Aws(), RetryPolicy())
    queue.send("job")
    assert FolderStore(tmp_path / "data").get("key").data == b"1"
    delivery = jobs_in(tmp_path / "data", 45).receive(0)
    assert delivery is not None
    assert delivery.body == "job"
    sent = open_sent_events(settings, Aws(), RetryPolicy())
    assert sent is not None
    event = sent.receive(0)
    assert event is not None
    assert event.body == '{"event":"bot.joining"}'
