"""The time that bots spent in calls, read at each scrape: a stalled capture has no events that could count it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

from worker.lifecycle.state_machine import IN_CALL
from worker.monitoring.families import NAMESPACE
from worker.states import State

STATES: Final = tuple(state for state in State if state in IN_CALL)


class InCallTime(Collector):
    """``meetstems_in_call_seconds_total``, by state. Fed in the event loop's thread, read in any. ``clock`` returns seconds and
    is monotonic.
    """

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seconds = dict.fromkeys(STATES, 0.0)
        self._state: State | None = None
        self._since = clock()
        registry.register(self)

    def enter(self, state: State | None) -> None:
        """The bot changed to ``state``; None: to one that is not known, which counts as not in the call."""
        with self._lock:
            self._count()
            self._state = state if state in STATES else None

    def collect(self) -> Iterable[CounterMetricFamily]:
        """The family, up to now."""
        with self._lock:
            self._count()
            seconds = dict(self._seconds)
        family = CounterMetricFamily(
            f"{NAMESPACE}_in_call_seconds",
            "Time that the bot was in the call, by its state.",
            labels=["state"],
        )
        for state, value in seconds.items():
            family.add_metric([state], value)
        yield family

    def _count(self) -> None:
        now = self._clock()
        if self._state is not None:
            self._seconds[self._state] += now - self._since
        self._since = now
