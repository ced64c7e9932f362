"""Everything a job needs: store, queues, metrics, log, stop signal."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from worker.delivery.aws_clients import Aws
from worker.delivery.event_sinks import EventSink
from worker.delivery.object_store import ObjectStore
from worker.delivery.patient_store import PatientStore
from worker.delivery.retries import RetryPolicy
from worker.jobs.backend import open_events, open_results
from worker.lifecycle.ending import Ending
from worker.monitoring.health import Health, HealthServer, linger
from worker.monitoring.logs import LogTail, configure_logging
from worker.monitoring.metrics import Metrics
from worker.monitoring.process_metrics import ProcessMetrics
from worker.reasons import Reason
from worker.recording.signals import stop_signals
from worker.recording.steady_clock import elapsed
from worker.safe_text import NO_SECRETS, Redactor
from worker.settings import BrowserSettings, WorkerSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerContext:
    """Everything a job needs. ``owner`` names this worker in leases, uniquely; ``clock`` returns seconds since the Unix epoch.

    ``log_about`` makes every line of the log name this bot and this attempt and hide the job's secrets from now on, and returns
    the last lines. ``steady`` returns seconds of a clock that is never set. ``stopped`` is done when the worker has to stop.
    ``work`` is a folder for the recording, which is deleted once all of it is in the bucket.
    """

    browser_settings: BrowserSettings
    worker_settings: WorkerSettings
    aws: Aws
    store: ObjectStore
    events: EventSink
    metrics: Metrics
    log_about: Callable[[str | None, int | None, Redactor], LogTail]
    stopped: asyncio.Future[Ending]
    owner: str
    work: Path
    clock: Callable[[], float]
    steady: Callable[[], float]

    def patient_store(self, patience: float) -> PatientStore:
        """The store, whose refusals are waited out for ``patience`` seconds."""
        return PatientStore(self.store, patience, threading.Event(), lambda _: None)


def owner_name(worker_settings: WorkerSettings) -> str:
    """A unique name for this worker in leases and attempts, which says where it runs: ``POD@NODE/UUID``."""
    place = "@".join(filter(None, [worker_settings.pod, worker_settings.node]))
    return "/".join(filter(None, [place, str(uuid.uuid4())]))


@asynccontextmanager
async def open_context(
    browser_settings: BrowserSettings,
    worker_settings: WorkerSettings,
    aws: Aws,
    on_sigterm: Reason = Reason.DRAINED,
) -> AsyncIterator[WorkerContext]:
    """Opens everything that jobs need for the block; after it, waits for a last scrape by Prometheus if there was a job.

    A signal completes ``stopped``, SIGTERM with the reason ``on_sigterm``. Raises SettingsError and PortError.
    """
    json_lines = worker_settings.log_json if worker_settings.log_json is not None else not sys.stderr.isatty()

    def log_about(bot_id: str | None, attempt: int | None, redactor: Redactor) -> LogTail:
        redactor = redactor.also(browser_settings.teams_bot_token, worker_settings.live.signing_secret)
        return configure_logging(bot_id, attempt, sys.stderr, json_lines, redactor)

    log_about(None, None, NO_SECRETS)
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    ProcessMetrics(registry)
    retry = RetryPolicy(budget=worker_settings.retry_seconds)
    failed = metrics.delivery.request_failed
    store = open_results(worker_settings, aws, retry, failed)
    events = open_events(worker_settings, aws, retry, failed)
    health = Health(metrics.capture.health)
    with stop_signals() as signalled:
        stopped: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        signalled.add_done_callback(lambda signal: _stop(signal, stopped, on_sigterm))
        beating = asyncio.create_task(health.keep_beating())
        try:
            with _health_server(registry, health, worker_settings.metrics_port) as server:
                yield WorkerContext(
                    browser_settings=browser_settings,
                    worker_settings=worker_settings,
                    aws=aws,
                    store=store,
                    events=events,
                    metrics=metrics,
                    log_about=log_about,
                    stopped=stopped,
                    owner=owner_name(worker_settings),
                    work=Path(),
                    clock=time.time,
                    steady=elapsed,
                )
                if server is not None and metrics.job.had_a_job:
                    await linger(server, worker_settings.linger_seconds, signalled)
        finally:
            beating.cancel()
            events.close()


@contextmanager
def _health_server(
    registry: CollectorRegistry, health: Health, port: int | None
) -> Iterator[HealthServer | None]:
    if port is None:
        yield None
        return
    with HealthServer(registry, health, port) as server:
        yield server


def _stop(signal: asyncio.Future[str], stopped: asyncio.Future[Ending], on_sigterm: Reason) -> None:
    if signal.cancelled() or stopped.done():
        return
    name = signal.result()
    logger.warning("%s: the worker stops", name)
    reason = on_sigterm if name == "SIGTERM" else Reason.INTERRUPTED
    stopped.set_result(Ending(reason, name, time.time()))
