"""Runs the API until it is told to stop."""

from __future__ import annotations

import contextlib
import gc
import ipaddress
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Final, NamedTuple

import msgspec
import uvicorn
from prometheus_client import CollectorRegistry

from worker.delivery.message_queue import MessageQueue
from worker.delivery.retries import RetryPolicy
from worker.delivery.url_guard import UrlGuard, read_allowed
from worker.errors import InputError, cause
from worker.jobs.backend import aws_of, jobs_in, open_events, open_jobs, open_results, open_sent_events
from worker.monitoring.capture_health import CaptureHealth
from worker.monitoring.health import Health, HealthServer, has_ipv6
from worker.server.app import build_app
from worker.server.bot_processes import BotProcesses, open_log, worker_starter
from worker.server.bots import Bots
from worker.server.deletion import Deletions
from worker.server.dispatcher import Dispatcher, QueueDispatcher
from worker.server.endpoints import Endpoints
from worker.server.keys import Keys
from worker.server.links import Links, shared_secret
from worker.server.local_key import local_key
from worker.server.metrics import ServerMetrics
from worker.server.preflight import check_certificate, preflight
from worker.server.request_log import Network
from worker.server.services import Services
from worker.server.url_checks import UrlChecks
from worker.server.webhook_metrics import WebhookMetrics
from worker.server.webhooks import Webhooks
from worker.settings import ServerSettings, SettingsError, WorkerSettings

REQUEST_RETRY: Final = RetryPolicy(budget=10.0)
"""Of one request to S3 or SQS: a client waits for the answer."""

EVENT_CONSUMERS: Final = 4
"""Events that are taken from SQS at once; each takes a few requests to the store."""

SHUTDOWN: Final = 10
"""Seconds that requests under way have when the server stops."""

_PREFIX: Final = re.compile(r"(?:/[A-Za-z0-9._~-]{1,100}){0,10}")


class ServerOptions(NamedTuple):
    """``host`` None: all interfaces. ``port`` 0: any free one. ``trusted``: proxies whose X-Forwarded headers are believed.

    ``data_folder``: serve one machine from this folder, with at most ``most_bots`` at once; None: serve S3 and SQS.
    """

    port: int
    host: str | None = None
    prefix: str = ""
    certificate: Path | None = None
    private_key: Path | None = None
    trusted: tuple[str, ...] = ()
    data_folder: Path | None = None
    most_bots: int = 4


Ready = Callable[[str, str | None], None]
"""Called with the server's address and, for one machine, its key, once it listens."""


def run_server(
    options: ServerOptions, settings: WorkerSettings, server_settings: ServerSettings, ready: Ready
) -> int:
    """Serves until SIGINT or SIGTERM; returns the exit code. Raises InputError, DeliveryError, PortError."""
    prefix = _checked_prefix(options.prefix)
    trusted = tuple(_network(text) for text in options.trusted)
    check_certificate(options.certificate, options.private_key)
    key, keys_file = None, server_settings.keys_file
    if options.data_folder is not None:
        settings = msgspec.structs.replace(settings, data_folder=options.data_folder)
        if keys_file is None:
            try:
                key, keys_file = local_key(options.data_folder)
            except OSError as error:
                raise InputError(f"--data {options.data_folder}: cannot be used: {cause(error)}") from error
    if keys_file is None:
        raise SettingsError("MEETSTEMS_API_KEYS_FILE: is not set, expected a file of keys")
    keys = Keys(keys_file)
    aws = aws_of(settings)
    store = open_results(settings, aws, REQUEST_RETRY)
    queue = open_jobs(settings, aws, REQUEST_RETRY)
    sent_events = open_sent_events(settings, aws, REQUEST_RETRY)
    preflight(store, settings.prefix, queue, sent_events)
    dispatcher = _dispatcher(options, settings, os.environ, queue)
    registry = CollectorRegistry()
    guard = UrlGuard(read_allowed(server_settings.allowed_urls))
    events = open_events(settings, aws, REQUEST_RETRY)
    bots = Bots(store, settings.prefix, dispatcher, time.time, events)
    webhooks = Webhooks(
        bots,
        sent_events,
        Endpoints(server_settings.webhooks_file),
        guard,
        WebhookMetrics(registry),
        time.time,
        consumers=1 if options.data_folder is not None else EVENT_CONSUMERS,
    )
    services = Services(
        bots=bots,
        deletions=Deletions(bots, events, time.time),
        keys=keys,
        links=Links(shared_secret(store, settings.prefix), time.time),
        metrics=ServerMetrics(registry),
        prefix=prefix,
        demo=settings.local_demo,
        url_checks=UrlChecks(guard),
    )
    health = Health(CaptureHealth())
    app = build_app(services, dispatcher, trusted, health, webhooks)
    with contextlib.ExitStack() as stack:
        stack.callback(events.close)
        listening = stack.enter_context(_listen(options.host, options.port))
        if settings.metrics_port is not None:
            stack.enter_context(HealthServer(registry, health, settings.metrics_port))
        server = _Server(
            services.stopping,
            uvicorn.Config(
                app,
                lifespan="on",
                ws="none",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=SHUTDOWN,
                ssl_certfile=options.certificate,
                ssl_keyfile=options.private_key,
            ),
        )
        # What is loaded by now lives as long as the process. A full collection that looked through it would hold up all
        # requests for 50 ms.
        gc.collect()
        gc.freeze()
        ready(_address(options, listening.getsockname()[1], prefix), key)
        # uvicorn raises the signal again after an orderly end, which would then kill this process.
        signal.signal(signal.SIGTERM, lambda *_: None)
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listening])
    return 0 if server.started else 1


class _Server(uvicorn.Server):
    """Sets ``stopping`` when it is told to stop: it waits for answers under way before the application learns of the end."""

    def __init__(self, stopping: threading.Event, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stopping = stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """See uvicorn."""
        self._stopping.set()
        super().handle_exit(sig, frame)


def _dispatcher(
    options: ServerOptions, settings: WorkerSettings, environ: Mapping[str, str], jobs: MessageQueue
) -> Dispatcher:
    if options.data_folder is None:
        return QueueDispatcher(jobs)
    queue = jobs_in(options.data_folder, settings.visibility_seconds)
    log = open_log(options.data_folder)
    return BotProcesses(queue, options.most_bots, worker_starter(options.data_folder, environ, log))


def _listen(host: str | None, port: int) -> socket.socket:
    try:
        if host is None and has_ipv6() and socket.has_dualstack_ipv6():
            return socket.create_server(
                ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024
            )
        family = socket.AF_INET6 if host is not None and ":" in host else socket.AF_INET
        return socket.create_server((host or "0.0.0.0", port), family=family, backlog=1024)
    except (OSError, OverflowError) as error:
        raise InputError(f"--port {port}: cannot be listened on: {cause(error)}") from error


def _address(options: ServerOptions, port: int, prefix: str) -> str:
    scheme = "http" if options.certificate is None else "https"
    host = options.host or "localhost"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{prefix}"


def _checked_prefix(text: str) -> str:
    prefix = text.rstrip("/")
    if not _PREFIX.fullmatch(prefix):
        raise InputError(f"--prefix {text!r}: expected a path like /bots, of letters, digits and -._~")
    return prefix


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise InputError(
            f"--trust-proxy {text!r}: expected an address or a network like 10.0.0.0/8"
        ) from error
