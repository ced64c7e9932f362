"""Turns termination signals into a future, for an orderly end of the process."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, the stop of a process manager, and a closed terminal."""


@contextmanager
def stop_signals() -> Iterator[asyncio.Future[str]]:
    """Yields a future that the first of SIGNALS completes with the signal's name.

    Process managers repeat SIGTERM while a worker finishes, so only a second SIGINT, of a person, ends the process at once:
    SIGINT then has its previous handler again.
    """
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[str] = loop.create_future()

    def stop(number: signal.Signals) -> None:
        if number is signal.SIGINT:
            loop.remove_signal_handler(number)
        if not stopped.done():
            stopped.set_result(number.name)

    for number in SIGNALS:
        loop.add_signal_handler(number, stop, number)
    try:
        yield stopped
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
        stopped.cancel()
