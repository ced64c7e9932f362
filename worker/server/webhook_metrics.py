"""Metrics of webhooks."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry

from worker.delivery.webhooks import AttemptObserver
from worker.monitoring.families import counter, gauge, histogram

BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15)
"""Seconds of a request; a receiver has 15."""

_RESULTS: Final = {"delivered": "delivered", "pending": "retried", "failed": "given_up"}


class WebhookMetrics(AttemptObserver):
    """``form`` is whose webhooks they are, ``result`` what became of the delivery: delivered, retried or given_up."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._attempts = counter(
            registry, "webhook_attempts", "Requests to endpoints of webhooks.", "form", "result"
        )
        self._seconds = histogram(
            registry,
            "webhook_attempt_seconds",
            "From a request to an endpoint of webhooks to its answer.",
            "form",
            buckets=BUCKETS,
        )
        self._lag = gauge(
            registry, "webhook_lag_seconds", "How long the oldest webhook that is due has waited; 0: none is."
        )
        self._events = counter(
            registry, "webhook_events", "Events that the server took from workers.", "result"
        )

    def attempted(self, form: str, state: str, seconds: float) -> None:
        """See AttemptObserver."""
        self._attempts.labels(form, _RESULTS[state]).inc()
        self._seconds.labels(form).observe(seconds)

    def set_oldest_due(self, lag: float) -> None:
        """See AttemptObserver."""
        self._lag.set(lag)

    def event_taken(self, result: str) -> None:
        """Counts an event. ``result``: ``planned``, ``put_back`` or ``refused``."""
        self._events.labels(result).inc()
