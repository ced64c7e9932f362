"""The API under many clients, and with many bots: its own time, beside that of the store.

Quantiles are of times on the wall, so the machine has to be idle.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any, Final

import httpx
import msgspec
import pytest

from tests.support.api import MEETING, Api, Desk
from tests.support.local_server import LocalServer
from tests.support.memory_store import MemoryStore
from worker.contracts.job import Job
from worker.contracts.meetstream import read_meetstream
from worker.delivery.aws_clients import s3_client
from worker.delivery.embedded_aws import embedded_aws
from worker.delivery.folder_store import FolderStore
from worker.delivery.object_store import PagedStore, S3Store
from worker.delivery.retries import RetryPolicy
from worker.server.bots import Bots
from worker.server.records import BotRecord, Reference

CALLS: Final = 1000
CLIENTS: Final = 50
MOST_OWN: Final = 0.1
"""Seconds of the 99th of a hundred create calls, without what the store takes."""

FEW: Final = 100
MANY: Final = 10_000
"""Bots of a list."""
PAGE: Final = 50
ROUNDS: Final = 15
MOST_GROWTH: Final = 1.5
"""A page of MANY to one of FEW, by the median."""

BODY: Final = {"meeting_link": MEETING, "bot_name": "Notes", "audio_separate_streams": True}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalServer]:
    with LocalServer(tmp_path / "data") as server:
        yield server


@pytest.mark.timeout(300)
async def test_a_thousand_create_calls_of_fifty_clients(server: LocalServer, tmp_path: Path) -> None:
    """By HTTP, to a server of its own process over a folder; beside it, as many threads that write what a call writes."""
    headers = {"Authorization": server.key}
    later = {**BODY, "join_at": "2099-01-01T00:00:00Z"}
    taken: list[float] = []
    statuses: set[int] = set()

    async def client() -> None:
        async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=60) as asking:
            for _ in range(CALLS // CLIENTS):
                begun = time.perf_counter()
                answer = await asking.post("/api/v1/bots/create_bot", json=later)
                taken.append(time.perf_counter() - begun)
                statuses.add(answer.status_code)

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    store = store_alone(tmp_path / "alone")
    print(f"\n{CALLS} create calls of {CLIENTS} clients: {shown(taken)}; the store alone: {shown(store)}")
    assert statuses == {201}


async def test_what_the_api_adds_to_the_store(tmp_path: Path) -> None:
    """With a store that takes no time, what is left is the API's own, and the client's: they share one process and one core."""
    limits = {"create": 1_000_000}
    api = Api(tmp_path, store=MemoryStore(), limits=limits)
    later = {**BODY, "join_at": "2099-01-01T00:00:00Z"}
    taken: list[float] = []

    async def client() -> None:
        async with api.client() as asking:
            for _ in range(CALLS // CLIENTS):
                begun = time.perf_counter()
                answer = await asking.post("/api/v1/bots/create_bot", json=later)
                taken.append(time.perf_counter() - begun)
                assert answer.status_code == 201

    used = time.process_time()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    used = time.process_time() - used
    print(f"\n{CALLS} create calls without a store: {shown(taken)}; CPU {used / CALLS * 1000:.2f} ms a call")
    # All clients wait for each other on one core at worst.
    assert used / CALLS * CLIENTS <= MOST_OWN
    assert quantile(taken, 0.99) <= MOST_OWN


def store_alone(folder: Path) -> list[float]:
    """How long CLIENTS threads take for what a create call of a scheduled bot writes."""
    store = FolderStore(folder)
    data = msgspec.json.encode(BODY)

    def create(number: int) -> float:
        begun = time.perf_counter()
        name = str(uuid.uuid4())
        store.put(f"bots/{name}/record.json", data, content_type="application/json", if_absent=True)
        store.put(f"due/0000000001/{name}", data, content_type="application/json")
        store.put(f"workspaces/local/bots/0000001/{number}-{name}", data, content_type="application/json")
        return time.perf_counter() - begun

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(create, range(CALLS)))


@pytest.mark.timeout(600)
def test_a_page_of_ten_thousand_bots_in_a_folder_costs_what_one_of_a_hundred_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is written need not survive, and reading is what is measured.
    monkeypatch.setattr(os, "fsync", lambda _: None)
    check_growth("folder", FolderStore(tmp_path / "data"))


def test_a_page_of_ten_thousand_bots_in_s3_costs_what_one_of_a_hundred_does() -> None:
    """moto sorts all keys at each listing, so what is compared are the requests, and the bytes of the answers."""
    with embedded_aws() as embedded:
        client = s3_client(embedded.aws)
        asked: list[str] = []
        client.meta.events.register("before-call", lambda model, **_: asked.append(model.name))
        store = S3Store(client, embedded.bucket, retry=RetryPolicy(budget=30.0))
        counted = {}
        for number in (FEW, 1000):
            bots = filled(store, f"n{number}", number)
            asked.clear()
            assert len(bots.page("anna", "", PAGE).bots) == PAGE
            counted[number] = sorted(asked)
        print(
            f"\nS3: a page is {len(counted[FEW])} requests, of which {counted[FEW].count('ListObjectsV2')} list"
        )
        assert counted[FEW] == counted[1000]


def check_growth(name: str, store: PagedStore) -> None:
    few, many = filled(store, "few", FEW), filled(store, "many", MANY)
    pages: dict[str, Callable[[], Any]] = {
        "few": lambda: few.page("anna", "", PAGE),
        "many": lambda: many.page("anna", "", PAGE),
    }
    deep = many.skip("anna", MANY // 2)
    assert deep is not None
    pages["deep"] = lambda: many.page("anna", deep, PAGE)
    taken: dict[str, list[float]] = {each: [] for each in pages}
    for _ in range(ROUNDS):
        for each, read in pages.items():
            begun = time.process_time()
            read()
            taken[each].append(time.process_time() - begun)
    middle = {each: median(times) for each, times in taken.items()}
    shares = ", ".join(f"{each} {seconds * 1000:.1f} ms" for each, seconds in middle.items())
    print(
        f"\n{name}: CPU of a page of {PAGE} (few: {FEW} bots, many: {MANY}, deep: in their middle): {shares}"
    )
    assert middle["many"] <= MOST_GROWTH * middle["few"]
    assert middle["deep"] <= MOST_GROWTH * middle["few"]


def filled(store: PagedStore, prefix: str, number: int) -> Bots:
    """Bots of anna under ``prefix``, a minute apart, as create leaves them."""
    now = 1_790_000_000.0
    bots = Bots(store, prefix, Desk(), lambda: now)

    def write(index: int) -> None:
        job: Job = read_meetstream(BODY, lambda: str(uuid.uuid4()))
        record = BotRecord(
            bot_id=job.bot_id,
            workspace="anna",
            vendor="meetstream",
            body=job.body,
            created_at=now - 60 * index,
            dispatched_at=now,
        )
        entry = Reference(bot_id=job.bot_id, sha256="", at=record.created_at)
        for key, value in ((bots.keys.record(job.bot_id), record), (bots.keys.entry(record), entry)):
            store.put(key, msgspec.json.encode(value), content_type="application/json")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(number)))
    return bots


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[int(share * len(values))]


def shown(values: list[float]) -> str:
    return f"half {median(values) * 1000:.0f} ms, 99 % {quantile(values, 0.99) * 1000:.0f} ms"
