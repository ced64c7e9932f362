"""Translates a page's times to the worker's steady clock (pure).

Chromium stamps with CLOCK_MONOTONIC plus an origin, which is the system's time when the page's process began. So the origins of
two documents differ by each step of the system's clock between them, and no page counts the time for which the machine is
suspended. Messages from the page say when they were sent: reception minus sending is the difference of the two clocks plus
the time that the message travelled. The lowest such difference of a document is the best that is known; where the system's
clock once differed by a little less from the worker's, the page's origin is of that time, and the rest was travel.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

LONGEST_TRAVEL: Final = 5.0
"""Seconds: a message that seems to have travelled for longer is more likely to come from a page with another origin."""

PRECISION: Final = 0.002
"""Seconds: to this, an origin is the system's time, which Chromium reads a moment before or after its monotonic clock."""

LEAST_SUSPENSION: Final = 0.05
"""Seconds: below this, a difference of the worker's own clocks comes from reading them one after the other."""

MOST_DOCUMENTS: Final = 10_000
"""Bound on the documents that are kept, since the page is untrusted; times of further ones count as those of reception."""

_MOST_ORIGINS: Final = 1000
_MOST_SUSPENSIONS: Final = 1000


class Context(Enum):
    """A document has a clock in its window and another one in its Web Worker, whose origins may differ."""

    WINDOW = "window"
    WEB_WORKER = "web worker"


class Reading(NamedTuple):
    """The worker's clocks at one moment, in seconds.

    ``steady`` is Unix time as of the worker's start plus the time since, suspended or not. ``suspended`` is how long the
    machine has been suspended, from any origin; too little is harmless, too much is not. ``wall`` is the system's time, read
    last.
    """

    steady: float
    suspended: float
    wall: float


@dataclass
class _Calibration:
    """One clock of a page. ``first``: the earliest known sending, in its time. ``difference``: the lowest that was seen of
    reception, without suspensions, and sending."""

    first: float
    difference: float


@dataclass
class _Document:
    """``opened``: when its scripts began, by its window; None: it did not say."""

    calibrations: dict[Context, _Calibration] = field(default_factory=dict)
    opened: float | None = None


class PageClock:
    """The clocks of all documents. Fed with when each message was sent and received, translates the times in it.

    A time is never translated to one after its reception, nor to one before its document opened. No page can claim to have
    opened before ``begun``, when there was none.
    """

    def __init__(self, begun: Reading) -> None:
        self._suspensions: list[tuple[float, float]] = [(float("-inf"), begun.suspended)]
        """(from, suspended): after which moment, without suspensions, the machine had been suspended for how long."""
        self._begun = self._last = begun.steady - begun.suspended
        self._origins: list[float] = []
        """Differences between the worker's clock, without suspensions, and the system's at all times so far, ascending."""
        self._documents: dict[int, _Document] = {}
        self._observe(begun)

    def open(self, document: int, sent: float, received: Reading) -> None:
        """Takes the first message of a document, which its window sends before any script of the page runs."""
        self.receive(document, Context.WINDOW, sent, received)
        if (known := self._documents.get(document)) is not None:
            known.opened = sent

    def receive(self, document: int, context: Context, sent: float, received: Reading) -> Translation:
        """Takes when a message of the document was sent, in page time, and received; returns the translation of its times."""
        now = self._observe(received)
        if document not in self._documents and len(self._documents) >= MOST_DOCUMENTS:
            return Translation(0.0, now, now, [(float("-inf"), received.steady - now)])
        known = self._documents.setdefault(document, _Document())
        calibration = known.calibrations.setdefault(context, _Calibration(sent, now - sent))
        lowest = min(calibration.difference, now - sent)
        calibration.difference = max(lowest, self._begun - calibration.first)
        return Translation(self._origin(calibration.difference), self._opened(known), now, self._suspensions)

    def forget(self, document: int) -> None:
        """Forgets a document that is closed."""
        self._documents.pop(document, None)

    def _opened(self, document: _Document) -> float:
        """The earliest moment of which the document can tell."""
        if document.opened is None:
            return self._begun
        return document.opened + self._origin(document.calibrations[Context.WINDOW].difference)

    def _observe(self, reading: Reading) -> float:
        """Keeps what the reading says of the machine; returns it as a moment without suspensions."""
        _, known = self._suspensions[-1]
        if reading.suspended >= known + LEAST_SUSPENSION and len(self._suspensions) < _MOST_SUSPENSIONS:
            self._suspensions.append((self._last, reading.suspended))
            known = reading.suspended
        now = reading.steady - known
        self._last = max(self._last, now)
        self._add_origin(now - reading.wall)
        return now

    def _add_origin(self, origin: float) -> None:
        origins = self._origins
        index = bisect_left(origins, origin - PRECISION)
        known = index < len(origins) and origins[index] <= origin + PRECISION
        if not known and len(origins) < _MOST_ORIGINS:
            insort(origins, origin)

    def _origin(self, difference: float) -> float:
        """The difference of the clocks without the time that the fastest message travelled, as far as is known."""
        index = bisect_right(self._origins, difference + PRECISION)
        if index and difference - self._origins[index - 1] <= LONGEST_TRAVEL:
            return self._origins[index - 1]
        return difference


class Translation:
    """Translates the times of one message; called with page time, returns the worker's steady clock, in Unix seconds."""

    def __init__(
        self, difference: float, opened: float, received: float, suspensions: list[tuple[float, float]]
    ) -> None:
        self._difference = difference
        self._opened = opened
        self._received = received
        self._suspensions = suspensions

    def __call__(self, time: float) -> float:
        """``time`` is finite."""
        moment = min(max(time + self._difference, self._opened), self._received)
        index = bisect_left(self._suspensions, (moment, float("-inf")))
        return moment + self._suspensions[max(0, index - 1)][1]
