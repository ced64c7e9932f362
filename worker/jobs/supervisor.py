"""Watches, while a job runs: the worker's stop, its lease, its memory, its uploads."""

from __future__ import annotations

import asyncio
import logging
import time
from types import TracebackType
from typing import Final

from worker.delivery.event_sinks import EventSink
from worker.delivery.tape_upload import TapeUpload
from worker.lifecycle.ending import Ending
from worker.monitoring.memory import memory_in_use
from worker.monitoring.metrics import Metrics
from worker.reasons import Reason

logger = logging.getLogger(__name__)

UPLOADS_PERIOD: Final = 1.0
"""Seconds between two updates of the metrics about uploads."""

MEMORY_PERIOD: Final = 5.0
"""Seconds between two readings of the memory in use."""


class Supervisor:
    """Completes ``stopped`` when the bot has to stop: the worker stops, the lease is lost, or memory runs short.

    ``memory_limit`` is in bytes, for the worker and all processes that it started (worker.monitoring.memory); None: no limit.
    """

    def __init__(
        self,
        worker_stopped: asyncio.Future[Ending],
        stopped: asyncio.Future[Ending],
        metrics: Metrics,
        memory_limit: int | None,
        events: EventSink,
    ) -> None:
        self._stopped = stopped
        self._metrics = metrics
        self._memory_limit = memory_limit
        self._events = events
        self.lost = False
        """Whether another worker has taken over the bot."""
        self._upload: TapeUpload | None = None
        self._counted = 0
        self._loop = asyncio.get_running_loop()
        self._tasks: list[asyncio.Task[None]] = []
        self._worker_stopped = worker_stopped
        worker_stopped.add_done_callback(self._pass_on)

    def watch(self, upload: TapeUpload) -> None:
        """Watches ``upload`` from now on, instead of an earlier one."""
        self._count_uploaded()
        self._upload, self._counted = upload, 0

    def lease_lost(self, error: Exception) -> None:
        """Stops the bot, since another worker has the lease. To be called from any thread."""
        self.lost = True
        self._metrics.delivery.lease_operation("renew", "refused")
        self._loop.call_soon_threadsafe(self._stop, Reason.LEASE_LOST, str(error))

    def lease_renewed(self, succeeded: bool) -> None:
        """Counts an attempt to renew the lease. To be called from any thread."""
        self._metrics.delivery.lease_operation("renew", "ok" if succeeded else "error")

    async def __aenter__(self) -> Supervisor:
        self._tasks = [asyncio.create_task(self._watch_uploads()), asyncio.create_task(self._watch_memory())]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._worker_stopped.remove_done_callback(self._pass_on)
        self._update_metrics()

    async def _watch_uploads(self) -> None:
        while True:
            self._update_metrics()
            await asyncio.sleep(UPLOADS_PERIOD)

    async def _watch_memory(self) -> None:
        while self._memory_limit is not None:
            used = await asyncio.to_thread(memory_in_use)
            if used > self._memory_limit:
                megabytes = f"{used / 1e6:.0f} MB of {self._memory_limit / 1e6:.0f} MB"
                logger.error("memory runs short: %s; the recording ends", megabytes)
                self._stop(Reason.OOM_SOFT_LIMIT, megabytes)
                return
            await asyncio.sleep(MEMORY_PERIOD)

    def _update_metrics(self) -> None:
        self._count_uploaded()
        self._metrics.delivery.set_events_backlog(self._events.waiting)
        if self._upload is not None:
            self._metrics.delivery.set_upload(
                backlog_parts=len(self._upload.pending()), lag_seconds=self._upload.lag(time.time())
            )

    def _count_uploaded(self) -> None:
        if self._upload is not None:
            total = self._upload.uploaded_bytes
            self._metrics.delivery.uploaded(total - self._counted)
            self._counted = total

    def _pass_on(self, worker_stopped: asyncio.Future[Ending]) -> None:
        if not worker_stopped.cancelled() and not self._stopped.done():
            self._stopped.set_result(worker_stopped.result())

    def _stop(self, reason: Reason, detail: str) -> None:
        if not self._stopped.done():
            self._stopped.set_result(Ending(reason, detail, time.time()))
