"""An event loop whose time jumps to whatever is due next, so that what sleeps for seconds takes none."""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

Result = TypeVar("Result")

_LOOK: Final = 1e-6
"""Seconds that pass with each look at a loop's clock: nothing takes no time."""

_THREAD_WAIT: Final = 0.02
"""Real seconds for which a thread is waited for at a time."""


_ARRIVAL: Final = 1e-4
"""Real seconds in which what was written to a socket of this process can be read, also on a busy machine."""


class _Jumping(selectors.SelectSelector):
    """Counts the seconds that it is asked to wait instead of waiting for them; ``threads`` are waited for."""

    waited = 0.0

    def __init__(self, threads: frozenset[str]) -> None:
        super().__init__()
        self._threads = threads

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        while not ready and timeout != 0 and self._is_busy():
            ready = super().select(_THREAD_WAIT)
        if not ready and timeout != 0:
            ready = super().select(_ARRIVAL)
        if timeout is None and not ready:
            raise RuntimeError("nothing is due any more: the test would wait for ever")
        if not ready:
            self.waited += timeout or 0.0
        return ready

    def _is_busy(self) -> bool:
        return bool(self._threads) and any(each.name in self._threads for each in threading.enumerate())


class SteppedLoop(asyncio.SelectorEventLoop):
    """Time begins at 0 and passes only while everything waits, and each time that it is read. While a thread of ``threads``
    (names) is at work, the loop waits for it.
    """

    def __init__(self, threads: frozenset[str] = frozenset()) -> None:
        self._jumping = _Jumping(threads)
        self._looks = 0
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds since the loop was made."""
        self._looks += 1
        return self._jumping.waited + self._looks * _LOOK


def run_stepped(main: Coroutine[Any, Any, Result], threads: frozenset[str] = frozenset()) -> Result:
    """Runs ``main`` to its end, as asyncio.run does, but for the handler of SIGINT: to restore that, Python makes a text of the
    result, which takes a second where it is a recording.
    """
    with asyncio.Runner(loop_factory=lambda: SteppedLoop(threads)) as runner:
        return runner.get_loop().run_until_complete(main)
