"""Shared by all metrics: the namespace, bounds of labels, and counters of totals that are kept elsewhere.

Names and units follow https://prometheus.io/docs/practices/naming/: one namespace, base units, ``_total`` for counters.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

NAMESPACE: Final = "meetstems"

OTHER: Final = "other"
"""Replaces a label value that is one too many or unknown."""

MOST_VALUES: Final = 100
"""The most values of one label."""

MOMENT_BUCKETS: Final = (0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60)
"""Seconds, for durations that should be short."""

_WORD: Final = re.compile("[a-z][a-z0-9_]{0,63}")


def counter(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Counter:
    """A counter in our namespace; its name gets ``_total``."""
    return Counter(name, text, labels, namespace=NAMESPACE, registry=registry)


def gauge(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Gauge:
    """A gauge in our namespace."""
    return Gauge(name, text, labels, namespace=NAMESPACE, registry=registry)


def histogram(
    registry: CollectorRegistry,
    name: str,
    text: str,
    *labels: str,
    buckets: tuple[float, ...] = MOMENT_BUCKETS,
) -> Histogram:
    """A histogram in our namespace."""
    return Histogram(name, text, labels, namespace=NAMESPACE, registry=registry, buckets=buckets)


def among(known: tuple[str, ...], value: str) -> str:
    """``value`` where it is one of ``known``, else OTHER."""
    return value if value in known else OTHER


class BoundedLabels:
    """Bounds the values of labels: a value that is not a short word, or beyond MOST_VALUES, becomes OTHER."""

    def __init__(self) -> None:
        self._values: dict[str, set[str]] = {}

    def bound(self, label: str, value: str) -> str:
        """The value to use for ``label``."""
        values = self._values.setdefault(label, set())
        if value not in values:
            if not _WORD.fullmatch(value) or len(values) >= MOST_VALUES:
                return OTHER
            values.add(value)
        return value


class Totals:
    """Counters of totals that are kept elsewhere: each reading adds the growth since the last."""

    def __init__(self) -> None:
        self._counted: dict[tuple[str, ...], float] = {}

    def read(self, counted: Counter, total: float, *key: str) -> None:
        """Adds the growth of ``key``'s total, which is now ``total``; a smaller total adds nothing."""
        before = self._counted.get(key, 0.0)
        if total > before:
            counted.inc(total - before)
            self._counted[key] = total

    def restart(self, restarted: Callable[[tuple[str, ...]], bool]) -> None:
        """The totals of these keys begin at 0 again."""
        self._counted = {key: count for key, count in self._counted.items() if not restarted(key)}
