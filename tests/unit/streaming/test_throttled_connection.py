"""The connections of an endpoint are read in turn, within their budget."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import cast

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve

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


async def test_messages_of_one_turn_of_the_loop_are_few_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[str | bytes] = []

    async def take(connection: ServerConnection) -> None:
        received.extend([message async for message in connection])

    async with serve(take, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        new_connection = cast("type[ClientConnection]", partial(ThrottledConnection, ReadBudget(RATE)))
        url = f"ws://127.0.0.1:{port}/"
        async with connect(url, create_connection=new_connection, compression=None) as connection:
            write, sizes = connection.transport.write, list[int]()

            def note(data: bytes) -> None:
                sizes.append(len(data))
                write(data)

            monkeypatch.setattr(connection.transport, "write", note)
            for number in range(40):
                await connection.send(f"message {number}")
            assert len(sizes) == 2, "16 messages wait at most"
            await asyncio.sleep(0)
            assert len(sizes) == 3
            await connection.send(b"bytes")
            await connection.close()
    assert received == [*(f"message {number}" for number in range(40)), b"bytes"]
