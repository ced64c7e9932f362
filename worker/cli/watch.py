"""The command ``meetstems watch``: serves what the queues hold to Prometheus, also while no worker runs."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from functools import partial

from prometheus_client import CollectorRegistry

from worker.delivery.aws_clients import sqs_client
from worker.delivery.queue_counts import read_queue
from worker.jobs.backend import aws_of
from worker.monitoring.capture_health import CaptureHealth
from worker.monitoring.health import Health, HealthServer
from worker.monitoring.logs import configure_logging
from worker.monitoring.queue_watch import EVENTS, JOBS, QueueMetrics, QueueWatch
from worker.settings import SettingsError, WorkerSettings


def watch_command() -> int:
    """Watches the queues until SIGTERM or SIGINT; returns the exit code. Raises SettingsError, PortError and RefusedError."""
    worker_settings = WorkerSettings.from_environment(os.environ)
    if worker_settings.jobs_queue_url is None:
        raise SettingsError("MEETSTEMS_JOBS_QUEUE_URL: is not set, expected the URL of an SQS queue")
    if worker_settings.metrics_port is None:
        raise SettingsError("MEETSTEMS_METRICS_PORT: is not set, expected the port of /metrics")
    json_lines = worker_settings.log_json if worker_settings.log_json is not None else not sys.stderr.isatty()
    configure_logging(None, None, sys.stderr, json_lines)
    urls = {JOBS: worker_settings.jobs_queue_url}
    if worker_settings.events_queue_url is not None:
        urls[EVENTS] = worker_settings.events_queue_url
    registry = CollectorRegistry()
    read = partial(read_queue, sqs_client(aws_of(worker_settings)))
    watch = QueueWatch(QueueMetrics(registry), read, urls)
    asyncio.run(_serve(registry, watch, worker_settings.metrics_port))
    return 0


async def _serve(registry: CollectorRegistry, watch: QueueWatch, port: int) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    health = Health(CaptureHealth())
    with HealthServer(registry, health, port):
        beating = asyncio.create_task(health.keep_beating())
        watch.start()
        await stopped.wait()
        beating.cancel()
