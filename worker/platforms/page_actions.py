"""What can be done in a page, and when to try it again. Pure; the same for every platform."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple, TypeAlias

from worker.platforms.signs import Sign, button


class FillName(NamedTuple):
    """Write the bot's name."""

    selector: str


class Click(NamedTuple):
    """Press a button."""

    selector: str


Step: TypeAlias = FillName | Click


def press(sign: Sign) -> Click:
    """Presses what the sign is known by: any of its selectors, or a button with one of its labels."""
    return Click(", ".join([*sign.selectors, *map(button, sign.labels)]))


class ActionRetries:
    """Decides which step to take when a page is slow to show the effect of one, or never does."""

    PATIENCE: Final = 1.0
    """Seconds that a page has to show that a step worked."""
    LIMIT: Final = 3
    """After so many fruitless tries the next step gets its turn."""
    FORGET: Final = 10.0
    """Seconds after which a fruitless step is tried again."""

    def __init__(self) -> None:
        self._tried: dict[Step, tuple[int, float]] = {}

    def choose(self, candidates: Iterable[Step], now: float) -> Step | None:
        """The step to take ``now`` (seconds on a steady clock); None where waiting is better."""
        for step in candidates:
            count, last = self._tried.get(step, (0, -self.FORGET))
            if now - last >= self.FORGET:
                count = 0
            if count and now - last < self.PATIENCE:
                return None
            if count < self.LIMIT:
                self._tried[step] = (count + 1, now)
                return step
        return None
