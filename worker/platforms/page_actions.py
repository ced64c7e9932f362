"""The steps that can be taken in a page, and when to retry one; the same for every platform (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple, TypeAlias

from worker.platforms.signs import Sign, button


class FillName(NamedTuple):
    """Write the bot's name."""

    selector: str


class Click(NamedTuple):
    """Press a button or another element."""

    selector: str


class MoveSlider(NamedTuple):
    """Move a slider to a whole number."""

    selector: str
    value: int


Step: TypeAlias = FillName | Click | MoveSlider


def press(sign: Sign) -> Click:
    """Presses the element of a sign: one that matches a selector, or a button with one of the labels."""
    return Click(", ".join([*sign.selectors, *map(button, sign.labels)]))


class ActionRetries:
    """Chooses the next step where a page shows the effect of a step late or never."""

    PATIENCE: Final = 1.0
    """Seconds that a page has to show that a step worked."""
    LIMIT: Final = 3
    """Tries of a step without an effect, after which the next step is tried."""
    RESET_AFTER: Final = 10.0
    """Seconds since the last try of a step after which its tries are counted anew."""

    def __init__(self) -> None:
        self._tried: dict[Step, tuple[int, float]] = {}

    def choose(self, candidates: Iterable[Step], now: float) -> Step | None:
        """The step to take ``now`` (seconds on a steady clock); None where waiting is better."""
        for step in candidates:
            count, last = self._tried.get(step, (0, -self.RESET_AFTER))
            if now - last >= self.RESET_AFTER:
                count = 0
            if count and now - last < self.PATIENCE:
                return None
            if count < self.LIMIT:
                self._tried[step] = (count + 1, now)
                return step
        return None
