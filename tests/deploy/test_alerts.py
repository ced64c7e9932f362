"""Each alert fires for a worker, or a watch of the queues, in its condition; none fires for an orderly one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.alert_cases import CASES, Bench, far_join_at, orderly_hour, watched
from tests.deploy.prometheus import alert_queries
from tests.deploy.series import fired
from tests.support.fault_proxy import FaultProxy, fault_proxy
from tests.support.worker_process import Cloud
from worker.delivery.aws_clients import s3_client, sqs_client
from worker.delivery.embedded_aws import Embedded, embedded_aws, provision

HOUR = 3600
WITHIN = 1800
"""Seconds from the first scrape within which an alert has to fire."""

IN_A_BROWSER = {"MeetstemsPageLost"}
"""Alerts whose condition needs a real page: tests/browser/test_alerts.py."""


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Embedded, FaultProxy]]:
    with embedded_aws() as embedded, fault_proxy(str(embedded.aws.endpoint_url)) as proxy:
        yield embedded, proxy


@pytest.fixture
def bench(server: tuple[Embedded, FaultProxy], tmp_path: Path) -> Iterator[Bench]:
    embedded, proxy = server
    proxy.reset()
    aws = embedded.aws
    fresh = provision(aws, s3_client(aws), sqs_client(aws))
    yield Bench(Cloud(fresh, proxy.url), proxy, tmp_path / "work")
    proxy.recover()


@pytest.mark.parametrize("alert", CASES)
async def test_each_alert_fires_in_its_case(alert: str, bench: Bench, tmp_path: Path) -> None:
    pods = await CASES[alert](bench)
    assert fired(pods, WITHIN, {alert: True}, tmp_path / "rules") is None


async def test_none_fires_in_an_orderly_hour(bench: Bench, tmp_path: Path) -> None:
    pods = await orderly_hour(bench)
    assert fired(pods, HOUR + 900, dict.fromkeys(alert_queries(), False), tmp_path / "rules") is None


async def test_a_job_that_is_not_due_does_not_wait(bench: Bench, tmp_path: Path) -> None:
    pods = await far_join_at(bench)
    assert fired(pods, WITHIN, {"MeetstemsJobsWait": False}, tmp_path / "rules") is None


async def test_a_watch_that_ends_is_alerted(bench: Bench, tmp_path: Path) -> None:
    pod = (await watched(bench))._replace(lasts=600)
    assert fired([pod], 900, {"MeetstemsQueueUnwatched": False}, tmp_path / "soon") is None
    assert fired([pod], 1200, {"MeetstemsQueueUnwatched": True}, tmp_path / "later") is None


def test_every_alert_has_a_case() -> None:
    assert CASES.keys() | IN_A_BROWSER == alert_queries().keys()
    assert not CASES.keys() & IN_A_BROWSER
