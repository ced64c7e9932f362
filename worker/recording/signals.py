"""Turns the signals that end a process into an orderly end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, what supervisors send, and a terminal that is closed."""


@contextmanager
def stop_signals() -> Iterator[asyncio.Future[str]]:
    """Gives a future that the first of SIGNALS completes with the signal's name.

    From then on the signals do what they did before, so that a second one ends a process that does not end by itself.
    """
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[str] = loop.create_future()

    def release() -> None:
        for number in SIGNALS:
            loop.remove_signal_handler(number)

    def stop(number: signal.Signals) -> None:
        release()
        if not stopped.done():
            stopped.set_result(number.name)

    for number in SIGNALS:
        loop.add_signal_handler(number, stop, number)
    try:
        yield stopped
    finally:
        release()
        stopped.cancel()
