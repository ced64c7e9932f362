from __future__ import annotations

import logging

import pytest
from prometheus_client import CollectorRegistry

from worker.delivery.errors import RefusedError, UnavailableError
from worker.delivery.queue_counts import QueueCounts, QueueState
from worker.monitoring.queue_watch import (
    DEAD_LETTERS,
    EVENTS,
    FRESH_SECONDS,
    JOBS,
    QueueMetrics,
    QueueWatch,
)

EMPTY = QueueCounts(0, 0, 0)
ONE = QueueCounts(1, 0, 0)
URLS = {JOBS: "jobs", EVENTS: "events"}


class Watched:
    """A watch of scripted queues, at a time that the test sets. A queue that is None does not answer."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.states: dict[str, QueueState | Exception] = {
            "jobs": QueueState(EMPTY, "dead"),
            "dead": QueueState(EMPTY, None),
            "events": QueueState(EMPTY, None),
        }
        self.registry = CollectorRegistry()
        self.watch = QueueWatch(QueueMetrics(self.registry, lambda: self.now), self._read, URLS)

    def poll(self, after: float = 0.0) -> None:
        self.now += after
        self.watch.poll()

    def jobs(self, counts: QueueCounts) -> None:
        self.states["jobs"] = QueueState(counts, "dead")

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"meetstems_queue_{name}", labels)

    def waiting(self, queue: str = JOBS) -> float | None:
        return self.value("waiting_seconds", queue=queue)

    def _read(self, url: str) -> QueueState:
        state = self.states[url]
        if isinstance(state, Exception):
            raise state
        return state


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_every_queue_has_its_messages_by_state(watched: Watched) -> None:
    watched.jobs(QueueCounts(3, 2, 1))
    watched.states["dead"] = QueueState(ONE, None)
    watched.poll()
    states = {state: watched.value("messages", queue=JOBS, state=state) for state in QueueCounts._fields}
    assert states == {"visible": 3, "hidden": 2, "delayed": 1}
    assert watched.value("messages", queue=DEAD_LETTERS, state="visible") == 1
    assert watched.value("messages", queue=EVENTS, state="visible") == 0
    assert watched.value("watch_errors_total", queue=JOBS) == 0


def test_waiting_lasts_from_the_first_poll_with_a_visible_message_to_one_without(watched: Watched) -> None:
    watched.poll()
    assert watched.waiting() == 0
    watched.jobs(ONE)
    watched.poll(after=15)
    assert watched.waiting() == 0
    watched.poll(after=15)
    watched.now += 4
    assert watched.waiting() == 19
    watched.jobs(QueueCounts(0, 1, 0))
    watched.poll(after=15)
    assert watched.waiting() == 0
    watched.jobs(ONE)
    watched.poll(after=15)
    assert watched.waiting() == 0


@pytest.mark.parametrize("error", [UnavailableError("503"), RefusedError("403"), RuntimeError("a bug")])
def test_a_queue_that_does_not_answer_has_no_series_soon_and_errors_at_once(
    watched: Watched, error: Exception
) -> None:
    watched.jobs(ONE)
    watched.poll()
    watched.states["jobs"] = error
    watched.poll(after=FRESH_SECONDS)
    assert watched.value("messages", queue=JOBS, state="visible") == 1
    assert watched.value("watch_errors_total", queue=JOBS) == 1
    watched.poll(after=1)
    assert watched.value("messages", queue=JOBS, state="visible") is None
    assert watched.waiting() is None
    assert watched.value("watch_errors_total", queue=JOBS) == 2
    assert watched.value("messages", queue=EVENTS, state="visible") == 0


def test_a_queue_that_never_answered_has_no_messages(watched: Watched) -> None:
    watched.states["jobs"] = RefusedError("no permission")
    watched.poll()
    assert watched.value("messages", queue=JOBS, state="visible") is None
    assert watched.value("watch_errors_total", queue=JOBS) == 1


def test_an_outage_does_not_end_the_waiting(watched: Watched) -> None:
    watched.jobs(ONE)
    watched.poll()
    watched.states["jobs"] = UnavailableError("503")
    watched.poll(after=300)
    watched.jobs(ONE)
    watched.poll(after=15)
    assert watched.waiting() == 315


def test_a_queue_without_a_dead_letter_queue_is_reported(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watched.states["jobs"] = QueueState(EMPTY, None)
    with caplog.at_level(logging.WARNING):
        watched.poll()
    assert "no redrive policy" in caplog.text
    assert watched.value("messages", queue=DEAD_LETTERS, state="visible") is None
