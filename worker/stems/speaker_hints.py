"""Converts the times of a platform's hints of who speaks to meeting time (pure)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import msgspec

from worker.roster.speaking import Caption, Said
from worker.tape.events import PageEvent, WorkerEvent

HELD_HINTS = 200
"""The latest hints from before the recording that are kept until it begins."""


class SpeakerHints:
    """Passes each hint on in seconds of meeting time; hints from before the recording are kept until it begins."""

    def __init__(
        self,
        hints_in: Callable[[PageEvent | WorkerEvent], list[Said]],
        pass_on: Callable[[Said, float], None],
    ) -> None:
        """``hints_in`` finds the hints in an event of the tape; ``pass_on`` receives each with the time of its event."""
        self._hints_in = hints_in
        self._pass_on = pass_on
        self._zero: float | None = None
        self._held: deque[tuple[Said, float]] = deque(maxlen=HELD_HINTS)

    def observe(self, event: PageEvent | WorkerEvent) -> None:
        """Takes the tape's next event that is not audio."""
        for hint in self._hints_in(event):
            if self._zero is None:
                self._held.append((hint, event.at))
            else:
                self._convert(hint, event.at, self._zero)

    def begin(self, zero: float) -> None:
        """The recording begins: ``zero`` is meeting time 0 in Unix seconds. Passes on the hints that are held."""
        self._zero = zero
        for hint, at in self._held:
            self._convert(hint, at, zero)
        self._held.clear()

    def _convert(self, hint: Said, at: float, zero: float) -> None:
        if isinstance(hint, Caption):
            hint = msgspec.structs.replace(hint, start=hint.start - zero, end=hint.end - zero)
        self._pass_on(hint, at - zero)
