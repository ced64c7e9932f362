from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator

import pytest

from worker.delivery.aws_clients import Aws, Credentials
from worker.jobs import context as module
from worker.jobs.context import WorkerContext, open_context, owner_name
from worker.monitoring.health import HealthServer
from worker.settings import BrowserSettings, WorkerSettings
from worker.states import State

AWS = Aws(
    endpoint_url="http://127.0.0.1:9",
    region="us-east-1",
    credentials=Credentials(access_key_id="id", secret_access_key="secret"),
)
SETTINGS = WorkerSettings(bucket="recordings", metrics_port=0, linger_seconds=3600.0)


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
