"""Runs ``meetstems`` in a process whose clock is set while it runs: ``python -m tests.support.stepped_clock STEPS COMMAND…``.

STEPS is ``AT:BY,…``: so many seconds after the start ``time.time()`` jumps by so many seconds. Other clocks and processes, so
Chromium and the replica, keep theirs: the system's clock was set, and they go by monotonic ones.
"""

from __future__ import annotations

import sys
import time


def set_clock(steps: list[tuple[float, float]]) -> None:
    """Makes ``time.time()`` jump; ``steps`` are (seconds from now, seconds forward)."""
    real, zero = time.time, time.monotonic()

    def stepped() -> float:
        elapsed = time.monotonic() - zero
        return real() + sum(by for at, by in steps if at <= elapsed)

    time.time = stepped


if __name__ == "__main__":
    set_clock([(float(at), float(by)) for at, by in (step.split(":") for step in sys.argv[1].split(","))])
    # Only now: modules take the clock when they are imported.
    from worker.cli.main import main

    sys.exit(main(sys.argv[2:]))
