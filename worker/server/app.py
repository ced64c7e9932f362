"""The application: routes of both vendors, health, downloads, and the document of the API."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext
from itertools import count
from typing import Any, Final

import msgspec
from litestar import Litestar, MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig

from worker.contracts.json_body import MAX_BODY_BYTES, JobError
from worker.delivery.errors import DeliveryError
from worker.delivery.object_store import NotFoundError
from worker.errors import MeetstemsError
from worker.monitoring.health import Health
from worker.safe_text import printable
from worker.server.deliveries import deliveries_router
from worker.server.dispatcher import Dispatcher
from worker.server.downloads import download_router
from worker.server.errors import NOT_FOUND, ApiError, Vendor, error_body, vendor_of
from worker.server.meetstream import meetstream_router
from worker.server.meetstream_commands import meetstream_command_router
from worker.server.meetstream_meeting import meetstream_meeting_router
from worker.server.openapi import components, responses
from worker.server.page.routes import page_router
from worker.server.recall import recall_router
from worker.server.recall_commands import recall_command_router
from worker.server.request_log import AsgiApp, Forwarded, Network, RequestLog, refuse_bad_host
from worker.server.services import SERVICES, Services
from worker.server.webhooks import Webhooks

logger = logging.getLogger(__name__)

LOOK: Final = 10.0
"""Seconds between two looks for jobs that are due."""

EXPIRY_LOOK: Final = 60.0
"""Seconds between two looks for data whose retention is over, and for deletions that were interrupted."""

COUNTED: Final = 6
"""Looks from one count of the bots that wait to the next: a count lists all of them."""

REQUEST_THREADS: Final = 64
"""Requests whose routes block that are worked on at once; the others wait. worker.delivery.aws_clients counts them."""

_OTHER_VERSION: Final = "Another version of this server made this bot, and this one cannot read it."

RETRY_AFTER: Final = 5
"""Seconds after which a client may try again when store or queue does not answer."""


def build_app(
    services: Services,
    dispatcher: Dispatcher,
    trusted: Sequence[Network] = (),
    health: Health | None = None,
    webhooks: Webhooks | None = None,
) -> AsgiApp:
    """The ASGI application. While it runs, so do ``dispatcher`` and ``webhooks``, due jobs are dispatched, and expired data is
    deleted.

    ``trusted`` are the networks of proxies whose X-Forwarded headers are believed. ``health`` learns that the event loop runs.
    """

    @asynccontextmanager
    async def running(_: Litestar) -> AsyncIterator[None]:
        # Litestar and asyncio.to_thread use the loop's own, which has only a few more threads than processors.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(REQUEST_THREADS, "requests"))
        await asyncio.to_thread(dispatcher.start)
        tasks = [
            asyncio.create_task(
                _again_and_again(
                    "due jobs were not dispatched", _due_look(services), LOOK, services.metrics.looked
                )
            ),
            asyncio.create_task(
                _again_and_again("expired data was not deleted", services.deletions.look, EXPIRY_LOOK)
            ),
        ]
        if health is not None:
            tasks.append(asyncio.create_task(health.keep_beating()))
        try:
            async with webhooks.running() if webhooks is not None else nullcontext():
                yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.to_thread(dispatcher.close)

    def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
        shown = _shown(error)
        # Not request.url, which cannot be made of an invalid Host.
        vendor = vendor_of(request.scope["path"].removeprefix(services.prefix))
        return Response(
            error_body(vendor, shown),
            status_code=shown.status,
            headers=shown.headers,
            media_type=MediaType.JSON,
        )

    app = Litestar(
        path=services.prefix or "/",
        route_handlers=[
            healthz,
            meetstream_router(),
            meetstream_meeting_router(),
            recall_router(),
            meetstream_command_router(),
            recall_command_router(),
            deliveries_router(),
            download_router(),
            page_router(services, _shown),
        ],
        state=State({SERVICES: services}),
        dependencies={SERVICES: Provide(lambda: services, sync_to_thread=False)},
        exception_handlers={
            ApiError: answer_error,
            HTTPException: answer_error,
            MeetstemsError: answer_error,
            Exception: answer_error,
        },
        lifespan=[running],
        before_request=refuse_bad_host,
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=OpenAPIConfig(
            title="meetstems",
            version="1",
            description="Meeting bots by the contracts of MeetStream and Recall.ai.",
            path="/docs",
            components=components(),
        ),
        logging_config=None,
    )
    inner: AsgiApp = app  # type: ignore[assignment]
    return Forwarded(RequestLog(inner, services.metrics, services.prefix), trusted)


@get("/healthz", media_type=MediaType.TEXT, responses=responses(Vendor.OURS, 400), sync_to_thread=False)
def healthz() -> str:
    """Says that the server answers."""
    return "ok\n"


def _shown(error: Exception) -> ApiError:
    """What a client is told. It learns nothing of the inside of an error of ours."""
    match error:
        case ApiError():
            return error
        case NotFoundError() | HTTPException(status_code=404):
            return ApiError(404, NOT_FOUND)
        case DeliveryError():
            logger.error("a request was not answered: %s", error)
            message = "The service is not available at the moment."
            return ApiError(503, message, headers={"Retry-After": str(RETRY_AFTER)})
        case JobError() | msgspec.DecodeError():
            # Bodies of requests are judged where they are read: this is what the store has.
            logger.error("a bot cannot be read: %s", printable(str(error)))
            return ApiError(409, _OTHER_VERSION)
        case HTTPException():
            return ApiError(error.status_code, error.detail)
        case _:
            logger.error("a request failed: %s", error, exc_info=error)
            return ApiError(500, "Internal server error.")


def _due_look(services: Services) -> Callable[[], None]:
    """Dispatches the jobs that are due; each COUNTED-th look counts those that wait as well."""
    looks = count()

    def look() -> None:
        services.bots.dispatch_due()
        if next(looks) % COUNTED == 0:
            services.metrics.waiting(services.bots.waiting())

    return look


async def _again_and_again(
    failure: str,
    look: Callable[[], object],
    pause: float,
    looked: Callable[[bool], None] = lambda _: None,
) -> None:
    """``looked`` learns whether each look succeeded."""
    while True:
        succeeded = False
        try:
            await asyncio.to_thread(look)
            succeeded = True
        except MeetstemsError as error:
            logger.error("%s, the next try is soon: %s", failure, error)
        except Exception:
            # Without this task nothing of its kind would ever be done.
            logger.exception("%s, the next try is soon", failure)
        looked(succeeded)
        await asyncio.sleep(pause)
