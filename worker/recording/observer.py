"""The interface through which displays, reports, metrics and uploads observe a running recording."""

from __future__ import annotations

from pathlib import Path

from worker.reasons import Reason
from worker.rendering.progress import Progress
from worker.states import State
from worker.tape.events import TapeEvent


class RecordingObserver:
    """Callbacks of a recording; a subclass overrides those it needs. They are called in the event loop, in order.

    ``state`` and ``update`` may raise OSError (a closed terminal), which does not end the recording. The other methods must
    not raise. ``interval`` is the time between two calls of ``update``, in seconds.
    """

    interval: float = 2.0

    def state(self, state: State, reason: Reason | None = None) -> None:
        """The recording entered ``state``; ``reason`` is set from leaving on."""

    def update(self, progress: Progress) -> None:
        """The recording's current ``progress``."""

    def event(self, event: TapeEvent) -> None:
        """``event`` was written to the tape."""

    def part_closed(self, path: Path) -> None:
        """The part of the tape at ``path`` is complete."""

    def close(self) -> None:
        """The recording is over; no call follows."""
