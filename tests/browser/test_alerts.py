"""``meetstems run`` with a real Chromium in the conditions of some alerts, and in an orderly hour.

tests/deploy/test_alerts.py has all other alerts.
"""

from __future__ import annotations

import asyncio
import shlex
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from fixtures.replica.scenario import Page, Participant, Scenario
from fixtures.replica.server import Replica
from tests.deploy.alert_cases import Bench, calls, two_scrapes, value, watched, writes
from tests.deploy.prometheus import alert_queries
from tests.deploy.series import Pod, Scrape, fired
from tests.support.browserless import BrowserlessWorker
from tests.support.fault_proxy import Fault, fault_proxy
from tests.support.kills import conversation
from tests.support.record_process import settings_for
from tests.support.worker_process import Cloud, Worker
from worker.delivery.embedded_aws import embedded_aws

HOUR = 3600

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with embedded_aws() as embedded, fault_proxy(str(embedded.aws.endpoint_url)) as proxy:
        yield Bench(Cloud(embedded, proxy.url), proxy, tmp_path / "work")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


@asynccontextmanager
async def in_a_call(
    bench: Bench, replica: Replica, **environment: str
) -> AsyncIterator[tuple[Worker, BrowserlessWorker]]:
    """A worker that records, and its metrics."""
    port = free_port()
    bench.cloud.dispatch(replica)
    worker = await Worker.start(
        replica,
        bench.cloud,
        bench.folder,
        MEETSTEMS_METRICS_PORT=str(port),
        MEETSTEMS_LINGER_SECONDS="30",
        **environment,
    )
    try:
        metrics = BrowserlessWorker(port)
        await metrics.metrics_with(
            lambda text: value(text, "state", meetstems_state="in_call_recording") == 1
        )
        yield worker, metrics
    finally:
        await worker.kill()


async def end_of(worker: Worker, metrics: BrowserlessWorker) -> int:
    """The exit code, after the last scrapes."""
    ended = asyncio.create_task(worker.finish())
    await metrics.scrape_until(ended)
    return await ended


def turns_with_pauses() -> Scenario:
    """Somebody talks for 3 s of every 8 s."""
    says = [(start + 0.5, start + 3.5) for start in (0.0, 8.0, 16.0)]
    return Scenario(
        title="turns with pauses",
        duration=26.0,
        participants=[Participant(name="Ada Ray", voice="elif", csrc=7001, says=says, host=True)],
        page=Page(lobby=0.8),
    )


def is_settled(text: str) -> bool:
    """Whether the page has reported all packets that arrived: it counts those that are tapped a moment later."""
    counted = {stage: value(text, "slot_packets_total", stage=stage) for stage in ("expected", "tapped")}
    return counted["expected"] == counted["tapped"] > 0


async def in_a_pause(metrics: BrowserlessWorker, packets: int) -> Scrape:
    """A scrape after more than ``packets``, when nobody has talked for a second."""

    def is_quiet(text: str) -> bool:
        return is_settled(text) and tapped(text) > packets

    def tapped(text: str) -> float:
        return value(text, "slot_packets_total", stage="tapped")

    while True:
        text = await metrics.metrics_with(is_quiet)
        await asyncio.sleep(1.0)
        later = await metrics.metrics()
        if is_settled(later) and tapped(later) == tapped(text):
            return Scrape(time.monotonic(), later)


async def test_none_fires_in_an_orderly_hour(bench: Bench, tmp_path: Path) -> None:
    """The hour is the call of some seconds, continued as it went."""
    async with (
        Replica(turns_with_pauses(), tmp_path / "truth.jsonl") as replica,
        in_a_call(bench, replica) as (worker, metrics),
    ):
        # What has been recorded follows the packets, so it is behind in a pause: as much in each.
        scrapes = [await in_a_pause(metrics, 100), await in_a_pause(metrics, 400)]
        end = await metrics.metrics_with(lambda text: value(text, "outcomes_total") == 1)
        assert await end_of(worker, metrics) == 0
    pod = Pod("a", scrapes, lasts=HOUR, end=[Scrape(time.monotonic(), end)] * 3)
    bench.cloud.events()
    pods = [pod, await watched(bench)]
    assert fired(pods, HOUR + 900, dict.fromkeys(alert_queries(), False), tmp_path / "rules") is None


async def test_an_outage_of_stores_and_queues_is_alerted_and_survived(bench: Bench, tmp_path: Path) -> None:
    failing = [writes("/tape/"), calls("ChangeMessageVisibility"), calls("SendMessage")]
    async with (
        Replica(conversation(16), tmp_path / "truth.jsonl") as replica,
        in_a_call(bench, replica) as (worker, metrics),
    ):
        bench.proxy.fail(
            Fault.INTERNAL_ERROR, matches=lambda request: any(matches(request) for matches in failing)
        )
        scrapes = await two_scrapes(
            metrics,
            lambda text: (
                value(text, "upload_lag_seconds") > 1
                and value(text, "queue_operations_total", operation="extend", result="error") > 2
            ),
            apart=3.0,
        )
        backlog = Scrape(
            time.monotonic(), await metrics.metrics_with(lambda text: value(text, "events_backlog") > 0)
        )
        bench.proxy.recover()
        await metrics.metrics_with(lambda text: value(text, "outcomes_total") == 1)
        assert await end_of(worker, metrics) == 0
    during = dict.fromkeys(("MeetstemsUploadLag", "MeetstemsHeartbeatFails"), True)
    assert fired([Pod("a", scrapes)], HOUR, during, tmp_path / "during") is None
    at_the_end = {"MeetstemsEventsBacklog": True}
    assert fired([Pod("a", [backlog])], HOUR, at_the_end, tmp_path / "end") is None


@pytest.mark.parametrize("url", ["about:blank", "reload"])
async def test_a_page_that_goes_away_is_alerted(url: str, bench: Bench, tmp_path: Path) -> None:
    """MeetstemsPageLost."""
    devtools = free_port()
    async with Replica(conversation(60), tmp_path / "truth.jsonl") as replica:
        arguments = [*settings_for(replica).chromium_args, f"--remote-debugging-port={devtools}"]
        async with (
            in_a_call(bench, replica, MEETSTEMS_CHROMIUM_ARGS=shlex.join(arguments)) as (_, metrics),
            async_playwright() as playwright,
        ):
            browser = await playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{devtools}")
            (page,) = [page for context in browser.contexts for page in context.pages]
            await (page.reload() if url == "reload" else page.goto(url))
            text = await metrics.metrics_with(lambda text: value(text, "page_losses_total") > 0)
    pods = [Pod("a", [Scrape(time.monotonic(), text)])]
    assert fired(pods, HOUR, {"MeetstemsPageLost": True}, tmp_path / "rules") is None
