"""Waits for conditions that other threads and tasks bring about."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(wanted: Callable[[], object]) -> None:
    """Raises TimeoutError where the condition is not true within 20 s."""
    async with asyncio.timeout(20):
        while not wanted():  # noqa: ASYNC110 - threads and timers change it
            await asyncio.sleep(0.005)
