"""The connections of an endpoint are read in turn, within their budget."""

from __future__ import annotations

import asyncio
from typing import cast

from worker.streaming.throttled_connection import ReadBudget, ThrottledConnection

RATE = 1_000.0


class Flooded:
    """A connection with ``slices`` unread; each counts as ``cost`` frames."""

    def __init__(self, name: str, slices: int, cost: float, order: list[str]) -> None:
        self.loop = asyncio.get_running_loop()
        self.slices = slices
        self._name = name
        self._cost = cost
        self._order = order

    @property
    def has_unread(self) -> bool:
        return self.slices > 0

    def read_slice(self) -> float:
        self.slices -= 1
        self._order.append(self._name)
        return self._cost


def add(budget: ReadBudget, *connections: Flooded) -> None:
    for each in connections:
        budget.add(cast("ThrottledConnection", each))


async def test_connections_that_have_more_to_read_wait_behind_the_others() -> None:
    order: list[str] = []
    budget = ReadBudget(RATE)
    # The first uses up the burst, so that all of them wait.
    add(budget, Flooded("used", 1, RATE * 0.12, order))
    add(budget, *(Flooded(name, 3, 1.0, order) for name in "abc"))
    assert order == ["used"]
    async with asyncio.timeout(10):
        while len(order) < 10:  # noqa: ASYNC110 - it depends on the loop's clock
            await asyncio.sleep(0.005)
    assert order == ["used", *"abc" * 3]


async def test_no_more_is_read_than_the_budget_has() -> None:
    order: list[str] = []
    loop = asyncio.get_running_loop()
    budget = ReadBudget(RATE)
    began = loop.time()
    add(budget, Flooded("a", 1_000, 10.0, order))
    await asyncio.sleep(0.2)
    elapsed = loop.time() - began
    assert 10 * len(order) <= RATE * (0.1 + elapsed) + 10
    assert len(order) > RATE * 0.1 / 10, "what is due is read"
