"""Writes a Tick to the tape every few seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, get_args

from worker.recording.steady_clock import SteadyClock, elapsed
from worker.tape.events import Batch, PageEvent, TapeEvent, Tick

TICK_SECONDS: Final = 5.0
"""Seconds between two ticks: a quiet tape says to this precision when its recorder was killed."""

_PAGE_EVENTS: Final = get_args(PageEvent)


class Ticker:
    """Keeps the newest time that came from the page, and writes it with the worker's clocks."""

    def __init__(self, clock: SteadyClock, write: Callable[[Tick], None]) -> None:
        self._clock = clock
        self._write = write
        self._page: float | None = None

    def observe(self, event: TapeEvent) -> None:
        """Takes an event that was written to the tape."""
        if isinstance(event, Batch):
            newest = max((frame.arrival for frame in event.frames), default=None)
        else:
            newest = event.at if isinstance(event, _PAGE_EVENTS) else None
        if newest is not None:
            self._page = max(newest, self._page or newest)

    def tick(self) -> None:
        """Writes one Tick."""
        read = self._clock.read()
        self._write(Tick(at=read.steady, wall=read.wall, elapsed=elapsed(), page=self._page))

    async def run(self) -> None:
        """Writes a Tick every TICK_SECONDS until it is cancelled."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.tick()
