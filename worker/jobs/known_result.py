"""A job that is received again although it has a result: the result is sent where that is missing."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

import msgspec

from worker.contracts.status import result_event
from worker.delivery.bucket_layout import BotKeys
from worker.delivery.object_store import ObjectStore, PreconditionFailedError
from worker.jobs.context import WorkerContext
from worker.jobs.disposition import Disposition, disposition_of
from worker.jobs.reporter import JSON, read_status
from worker.jobs.result_file import read_result

logger = logging.getLogger(__name__)


async def disposition_if_reported(keys: BotKeys, store: ObjectStore) -> Disposition | None:
    """The disposition of a job whose result was sent; None otherwise."""
    result = await asyncio.to_thread(read_result, store, keys)
    if result is None:
        return None
    _, status = await asyncio.to_thread(read_status, store, keys)
    if status is None or not status.reported:
        return None
    logger.info("the job is already done: %s", result.outcome)
    return disposition_of(result)


async def report_again(keys: BotKeys, context: WorkerContext, store: ObjectStore) -> Disposition | None:
    """If the job has a result already, sends it unless it was sent; None without a result. Only for the lease's owner."""
    result = await asyncio.to_thread(read_result, store, keys)
    if result is None:
        return None
    etag, status = await asyncio.to_thread(read_status, store, keys)
    if status is not None and status.reported:
        return disposition_of(result)
    context.events.send(result_event(result))
    if not await asyncio.to_thread(context.events.drain, context.worker_settings.retry_seconds):
        return Disposition.UNREPORTED
    if status is not None:
        body = msgspec.json.encode(msgspec.structs.replace(status, reported=True))
        try:
            await asyncio.to_thread(partial(store.put, keys.status, body, content_type=JSON, if_match=etag))
        except PreconditionFailedError as error:
            logger.info("bot.json has another writer: %s", error)
    return disposition_of(result)
