"""How long it takes from a command to the API until it has its effect on a bot in a call, seen from outside."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from fixtures.replica.server import Replica
from tests.support.record_process import meeting
from tests.support.serve_process import Server, until

COMMANDS = 50
SLOWEST = 3.0
"""Seconds."""
LOOK = 0.05
"""Seconds between two looks for the effect; they count as well."""


@pytest.mark.timeout(300)
async def test_commands_have_their_effect_within_three_seconds(tmp_path: Path) -> None:
    taken: dict[str, list[float]] = {}
    async with (
        Replica(meeting(280.0), tmp_path / "truth.jsonl") as replica,
        Server.running(replica, tmp_path / "data") as server,
        server.client() as client,
    ):
        body = {"meeting_url": replica.meeting_url}
        bot_id = (await client.post("/api/v1/bot/", json=body)).json()["id"]
        path = f"/api/v1/bot/{bot_id}"

        async def is_recording(code: str) -> bool:
            (recording,) = (await client.get(path)).json()["recordings"]
            return bool(recording["status"]["code"] == code)

        async def has_ended() -> bool:
            changes = (await client.get(path)).json()["status_changes"]
            return "call_ended" in [each["code"] for each in changes]

        await until(client, path, lambda answer: bool(answer.json()["recordings"]))
        for number in range(COMMANDS):
            match number % 3:
                case 0:
                    await measure(client, f"{path}/pause_recording", lambda: is_recording("paused"), taken)
                case 1:
                    text = f"message {number}"

                    async def is_written(text: str = text) -> bool:
                        return text in replica.chat

                    await measure(client, f"{path}/send_chat_message", is_written, taken, text)
                case _:
                    await measure(
                        client, f"{path}/resume_recording", lambda: is_recording("processing"), taken
                    )
        await measure(client, f"{path}/leave_call", has_ended, taken)
    for name, seconds in taken.items():
        ordered = sorted(seconds)
        print(
            f"{name}: {len(ordered)} times, median {ordered[len(ordered) // 2]:.2f} s, longest {ordered[-1]:.2f} s"
        )
    everything = sorted(each for seconds in taken.values() for each in seconds)
    p99 = everything[round(0.99 * (len(everything) - 1))]
    print(f"all: p99 {p99:.2f} s")
    assert p99 <= SLOWEST


async def measure(
    client: httpx.AsyncClient,
    path: str,
    has_effect: Callable[[], Awaitable[bool]],
    taken: dict[str, list[float]],
    message: str | None = None,
) -> None:
    """Gives the command and adds how many seconds passed until it had its effect."""
    began = time.monotonic()
    body = None if message is None else {"message": message}
    answer = asyncio.create_task(client.post(path, json=body))
    async with asyncio.timeout(30):
        while not await has_effect():  # noqa: ASYNC110 - another process changes it
            await asyncio.sleep(LOOK)
    taken.setdefault(path.rpartition("/")[2], []).append(time.monotonic() - began)
    assert (await answer).status_code == 200
