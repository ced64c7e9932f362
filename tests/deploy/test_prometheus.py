"""A real Prometheus scrapes a worker that records and one with every problem, and answers every query."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from prometheus_client import CollectorRegistry

from tests.deploy.prometheus import alert_queries, dashboard_queries, prometheus, recorded_queries
from tests.support.tapes import STARTED_AT, Talker, synthetic_tape
from worker.monitoring.health import Health, HealthServer
from worker.monitoring.metrics import Metrics
from worker.monitoring.process_metrics import ProcessMetrics, Usage
from worker.platforms.registry import Platform
from worker.rendering.deferred import DeferredRenderer
from worker.rendering.progress import Progress, SpeakerProgress
from worker.rendering.renderer import Renderer
from worker.states import State
from worker.tape.events import (
    AudioPathSeen,
    Frame,
    FrameBatch,
    PageDropped,
    ReceiverReport,
    StateChanged,
    TapDeaf,
    TapeEvent,
)

ANSWERS_WITHIN = 60.0
"""Seconds until every query has data."""

OPUS_SILENCE = b"\xf8\xff\xfe"


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
            Talker(csrc=1, slot=0, turns=[(0, 3600)], payloads=[OPUS_SILENCE]),
            Talker(csrc=2, slot=1, turns=[(0, 3600)], payloads=[OPUS_SILENCE]),
        ]
        self._events: Iterator[TapeEvent] = synthetic_tape(talkers, 3600)
        self._tapped = [0, 0]
        self.metrics.job.set_state(State.JOINING, STARTED_AT - 4)
        start = next(self._events)
        self._renderer.feed(start)
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
            event = next(self._events)
            self._renderer.feed(event)
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


class Troubled(Worker):
    """A worker for which every alert fires."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = 700_000_000
        self._rounds = 0
        metrics = self.metrics
        metrics.observe(StateChanged(at=1, state="leaving"))
        metrics.observe(TapDeaf(at=1, document=7, receiver=0, packets_received=60, frames_tapped=0))
        metrics.observe(AudioPathSeen(at=1, document=7, path="encoded"))
        metrics.delivery.set_upload(backlog_parts=30, lag_seconds=150)
        metrics.delivery.lease_operation("renew", "refused")
        metrics.delivery.set_events_backlog(11)
        metrics.job.job_received(900.0, 3)
        for _ in range(4):
            metrics.job.outcome(Platform.GOOGLE_MEET, "fatal", "google_meet_bot_blocked")
            metrics.job.outcome(Platform.GOOGLE_MEET, "fatal", "bot_errored")

    def advance(self) -> None:
        """Makes every problem worse."""
        self._rounds += 1
        self.metrics.observe(report(1, 400 * self._rounds, 200 * self._rounds))
        unattributed = Frame(1, 6667, (), 1, 960, 111, "audio/opus", None, 12.5, None, b"opus")
        self.metrics.observe(FrameBatch(7, self._rounds, 0, [unattributed] * 200))
        self.metrics.observe(PageDropped(at=1, document=7, what="channel_message", count=1))
        self.metrics.capture.set_progress(lossy(self._rounds))
        self.metrics.delivery.queue_operation("extend", "error")


def lossy(rounds: int) -> Progress:
    speaker = SpeakerProgress(
        name="Ada",
        speaking=True,
        speech_seconds=float(rounds),
        packets_received=200 * rounds,
        recovered=0,
        lost=50 * rounds,
    )
    return Progress(elapsed_seconds=float(rounds), speakers=[speaker], unattributed=200 * rounds)


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
    queries = {**dashboard_queries(), **recorded_queries(), **alert_queries()}
    assert len(queries) > 50
    recording, troubled, waiting = Recording(tmp_path / "output"), Troubled(), Worker()
    waiting.metrics.observe(StateChanged(at=1, state="waiting_room"))
    workers = {"recording": recording, "troubled": troubled, "waiting": waiting}
    with ExitStack() as stack:
        for worker in workers.values():
            stack.enter_context(worker.server)
        ports = {pod: worker.server.port for pod, worker in workers.items()}
        seen = stack.enter_context(prometheus(tmp_path, ports))
        deadline = time.monotonic() + ANSWERS_WITHIN
        left = set(queries)
        while left and time.monotonic() < deadline:
            recording.advance()
            troubled.advance()
            time.sleep(0.5)
            left &= seen.unanswered({name: queries[name] for name in left})
        assert not left
        for alert, query in alert_queries().items():
            pods = {sample["metric"].get("pod") for sample in seen.query(query)}
            assert "recording" not in pods, f"{alert} fires for a worker without problems"


def test_every_query_uses_existing_metrics() -> None:
    """Covers also series that have no samples in the workers above."""
    registry = CollectorRegistry()
    Metrics(registry)
    ProcessMetrics(registry, dict)
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
