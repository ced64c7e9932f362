"""Metrics of delivery: the tape's way to the object store, the queues, the lease."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry

from worker.delivery.request_errors import RequestError
from worker.monitoring.families import among, counter, gauge

QUEUE_OPERATIONS: Final = ("receive", "extend", "delete", "give_back", "dead_letter", "send")
LEASE_OPERATIONS: Final = ("acquire", "renew", "release")
SERVICES: Final = ("S3", "SQS")
RESULTS: Final = ("ok", "refused", "error")
"""``refused``: another worker has the lease. ``error``: the request failed."""


class DeliveryMetrics:
    """Counters and gauges of tape, uploads, queues and lease; worker.jobs updates them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._tape_messages = counter(registry, "tape_messages", "Messages put on the tape.")
        self._tape_parts = counter(registry, "tape_parts", "Closed parts of the tape.")
        self._tape_bytes = counter(registry, "tape_bytes", "Bytes of closed parts of the tape.")
        self._upload_bytes = counter(registry, "upload_bytes", "Bytes that the object store has taken.")
        self._upload_failures = counter(
            registry, "upload_failures", "Attempts whose tape was not uploaded completely."
        )
        self._upload_backlog = gauge(registry, "upload_backlog_parts", "Closed parts not uploaded yet.")
        self._upload_lag = gauge(
            registry, "upload_lag_seconds", "Age of the oldest part not uploaded yet; 0: none."
        )
        self._request_errors = counter(
            registry, "request_errors", "Failed requests to S3 and SQS, also retried ones.", "service", "kind"
        )
        for service in SERVICES:
            for kind in RequestError:
                self._request_errors.labels(service, kind)
        self._queue = counter(registry, "queue_operations", "Calls of the jobs queue.", "operation", "result")
        self._lease = counter(
            registry, "lease_operations", "Conditional writes of the lease.", "operation", "result"
        )
        for operation in QUEUE_OPERATIONS:
            for result in ("ok", "error"):
                self._queue.labels(operation, result)
        for operation in LEASE_OPERATIONS:
            for result in RESULTS:
                self._lease.labels(operation, result)
        self._lease_unproven = gauge(
            registry,
            "lease_unproven",
            "1 while the last successful renewal is longer ago than the lease lasts.",
        )
        self._upload_stuck = gauge(
            registry,
            "upload_stuck",
            "1 while the end of a job waits for uploads that are refused or unanswered.",
        )
        self._events_backlog = gauge(registry, "events_backlog", "Events not taken by their queue yet.")

    def tape_message(self) -> None:
        """A message was put on the tape."""
        self._tape_messages.inc()

    def part_closed(self, size: int) -> None:
        """A part of the tape was closed; ``size`` in bytes."""
        self._tape_parts.inc()
        self._tape_bytes.inc(size)

    def set_upload(self, *, backlog_parts: int, lag_seconds: float) -> None:
        """Parts that are not uploaded yet, and how long the oldest of them has waited (seconds; 0: none)."""
        self._upload_backlog.set(backlog_parts)
        self._upload_lag.set(lag_seconds)

    def uploaded(self, size: int) -> None:
        """The object store has taken ``size`` more bytes."""
        self._upload_bytes.inc(size)

    def upload_failed(self) -> None:
        """The tape of an attempt was not uploaded completely within the retry time."""
        self._upload_failures.inc()

    def queue_operation(self, operation: str, result: str) -> None:
        """The jobs queue was called: one of QUEUE_OPERATIONS, with one of RESULTS."""
        self._queue.labels(among(QUEUE_OPERATIONS, operation), among(RESULTS, result)).inc()

    def lease_operation(self, operation: str, result: str) -> None:
        """The lease was written: one of LEASE_OPERATIONS, with one of RESULTS."""
        self._lease.labels(among(LEASE_OPERATIONS, operation), among(RESULTS, result)).inc()

    def set_lease_unproven(self, unproven: bool) -> None:
        """Whether no renewal has succeeded for as long as the lease lasts; another worker may take the bot then."""
        self._lease_unproven.set(unproven)

    def set_upload_stuck(self, stuck: bool) -> None:
        """Whether the end of the job waits for uploads that the object store refuses or does not answer."""
        self._upload_stuck.set(stuck)

    def request_failed(self, service: str, error: RequestError) -> None:
        """A request to ``service`` (one of SERVICES) failed; its retries count as well."""
        self._request_errors.labels(among(SERVICES, service), error).inc()

    def set_events_backlog(self, count: int) -> None:
        """The number of events that their queue has not taken yet."""
        self._events_backlog.set(count)
