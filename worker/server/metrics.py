"""Metrics of the API."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry

from worker.monitoring.families import counter, gauge, histogram
from worker.server.records import Waiting

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Seconds of a request; an ordinary one takes a few requests to the store."""


class ServerMetrics:
    """``route`` is a path with placeholders, ``unknown`` where nothing is served; ``vendor`` whose contract it belongs to."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._requests = counter(
            registry, "api_requests", "Answered requests of the API.", "vendor", "route", "method", "status"
        )
        self._seconds = histogram(
            registry,
            "api_request_seconds",
            "From a request of the API to its answer.",
            "vendor",
            "route",
            buckets=BUCKETS,
        )
        self._bots = counter(registry, "api_bots_created", "Bots that the API made.", "vendor")
        self._looks = counter(registry, "api_due_looks", "Looks for bots that are due.", "result")
        self._scheduled = gauge(registry, "api_scheduled_bots", "Bots that are not dispatched yet.")
        self._due = gauge(registry, "api_due_bots", "Bots that are due and not dispatched.")
        self._overdue = gauge(
            registry, "api_oldest_due_seconds", "For how long the oldest of them has been due."
        )
        for result in ("success", "error"):
            self._looks.labels(result)

    def answered(self, vendor: str, route: str, method: str, status: int, seconds: float) -> None:
        """Counts a request."""
        known = method if method in {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"} else "other"
        self._requests.labels(vendor, route, known, str(status)).inc()
        self._seconds.labels(vendor, route).observe(seconds)

    def looked(self, succeeded: bool) -> None:
        """Counts a look for bots that are due."""
        self._looks.labels("success" if succeeded else "error").inc()

    def waiting(self, found: Waiting) -> None:
        """Shows the bots that are not dispatched. All servers of a store show the same ones."""
        self._scheduled.set(found.scheduled)
        self._due.set(found.due)
        self._overdue.set(found.oldest)

    def bot_created(self, vendor: str) -> None:
        """Counts a bot."""
        self._bots.labels(vendor).inc()
