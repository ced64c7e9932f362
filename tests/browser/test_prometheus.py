"""A real Prometheus scrapes ``meetstems run`` while it records a call."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

import pytest

from fixtures.replica.server import Replica
from tests.deploy.prometheus import dashboard_queries, prometheus, recorded_queries
from tests.support.kills import conversation
from tests.support.worker_process import Worker, cloud

ANSWERS_WITHIN = 60.0
"""Seconds from the start of the worker; its last scrape is still queried after its end."""

NOT_THE_WORKERS = (
    "meetstems_queue_messages",
    "meetstems_queue_waiting",
    "meetstems_api_",
    "meetstems:api_",
    "meetstems_webhook_",
    "meetstems_live_lag_",
)
"""Metrics of `meetstems watch` and `meetstems serve`, and of sound sent live, which nobody hears here, as their names begin."""


@pytest.mark.timeout(180)
async def test_every_query_is_answered_by_a_worker_that_records(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    queries = {
        name: query
        for name, query in {**dashboard_queries(), **recorded_queries()}.items()
        if not any(metric in query for metric in NOT_THE_WORKERS)
    }
    fired: set[str] = set()
    left = set(queries)
    with cloud() as aws, prometheus(tmp_path, {"bot": port}) as seen:
        async with Replica(conversation(12), tmp_path / "truth.jsonl") as replica:
            aws.dispatch(replica)
            worker = await Worker.start(
                replica,
                aws,
                tmp_path / "work",
                MEETSTEMS_METRICS_PORT=str(port),
                MEETSTEMS_LINGER_SECONDS="20",
            )
            ended = asyncio.create_task(worker.finish())
            deadline = time.monotonic() + ANSWERS_WITHIN
            while left and time.monotonic() < deadline:
                left &= await asyncio.to_thread(seen.unanswered, {name: queries[name] for name in left})
                firing = await asyncio.to_thread(seen.query, 'ALERTS{alertstate="firing"}')
                fired |= {sample["metric"]["alertname"] for sample in firing}
                await asyncio.sleep(0.5)
            assert await ended == 0
    assert not left
    assert not fired
