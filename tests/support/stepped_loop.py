"""An event loop whose time jumps to whatever is due next, so that what sleeps for seconds takes none."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class _Jumping(selectors.SelectSelector):
    """Counts the seconds that it is asked to wait instead of waiting for them."""

    waited = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if timeout is None and not ready:
            raise RuntimeError("nothing is due any more: the test would wait for ever")
        if not ready:
            self.waited += timeout or 0.0
        return ready


class SteppedLoop(asyncio.SelectorEventLoop):
    """Time begins at 0 and passes only while everything waits."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._jumping.waited


def run_stepped(main: Coroutine[Any, Any, Result]) -> Result:
    """Runs ``main`` to its end, as asyncio.run does."""
    with asyncio.Runner(loop_factory=SteppedLoop) as runner:
        return runner.run(main)
