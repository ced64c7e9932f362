from __future__ import annotations

from prometheus_client import CollectorRegistry

from worker.server.webhook_metrics import WebhookMetrics


def test_attempts_by_result_the_lag_and_events() -> None:
    registry = CollectorRegistry()
    metrics = WebhookMetrics(registry)
    for state in ("delivered", "pending", "failed", "failed"):
        metrics.attempted("recall", state, 0.2)
    metrics.set_oldest_due(12.5)
    metrics.event_taken("planned")

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"meetstems_{name}", labels)

    attempts = {
        result: value("webhook_attempts_total", form="recall", result=result)
        for result in ("delivered", "retried", "given_up")
    }
    assert attempts == {"delivered": 1, "retried": 1, "given_up": 2}
    assert value("webhook_attempt_seconds_count", form="recall") == 4
    assert value("webhook_lag_seconds") == 12.5
    assert value("webhook_events_total", result="planned") == 1
