"""Watches, while a job runs: the worker's stop, its lease, its memory, its uploads."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import Final

from worker.delivery.event_sinks import EventSink
from worker.delivery.lease import Lease
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
    """Stops the bot: for good when the worker stops or the lease is lost, and the present attempt when memory runs short.

    ``memory_limit`` is in bytes, for the worker and all processes that it started (worker.monitoring.memory); None: no limit.
    ``grace_seconds`` after the worker's stop, ``out_of_time`` is set: all waits for a service end then. It is set at the
    end of the block as well.
    """

    def __init__(
        self,
        worker_stopped: asyncio.Future[Ending],
        lease: Lease,
        metrics: Metrics,
        memory_limit: int | None,
        grace_seconds: float,
        events: EventSink,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.stopped: asyncio.Future[Ending] = self._loop.create_future()
        """Done when the bot has to stop for good."""
        self.left: asyncio.Future[Ending] = self._loop.create_future()
        """Done when the bot was told to leave; the worker then finishes its job."""
        self.lost = False
        """Whether another worker has taken over the bot."""
        self.out_of_time = threading.Event()
        self._lease = lease
        self._metrics = metrics
        self._memory_limit = memory_limit
        self._grace_seconds = grace_seconds
        self._events = events
        self._attempt_stopped: asyncio.Future[Ending] | None = None
        self._upload: TapeUpload | None = None
        self._counted = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._worker_stopped = worker_stopped
        self._deadline: asyncio.TimerHandle | None = None
        worker_stopped.add_done_callback(self._pass_on)

    def begin_attempt(self, upload: TapeUpload) -> asyncio.Future[Ending]:
        """Watches a new attempt's ``upload`` from now on; returns a future that is done when the attempt has to stop."""
        self._count_uploaded()
        self._upload, self._counted = upload, 0
        self._attempt_stopped = self._loop.create_future()
        for stop in (self.stopped, self.left):
            if stop.done() and not self._attempt_stopped.done():
                self._attempt_stopped.set_result(stop.result())
        return self._attempt_stopped

    def leave(self, ending: Ending) -> None:
        """Makes the bot leave, and not come back."""
        if not self.left.done():
            self.left.set_result(ending)
        self._stop_attempt(ending)

    def lease_lost(self, error: Exception) -> None:
        """Stops the bot, since another worker has the lease. To be called from any thread."""
        self.lost = True
        self._metrics.delivery.lease_operation("renew", "refused")
        ending = Ending(Reason.LEASE_LOST, str(error), time.time())
        self._loop.call_soon_threadsafe(self._stop, ending)

    def lease_renewed(self, succeeded: bool) -> None:
        """Counts an attempt to renew the lease. To be called from any thread."""
        self._metrics.delivery.lease_operation("renew", "ok" if succeeded else "error")

    async def __aenter__(self) -> Supervisor:
        self._tasks = [asyncio.create_task(self._watch_uploads()), asyncio.create_task(self._watch_memory())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._worker_stopped.remove_done_callback(self._pass_on)
        if self._deadline is not None:
            self._deadline.cancel()
        self.out_of_time.set()
        self._update_metrics()
        self._metrics.delivery.set_lease_unproven(False)
        self._metrics.delivery.set_upload_stuck(False)

    async def _watch_uploads(self) -> None:
        while True:
            self._update_metrics()
            await asyncio.sleep(UPLOADS_PERIOD)

    async def _watch_memory(self) -> None:
        while self._memory_limit is not None:
            used = await asyncio.to_thread(memory_in_use)
            if used > self._memory_limit:
                megabytes = f"{used / 1e6:.0f} MB of {self._memory_limit / 1e6:.0f} MB"
                self._stop_attempt(Ending(Reason.OOM_SOFT_LIMIT, megabytes, time.time()))
            await asyncio.sleep(MEMORY_PERIOD)

    def _update_metrics(self) -> None:
        self._count_uploaded()
        self._metrics.delivery.set_lease_unproven(not self._lease.is_proven)
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
        if not worker_stopped.cancelled():
            self._deadline = self._loop.call_later(self._grace_seconds, self.out_of_time.set)
            self._stop(worker_stopped.result())

    def _stop(self, ending: Ending) -> None:
        if not self.stopped.done():
            self.stopped.set_result(ending)
        self._stop_attempt(ending)

    def _stop_attempt(self, ending: Ending) -> None:
        if self._attempt_stopped is not None and not self._attempt_stopped.done():
            logger.warning("%s: %s; the bot leaves", ending.reason, ending.detail)
            self._attempt_stopped.set_result(ending)
