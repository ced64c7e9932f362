"""What all metrics share: the namespace, bounds of labels, and counters of totals that are read elsewhere.

Names and units follow https://prometheus.io/docs/practices/naming/: one namespace, base units, ``_total`` for counters.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

NAMESPACE: Final = "meetstems"

OTHER: Final = "other"
"""Stands for a label value that is one too many, or not one of ours."""

MOST_VALUES: Final = 100
"""Values of one label that come from elsewhere."""

MOMENT_BUCKETS: Final = (0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60)
"""Seconds, for what should take a moment."""

_WORD: Final = re.compile("[a-z][a-z0-9_]{0,63}")


def counter(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Counter:
    """A counter in our namespace; its name gets ``_total``."""
    return Counter(name, text, labels, namespace=NAMESPACE, registry=registry)


def gauge(registry: CollectorRegistry, name: str, text: str) -> Gauge:
    """A gauge in our namespace."""
    return Gauge(name, text, namespace=NAMESPACE, registry=registry)


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
    """Keeps the values of labels few: a value that is no short word, or one too many, becomes OTHER."""

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
    """Counters of totals that are kept elsewhere and read now and then: each reading adds what the total has grown by."""

    def __init__(self) -> None:
        self._counted: dict[tuple[str, ...], float] = {}

    def read(self, counted: Counter, total: float, *key: str) -> None:
        """``total`` is what is read under ``key`` now."""
        before = self._counted.get(key, 0.0)
        if total > before:
            counted.inc(total - before)
            self._counted[key] = total

    def restart(self, restarted: Callable[[tuple[str, ...]], bool]) -> None:
        """The totals of these keys begin at 0 again."""
        self._counted = {key: count for key, count in self._counted.items() if not restarted(key)}
