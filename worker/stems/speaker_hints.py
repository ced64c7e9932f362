"""Converts the times of a platform's hints of who speaks to meeting time (pure)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from worker.roster.speaking import Caption, Said
from worker.tape.events import ChannelMessage, ConnectionClosed, PageEvent, WorkerEvent

HELD_HINTS = 200
"""The latest hints from before the recording that are kept until it begins."""


class _Held(NamedTuple):
    """A hint, the time of its event in Unix seconds, and the document and connection that brought it; None: not known."""

    hint: Said
    at: float
    connection: tuple[int, int] | None


class SpeakerHints:
    """Passes each hint on in seconds of meeting time. Hints from before the recording are kept until it begins, if the
    connection that brought them is still open then: a lobby may have its own one, whose sources are not those of the call.
    """

    def __init__(
        self,
        hints_in: Callable[[PageEvent | WorkerEvent], list[Said]],
        pass_on: Callable[[Said, float], None],
    ) -> None:
        """``hints_in`` finds the hints in an event of the tape; ``pass_on`` receives each with the time of its event."""
        self._hints_in = hints_in
        self._pass_on = pass_on
        self._zero: float | None = None
        self._held: deque[_Held] = deque(maxlen=HELD_HINTS)

    def observe(self, event: PageEvent | WorkerEvent) -> None:
        """Takes the tape's next event that is not audio."""
        if isinstance(event, ConnectionClosed):
            closed = (event.document, event.connection)
            self._held = deque((held for held in self._held if held.connection != closed), HELD_HINTS)
        for hint in self._hints_in(event):
            if self._zero is None:
                self._held.append(_Held(hint, event.at, _connection(event)))
            else:
                self._convert(hint, event.at, self._zero)

    def begin(self, zero: float) -> None:
        """The recording begins: ``zero`` is meeting time 0 in Unix seconds. Passes on the hints that are held."""
        self._zero = zero
        for held in self._held:
            self._convert(held.hint, held.at, zero)
        self._held.clear()

    def _convert(self, hint: Said, at: float, zero: float) -> None:
        if isinstance(hint, Caption):
            hint = msgspec.structs.replace(hint, start=hint.start - zero, end=hint.end - zero)
        self._pass_on(hint, at - zero)


def _connection(event: PageEvent | WorkerEvent) -> tuple[int, int] | None:
    return (event.document, event.connection) if isinstance(event, ChannelMessage) else None
