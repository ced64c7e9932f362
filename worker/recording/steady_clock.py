"""Unix time that a step of the system's clock does not move."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from worker.browser.page_clock import Reading

_ELAPSED_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""CLOCK_BOOTTIME also counts while the machine is suspended (clock_gettime(2), Linux); elsewhere there is no such clock."""


def elapsed() -> float:
    """Seconds since an arbitrary moment; never set back, and not changed when the system's clock is set."""
    return time.clock_gettime(_ELAPSED_CLOCK)


class SteadyClock:
    """Called, returns the Unix time of its creation plus the seconds that have passed since.

    Unix time can be set, by a person or by time synchronisation, and every wait would become shorter or longer by as much.
    ``wall`` returns Unix seconds, ``elapsed`` seconds that are never set, ``awake`` such seconds without those for which the
    machine was suspended.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = elapsed,
        awake: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._elapsed = elapsed
        self._awake = awake
        self._offset = wall() - elapsed()

    def __call__(self) -> float:
        """Unix seconds."""
        return self._offset + self._elapsed()

    def read(self) -> Reading:
        """All clocks of the worker at one moment."""
        elapsed = self._elapsed()
        # A pause of the process between the calls must not look like a suspension, so this order.
        awake = self._awake()
        return Reading(self._offset + elapsed, elapsed - awake, self._wall())
