"""How far the documents of a page have delivered what arrived (pure). All times are in seconds of meeting time.

Each document has its clock, and its frames come to the worker some time after they arrived. So what waits in a document's
slots goes by what that document has delivered, and the mix by the one that is behind. The worker's clock counts only where
frames do not come, less the delay with which they came before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from worker.streaming.recent_peak import RecentPeak

DELIVERY: Final = 0.1
"""Seconds. By then the page has delivered what arrived: a batch, and its way. Time that passes without frames counts
only after that, so that it separates no packets that came together."""

MOST_DELIVERY: Final = 1.0
"""Seconds. The mix does not wait longer for a document that is late, or whose clock is behind."""

PATIENCE: Final = 0.5
"""Seconds after the last frames of a document, for which the mix waits for the next: a network or a page that stands still is
no silence. Before any frames came, they may take so long, too."""


class Deliveries:
    """What each document of a call has delivered."""

    def __init__(self) -> None:
        self.complete = 0.0
        """Up to here all documents that send frames have delivered, on the worker's clock."""
        self._documents: dict[int, _Document] = {}
        self._until: dict[int, float] = {}
        self._now = 0.0

    @property
    def until(self) -> Mapping[int, float]:
        """By document, what it has delivered, on its own clock."""
        return self._until

    @property
    def latest(self) -> float:
        """What the document that is furthest has delivered, on the worker's clock."""
        return max(self.complete, min(self._now, max(self._until.values(), default=0.0)))

    def take(self, document: int, oldest: float, newest: float, logged: float) -> None:
        """Frames that arrived from ``oldest`` to ``newest`` were logged at ``logged``."""
        each = self._documents.setdefault(document, _Document())
        each.take(oldest, newest, logged)
        self._until[document] = max(self._until.get(document, 0.0), newest)
        self._pass(logged)

    def advance(self, now: float) -> None:
        """It is ``now``, and no frames came."""
        for number, document in self._documents.items():
            self._until[number] = max(self._until[number], now - document.delay.value)
        self._pass(now)

    def end(self, wait: float) -> None:
        """Nothing more comes; ``wait`` is what packets would have waited."""
        self.complete = self.latest + wait

    def _pass(self, now: float) -> None:
        self._now = now = max(self._now, now)
        sending = [each for each in self._documents.values() if now - each.logged <= PATIENCE]
        if sending:
            complete = min(each.arrived for each in sending)
        else:
            delays = (each.delay.value for each in self._documents.values())
            complete = now - max(delays, default=PATIENCE)
        self.complete = max(self.complete, complete, now - MOST_DELIVERY)


class _Document:
    def __init__(self) -> None:
        self.arrived = 0.0
        """When its newest frame arrived; not after that was logged."""
        self.logged = 0.0
        self.delay = RecentPeak(DELIVERY)
        """From the arrival of frames to their log time, as far as it is believed."""

    def take(self, oldest: float, newest: float, logged: float) -> None:
        self.arrived = max(self.arrived, min(newest, logged))
        self.logged = max(self.logged, logged)
        self.delay.note(self.logged, min(max(DELIVERY, logged - oldest), MOST_DELIVERY))
