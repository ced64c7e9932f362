"""Watches the queues from outside the workers: a worker sees neither the jobs that wait nor that no worker runs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

from worker.delivery.errors import DeliveryError
from worker.delivery.queue_counts import QueueCounts, QueueState
from worker.monitoring.families import NAMESPACE, counter

if TYPE_CHECKING:
    ReadQueue = Callable[[str], QueueState]
    """Reads the queue at a URL. Raises DeliveryError."""

logger = logging.getLogger(__name__)

JOBS: Final = "jobs"
DEAD_LETTERS: Final = "dead_letters"
EVENTS: Final = "events"

POLL_SECONDS: Final = 15.0
"""Seconds between two polls; three requests each, about 520,000 a month."""

FRESH_SECONDS: Final = 60.0
"""Seconds for which an answer counts. Later the queue has no series: an unknown number of messages is not 0."""


class QueueMetrics(Collector):
    """``meetstems_queue_messages`` and ``meetstems_queue_waiting_seconds`` of the last answers, and a counter of failed polls.

    Thread-safe. ``clock`` returns seconds and is monotonic.
    """

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[str, tuple[QueueCounts, float]] = {}
        self._waiting_since: dict[str, float] = {}
        self._errors = counter(
            registry, "queue_watch_errors", "Polls of a queue that failed; its messages are unknown.", "queue"
        )
        registry.register(self)

    def answered(self, queue: str, counts: QueueCounts) -> None:
        """SQS has said what ``queue`` holds now."""
        now = self._clock()
        with self._lock:
            self._counts[queue] = counts, now
            if counts.visible == 0:
                self._waiting_since.pop(queue, None)
            else:
                self._waiting_since.setdefault(queue, now)
        self._errors.labels(queue)

    def failed(self, queue: str) -> None:
        """A poll of ``queue`` failed."""
        self._errors.labels(queue).inc()

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """The families without samples."""
        return _families()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The families with the samples of each queue whose last answer is fresh."""
        messages, waiting = _families()
        now = self._clock()
        with self._lock:
            for queue, (counts, at) in self._counts.items():
                if now - at > FRESH_SECONDS:
                    continue
                for state, count in counts._asdict().items():
                    messages.add_metric([queue, state], count)
                waiting.add_metric([queue], now - self._waiting_since.get(queue, now))
        return messages, waiting


class QueueWatch:
    """Polls the queues in a daemon thread, until the process ends; ``urls`` by queue, without the dead-letter queue, which the
    jobs queue names."""

    def __init__(self, metrics: QueueMetrics, read: ReadQueue, urls: Mapping[str, str]) -> None:
        self._metrics = metrics
        self._read = read
        self._urls = urls

    def start(self) -> None:
        """Begins to poll. Returns at once."""
        threading.Thread(target=self._run, name="queue-watch", daemon=True).start()

    def poll(self) -> None:
        """Asks for each queue once. Never raises: what fails is counted and logged."""
        for queue, url in self._urls.items():
            state = self._ask(queue, url)
            if queue != JOBS or state is None:
                continue
            if state.dead_letters_url is None:
                logger.warning("the jobs queue has no redrive policy, so no dead-letter queue is watched")
            else:
                self._ask(DEAD_LETTERS, state.dead_letters_url)

    def _ask(self, queue: str, url: str) -> QueueState | None:
        try:
            state = self._read(url)
        except DeliveryError as error:
            logger.error("%s: unknown how many messages wait: %s", queue, error)
        except Exception:
            logger.exception("%s: unknown how many messages wait", queue)
        else:
            self._metrics.answered(queue, state.counts)
            return state
        self._metrics.failed(queue)
        return None

    def _run(self) -> None:
        while True:
            self.poll()
            time.sleep(POLL_SECONDS)


def _families() -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
    return (
        GaugeMetricFamily(
            f"{NAMESPACE}_queue_messages", "Messages in a queue, approximately.", labels=["queue", "state"]
        ),
        GaugeMetricFamily(
            f"{NAMESPACE}_queue_waiting_seconds",
            "For how long a queue has had a visible message without a break.",
            labels=["queue"],
        ),
    )
