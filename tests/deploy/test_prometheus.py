"""A real Prometheus scrapes a worker that records and a watch of the queues, and answers every query.

That alerts fire is shown by test_alerts.py; here none does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from prometheus_client import CollectorRegistry

from fixtures.replica.voices import load_voice
from tests.deploy.prometheus import alert_queries, dashboard_queries, prometheus, recorded_queries
from tests.support.tapes import STARTED_AT, Talker, synthetic_tape, with_log_times
from worker.contracts.live_endpoints import LiveForm, Transport
from worker.delivery.queue_counts import QueueCounts, QueueState
from worker.monitoring.capture_health import CaptureHealth
from worker.monitoring.health import Health, HealthServer
from worker.monitoring.metrics import Metrics
from worker.monitoring.process_metrics import ProcessMetrics, Usage
from worker.monitoring.queue_watch import EVENTS, JOBS, QueueMetrics, QueueWatch
from worker.platforms.registry import Platform
from worker.rendering.deferred import DeferredRenderer
from worker.rendering.renderer import Renderer
from worker.server.metrics import ServerMetrics
from worker.server.records import Waiting
from worker.server.webhook_metrics import WebhookMetrics
from worker.states import State
from worker.tape.events import FrameBatch, ReceiverReport, TapeEvent

ANSWERS_WITHIN = 60.0
"""Seconds until every query has data."""

SPEECH = [packet.payload for packet in load_voice("aria").speech]


class Worker:
    """A worker as Prometheus sees it."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.metrics = Metrics(registry)
        self.memory = 80_000_000
        ProcessMetrics(registry, lambda: {"worker": {(1, 1.0): Usage(time.process_time(), self.memory)}})
        self.server = HealthServer(registry, Health(self.metrics.capture.health), 0)


class Recording(Worker):
    """A worker that records two people: its tape's events go to a renderer and the metrics, step by step."""

    def __init__(self, output: Path) -> None:
        super().__init__()
        self._renderer = DeferredRenderer(lambda platform: Renderer(output, platform, mix=False))
        talkers = [
            Talker(csrc=1, slot=0, turns=[(0, 3600)], payloads=SPEECH),
            Talker(csrc=2, slot=1, turns=[(0, 3600)], payloads=SPEECH),
        ]
        self._events: Iterator[tuple[TapeEvent, float]] = with_log_times(synthetic_tape(talkers, 3600))
        self._tapped = [0, 0]
        self.metrics.job.set_state(State.JOINING, STARTED_AT - 4)
        start, logged = next(self._events)
        self._renderer.feed(start, logged)
        self.metrics.observe(start)
        self.metrics.job.set_state(State.IN_CALL_RECORDING, STARTED_AT)
        self.metrics.job.job_received(3.0, 1)
        self.metrics.job.observe_first_packet(0.4)
        self.metrics.job.observe_finish(0.2)
        self.metrics.job.outcome(Platform.GOOGLE_MEET, "done", None)
        self.metrics.delivery.lease_operation("acquire", "ok")

    def advance(self) -> None:
        """Records the next five seconds of the meeting."""
        for _ in range(50):
            event, logged = next(self._events)
            self._renderer.feed(event, logged)
            self.metrics.observe(event)
            if isinstance(event, FrameBatch):
                for frame in event.frames:
                    self._tapped[frame.receiver] += 1
        for receiver, tapped in enumerate(self._tapped):
            self.metrics.observe(report(receiver, tapped, tapped))
        if progress := self._renderer.progress():
            self.metrics.capture.set_progress(progress)
        self.metrics.delivery.part_closed(20_000)
        self.metrics.delivery.uploaded(20_000)
        self.metrics.delivery.queue_operation("extend", "ok")
        self.metrics.delivery.lease_operation("renew", "ok")
        self.metrics.live.lag(Transport.WEBSOCKET, LiveForm.RECALL, 0.03)


class Watch:
    """A watch of queues as Prometheus sees it."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        state = QueueState(QueueCounts(0, 1, 0), "dead letters")
        QueueWatch(QueueMetrics(registry), lambda url: state, {JOBS: "jobs", EVENTS: "events"}).poll()
        self.server = HealthServer(registry, Health(CaptureHealth()), 0)


class Server:
    """A server of the API as Prometheus sees it: it is asked and makes bots now and then."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.metrics = ServerMetrics(registry)
        self.metrics.waiting(Waiting(3, 0, 0.0))
        self.webhooks = WebhookMetrics(registry)
        self.server = HealthServer(registry, Health(CaptureHealth()), 0)

    def advance(self) -> None:
        """Answers ten requests, one of which makes a bot, and looks for what is due."""
        for _ in range(10):
            self.metrics.answered("meetstream", "/api/v1/bots", "GET", 200, 0.03)
        self.metrics.bot_created("meetstream")
        self.metrics.looked(True)
        self.webhooks.attempted("recall", "delivered", 0.2)


def report(receiver: int, received: int, tapped: int) -> ReceiverReport:
    return ReceiverReport(
        at=time.time(),
        document=1,
        receiver=receiver,
        packets_received=received,
        packets_lost=0,
        frames_tapped=tapped,
    )


def test_every_query_of_dashboard_and_rules_is_answered(tmp_path: Path) -> None:
    queries = {**dashboard_queries(), **recorded_queries()}
    assert len(queries) > 40
    recording, watch, api = Recording(tmp_path / "output"), Watch(), Server()
    servers = {"recording": recording.server, "watch": watch.server, "api": api.server}
    with ExitStack() as stack:
        for server in servers.values():
            stack.enter_context(server)
        ports = {pod: server.port for pod, server in servers.items()}
        seen = stack.enter_context(prometheus(tmp_path, ports))
        deadline = time.monotonic() + ANSWERS_WITHIN
        left = set(queries)
        while left and time.monotonic() < deadline:
            recording.advance()
            api.advance()
            time.sleep(0.5)
            left &= seen.unanswered({name: queries[name] for name in left})
        assert not left
        for alert, query in alert_queries().items():
            assert not seen.query(query), f"{alert} fires for workers without problems"


def test_every_query_uses_existing_metrics() -> None:
    """Covers also series that have no samples in the workers above."""
    registry = CollectorRegistry()
    Metrics(registry)
    QueueMetrics(registry)
    ProcessMetrics(registry, dict)
    ServerMetrics(registry)
    WebhookMetrics(registry)
    known = {sample.name for family in registry.collect() for sample in family.samples}
    known |= {name for family in registry.collect() for name in series_names(family.name)}
    for title, query in {**dashboard_queries(), **recorded_queries(), **alert_queries()}.items():
        for word in metric_names(query):
            assert word in known or word == "meetstems_state", f"{title}: {word}"


def series_names(family: str) -> list[str]:
    """The names of the series that a family without samples would have."""
    return [family, *(f"{family}_{suffix}" for suffix in ("total", "bucket", "sum", "count"))]


def metric_names(query: str) -> set[str]:
    spaced = "".join(letter if letter.isalnum() or letter in "_:" else " " for letter in query)
    return {word for word in spaced.split() if word.startswith("meetstems_")}
