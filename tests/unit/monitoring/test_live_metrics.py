from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from tests.support.job_parts import parse
from tests.support.malformed_jobs import LINK
from worker.contracts.live_endpoints import LiveForm, Transport
from worker.monitoring.live_metrics import KINDS, LiveMetrics

EVENTS = ["participant_events.join"]


class Reading:
    """LiveMetrics with their registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = LiveMetrics(self.registry)

    def value(self, name: str, transport: Transport, form: LiveForm) -> float | None:
        labels = {"transport": transport.value, "form": form.value}
        return self.registry.get_sample_value(f"meetstems_live_{name}", labels)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_endpoint_is_counted_by_itself(kind: tuple[Transport, LiveForm]) -> None:
    reading = Reading()
    metrics = reading.metrics
    for change in (1, 1, -1):
        metrics.connected(*kind, change)
    metrics.message(*kind, 700)
    metrics.message(*kind, 300)
    metrics.lag(*kind, 0.08)
    metrics.lag(*kind, -0.01)
    metrics.dropped(*kind, 1.5)
    metrics.reconnected(*kind)
    metrics.failed(*kind)
    expected = {
        "connections": 1,
        "messages_total": 2,
        "bytes_total": 1000,
        "lag_seconds_count": 2,
        "lag_seconds_sum": 0.08,
        "dropped_seconds_total": 1.5,
        "reconnects_total": 1,
        "failed_endpoints_total": 1,
    }
    assert {name: reading.value(name, *kind) for name in expected} == expected
    for other in KINDS:
        if other != kind:
            assert {reading.value(name, *other) for name in expected} == {0}


def test_every_kind_that_a_job_can_ask_for_is_counted() -> None:
    asked = [
        parse(
            meeting_url=LINK,
            recording_config={
                "realtime_endpoints": [
                    {"type": "websocket", "url": "wss://live.example/", "events": EVENTS},
                    {"type": "webhook", "url": "https://live.example/", "events": EVENTS},
                ]
            },
        ),
        parse(
            meeting_link=LINK,
            live_audio_required={"websocket_url": "wss://live.example/"},
            recording_config={
                "realtime_endpoints": [{"type": "webhook", "url": "https://live.example/", "events": EVENTS}]
            },
        ),
    ]
    assert {(each.transport, each.form) for job in asked for each in job.live} == set(KINDS)
