"""All metrics of one worker.

No label holds a bot, a person or a URL; each has few values, and those that come from outside are bounded. A worker usually
does one job and ends, so a counter's total over a time is ``sum(max_over_time(x[…]))``: ``increase()`` misses what had happened
before the first scrape.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from worker.monitoring.capture_metrics import CaptureMetrics
from worker.monitoring.delivery_metrics import DeliveryMetrics
from worker.monitoring.job_metrics import JobMetrics
from worker.monitoring.live_metrics import LiveMetrics
from worker.tape.events import TapeEvent


class Metrics:
    """All metrics of a worker, in ``registry``. Fed in the event loop's thread; read in any. Nothing raises for odd input."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.job = JobMetrics(registry)
        self.capture = CaptureMetrics(registry)
        self.delivery = DeliveryMetrics(registry)
        self.live = LiveMetrics(registry)

    def observe(self, event: TapeEvent) -> None:
        """Takes the tape's next event, live or replayed."""
        self.delivery.tape_message()
        self.capture.observe(event)
        self.job.observe(event)
