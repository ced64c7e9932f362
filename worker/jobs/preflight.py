"""What a worker tries before it receives a job: a worker that cannot work never touches a message."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from worker.browser.launch import launch_browser
from worker.delivery.aws_clients import is_aws
from worker.delivery.conformance import check_access, check_store
from worker.delivery.errors import DeliveryError, RefusedError
from worker.delivery.message_queue import MessageQueue
from worker.delivery.object_store import S3Store
from worker.errors import InputError, MeetstemsError
from worker.jobs.context import WorkerContext

logger = logging.getLogger(__name__)

PATIENCE: Final = 30.0
"""Seconds of retries of one request."""

FIRST_WAIT: Final = 5.0
LONGEST_WAIT: Final = 60.0
"""Seconds between two preflights of a worker that runs forever; they double each time."""


class PreflightError(InputError):
    """This worker cannot work; the message lists everything that was found wrong."""


async def preflight(context: WorkerContext, queue: MessageQueue | None) -> None:
    """Tries the store, Chromium and the queues. ``queue``: None for a job that came without a queue.

    Raises PreflightError if something would refuse a job, and UnavailableError if only a service does not answer.
    """
    checks: list[Callable[[], Awaitable[None]]] = [
        lambda: _check_store(context),
        lambda: _check_browser(context),
    ]
    if queue is not None:
        checks.append(lambda: asyncio.to_thread(queue.within(PATIENCE).check))
    found = [error for check in checks if (error := await _error_of(check)) is not None]
    refusals = [
        error for error in found if not isinstance(error, DeliveryError) or isinstance(error, RefusedError)
    ]
    if refusals:
        raise PreflightError("this worker cannot run jobs: " + "; ".join(map(str, found)))
    if found:
        raise found[0]


async def until_able(context: WorkerContext, queue: MessageQueue, patience: float) -> bool:
    """Repeats the preflight until it succeeds; returns False if the worker has to stop before.

    Raises what ``preflight`` raises once ``patience`` seconds have passed. A worker that ended at once would be replaced at
    once: KEDA starts a Job for each message that nobody has received, every few seconds.
    """
    deadline = context.steady() + patience
    wait = FIRST_WAIT
    while not context.stopped.done():
        try:
            await preflight(context, queue)
        except MeetstemsError as error:
            wait = min(wait, deadline - context.steady())
            if wait <= 0:
                raise
            logger.error("%s; next try in %.0f s", error, wait)
            await asyncio.wait([context.stopped], timeout=wait)
            wait = min(2 * wait, LONGEST_WAIT)
        else:
            return True
    return False


async def _error_of(check: Callable[[], Awaitable[None]]) -> MeetstemsError | None:
    try:
        await check()
    except MeetstemsError as error:
        return error
    except OSError as error:
        return MeetstemsError(str(error))
    return None


async def _check_store(context: WorkerContext) -> None:
    store = context.store.within(PATIENCE)
    prefix = context.worker_settings.prefix
    if isinstance(store, S3Store) and not is_aws(store.endpoint):
        await asyncio.to_thread(check_store, store, prefix)
    else:
        await asyncio.to_thread(check_access, store, prefix)


async def _check_browser(context: WorkerContext) -> None:
    async with launch_browser(context.browser_settings):
        pass
