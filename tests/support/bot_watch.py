"""Watches what is said about a bot while a test runs: every version of bot.json, and the events."""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

from tests.support.worker_process import Cloud

PERIOD: Final = 0.05
"""Seconds between two looks at bot.json."""


class Said(NamedTuple):
    """A version of bot.json."""

    attempt: int
    sequence: int
    state: str


class BotWatch:
    """Reads bot.json again and again during the block."""

    def __init__(self, aws: Cloud) -> None:
        self._aws = aws
        self.said: list[Said] = []

    async def __aenter__(self) -> BotWatch:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            status = await asyncio.to_thread(self._aws.status)
            if status is not None:
                said = Said(status.attempt, status.sequence, status.state)
                if not self.said or self.said[-1] != said:
                    self.said.append(said)
            await asyncio.sleep(PERIOD)

    def assert_attempts_never_go_back(self) -> None:
        """Checks that neither bot.json nor an event is of an earlier attempt than what was said before it."""
        sequences = [said.sequence for said in self.said]
        assert sequences == sorted(sequences), f"bot.json went back: {self.said}"
        attempts = [int(event["attempt"]) for event in self._aws.events()]
        assert attempts == sorted(attempts), f"events of an earlier attempt came later: {attempts}"
