"""What live streams cost while three people talk without a pause, beside the recording's own.

Cores depend on the machine, differences of recordings in turn less. What worker and driver need is printed for each
kind; what is asserted is how much more one receiver costs, and how much more each further one.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from tests.benchmarks.measured import measured
from tests.support.timed_connections import timed_connections
from worker.settings import LiveOptions

ROUNDS: Final = 2
"""Recordings of each kind, one after the other in turn: what else the machine does falls on all."""

MOST_MORE: Final = 0.05
"""Core of worker and driver that one receiver may cost, the page's smaller batches included."""

ENDPOINTS: Final = 20

BATCH: Final = round(1000 * LiveOptions().batch_seconds)
"""Milliseconds."""

MOST_EACH: Final = 0.01
"""Core that each further receiver may cost."""


class Kind(NamedTuple):
    """``batch`` in milliseconds, and how many receivers."""

    name: str
    batch: int
    receivers: int


KINDS: Final = (
    Kind("nobody listens", 500, 0),
    Kind(f"batches of {BATCH} ms alone", BATCH, 0),
    Kind("one receiver", BATCH, 1),
    Kind("twenty receivers", BATCH, ENDPOINTS),
)


@pytest.mark.timeout(900)
async def test_a_receiver_costs_a_twentieth_of_a_core_at_most(tmp_path: Path) -> None:
    print()
    runs: dict[Kind, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    for number in range(ROUNDS):
        for index, (kind, done) in enumerate(runs.items()):
            done.append(await recorded(kind, tmp_path / f"{number}-{index}"))
    alone = cores(runs[KINDS[0]])
    for kind, done in runs.items():
        chromium = statistics.median(run["cores"]["chromium"] for run in done)
        print(f"{kind.name}: {cores(done):.4f} core, {cores(done) - alone:+.4f}; Chromium {chromium:.4f}")
    assert {run["lost"] for done in runs.values() for run in done} == {0}
    assert len({run["received"] for done in runs.values() for run in done}) == 1
    one, twenty = (cores(runs[kind]) for kind in KINDS[-2:])
    assert one - alone <= MOST_MORE
    assert (twenty - one) / (ENDPOINTS - 1) <= MOST_EACH


def cores(runs: list[dict[str, Any]]) -> float:
    """Of worker and driver."""
    return float(statistics.median(run["cores"]["worker"] + run["cores"]["driver"] for run in runs))


async def recorded(kind: Kind, folder: Path) -> dict[str, Any]:
    async with timed_connections() as receiver:
        urls = [receiver.url] * kind.receivers
        result: dict[str, Any] = await measured("live_once", kind.batch, folder, *urls)
    assert len([each for each in receiver.connections if each.messages]) == kind.receivers
    print(kind.name, json.dumps(result))
    return result
