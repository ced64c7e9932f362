"""Runs ``meetstems`` in a process whose clock is set while it runs: ``python -m tests.support.stepped_clock STEPS COMMAND…``.

STEPS is ``AT:BY,…``: AT seconds after the bot began to attend, ``time.time()`` jumps by BY seconds. Other clocks and
processes, so Chromium and the replica, keep theirs: the system's clock was set, and they go by monotonic ones.
"""

from __future__ import annotations

import sys
import time
from typing import Any


class SteppedClock:
    """A clock that is set at ``steps``: (seconds after :meth:`begin`, seconds forward)."""

    def __init__(self, steps: list[tuple[float, float]]) -> None:
        self._steps = steps
        self._real = time.time
        self._zero: float | None = None

    def begin(self) -> None:
        """Begins to count, unless it does."""
        if self._zero is None:
            self._zero = time.monotonic()

    def time(self) -> float:
        """Takes the place of ``time.time``."""
        elapsed = -1.0 if self._zero is None else time.monotonic() - self._zero
        return self._real() + sum(by for at, by in self._steps if at <= elapsed)


def main(steps: str, command: list[str]) -> int:
    """Runs the command; returns its exit code."""
    clock = SteppedClock(
        [(float(at), float(by)) for at, by in (step.split(":") for step in steps.split(","))]
    )
    time.time = clock.time
    # Only now: modules take the clock when they are imported.
    from worker.cli.main import main as run
    from worker.recording.steady_clock import SteadyClock

    original = SteadyClock.__init__

    def begin(self: SteadyClock, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **options)
        clock.begin()

    SteadyClock.__init__ = begin  # type: ignore[method-assign] # a bot attends from here on
    return run(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
