"""Takes the lease on a bot before its job is run, and frees it afterwards."""

from __future__ import annotations

import asyncio
import logging

from worker.delivery.bucket_layout import BotKeys
from worker.delivery.errors import DeliveryError
from worker.delivery.lease import Lease, LeaseHeldError, LeaseLostError
from worker.delivery.object_store import ObjectStore
from worker.jobs.context import WorkerContext

logger = logging.getLogger(__name__)


async def acquire_lease(keys: BotKeys, context: WorkerContext, store: ObjectStore) -> Lease:
    """Acquires the lease. Waits once for it to expire, since a killed worker cannot release it. Raises LeaseHeldError."""
    ttl = context.worker_settings.lease_seconds

    def acquire() -> Lease:
        return Lease.acquire(store, keys.lease, context.owner, context.clock(), ttl, context.steady)

    try:
        return await asyncio.to_thread(acquire)
    except LeaseHeldError as error:
        if error.record is None:
            raise
        # A longer wait means that the owner goes on renewing it, or has a longer ttl.
        await asyncio.wait([context.stopped], timeout=min(error.seconds_left, ttl + 1.0) + 0.5)
        return await asyncio.to_thread(acquire)


async def release_lease(lease: Lease, context: WorkerContext) -> None:
    """Frees the lease; where that fails it expires by itself. Raises nothing of the store's."""
    try:
        await asyncio.to_thread(lease.release, context.clock())
        context.metrics.delivery.lease_operation("release", "ok")
    except LeaseLostError as error:
        context.metrics.delivery.lease_operation("release", "refused")
        logger.warning("the lease was lost: %s", error)
    except DeliveryError as error:
        context.metrics.delivery.lease_operation("release", "error")
        logger.warning("the lease could not be released: %s", error)
