"""Who watches a recording while it runs: displays, reports, metrics, uploads."""

from __future__ import annotations

from pathlib import Path

from worker.reasons import Reason
from worker.rendering.progress import Progress
from worker.states import State
from worker.tape.events import TapeEvent


class RecordingObserver:
    """Is told what happens in a recording; a subclass overrides what it needs. Called in the event loop, in order.

    ``state`` and ``update`` may raise OSError (a terminal that has gone away), which the recording survives. The other
    methods must not raise. ``interval`` is the time between two calls of ``update``, in seconds.
    """

    interval: float = 1.0

    def state(self, state: State, reason: Reason | None = None) -> None:
        """The lifecycle moved to ``state``; ``reason`` is there from leaving on."""

    def update(self, progress: Progress) -> None:
        """How the recording stands now."""

    def event(self, event: TapeEvent) -> None:
        """``event`` is on the tape."""

    def part_closed(self, path: Path) -> None:
        """The part of the tape at ``path`` is complete."""

    def close(self) -> None:
        """The recording is over; nothing more is told."""
