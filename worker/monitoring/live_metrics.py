"""Metrics of live streams: each by kind of endpoint, how it is reached and whose messages it gets."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry

from worker.contracts.live_endpoints import LiveForm, Transport
from worker.monitoring.families import counter, gauge, histogram

LAG_BUCKETS: Final = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5)
"""Seconds."""

KINDS: Final = (
    (Transport.WEBSOCKET, LiveForm.RECALL),
    (Transport.WEBHOOK, LiveForm.RECALL),
    (Transport.WEBSOCKET, LiveForm.MEETSTREAM_AUDIO),
    (Transport.WEBHOOK, LiveForm.MEETSTREAM),
)
"""Those that jobs can ask for."""


class LiveMetrics:
    """Implements LiveMetrics of worker.streaming.endpoint_state. Called for each message, so labels are looked up once."""

    def __init__(self, registry: CollectorRegistry) -> None:
        connections = gauge(
            registry,
            "live_connections",
            "Open WebSockets of live streams, and webhooks that can be reached.",
            "transport",
            "form",
        )
        messages = counter(registry, "live_messages", "Messages sent by live streams.", "transport", "form")
        sent = counter(registry, "live_bytes", "Bytes of messages sent by live streams.", "transport", "form")
        lag = histogram(
            registry,
            "live_lag_seconds",
            "From a packet's arrival to the sending of its sound.",
            "transport",
            "form",
            buckets=LAG_BUCKETS,
        )
        dropped = counter(
            registry,
            "live_dropped_seconds",
            "Seconds of sound that were not sent, or are not known to have arrived: the receiver was slow or away, or they "
            "came too late to be live.",
            "transport",
            "form",
        )
        reconnects = counter(
            registry,
            "live_reconnects",
            "Connections of live streams that were made again.",
            "transport",
            "form",
        )
        failed = counter(
            registry, "live_failed_endpoints", "Endpoints that were given up.", "transport", "form"
        )
        self._connections = {kind: connections.labels(*kind) for kind in KINDS}
        self._messages = {kind: messages.labels(*kind) for kind in KINDS}
        self._bytes = {kind: sent.labels(*kind) for kind in KINDS}
        self._lag = {kind: lag.labels(*kind) for kind in KINDS}
        self._dropped = {kind: dropped.labels(*kind) for kind in KINDS}
        self._reconnects = {kind: reconnects.labels(*kind) for kind in KINDS}
        self._failed = {kind: failed.labels(*kind) for kind in KINDS}

    def connected(self, transport: Transport, form: LiveForm, change: int) -> None:
        """A connection was made (``change`` +1) or ended (-1)."""
        self._connections[transport, form].inc(change)

    def message(self, transport: Transport, form: LiveForm, size: int) -> None:
        """A message of ``size`` bytes was sent."""
        kind = (transport, form)
        self._messages[kind].inc()
        self._bytes[kind].inc(size)

    def lag(self, transport: Transport, form: LiveForm, seconds: float) -> None:
        """Sound was sent ``seconds`` after the arrival of its newest packet."""
        self._lag[transport, form].observe(max(0.0, seconds))

    def dropped(self, transport: Transport, form: LiveForm, seconds: float) -> None:
        """So many ``seconds`` of sound were not sent."""
        self._dropped[transport, form].inc(max(0.0, seconds))

    def reconnected(self, transport: Transport, form: LiveForm) -> None:
        """A connection that had broken was made again."""
        self._reconnects[transport, form].inc()

    def failed(self, transport: Transport, form: LiveForm) -> None:
        """An endpoint was given up."""
        self._failed[transport, form].inc()
