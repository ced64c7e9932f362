"""The application: routes of both vendors, health, downloads, and the document of the API."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from litestar import Litestar, MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig

from worker.contracts.json_body import MAX_BODY_BYTES
from worker.delivery.errors import DeliveryError
from worker.delivery.object_store import NotFoundError
from worker.errors import MeetstemsError
from worker.monitoring.health import Health
from worker.server.bots import Bots
from worker.server.dispatcher import Dispatcher
from worker.server.downloads import download_router
from worker.server.errors import NOT_FOUND, ApiError, error_body, vendor_of
from worker.server.meetstream import meetstream_router
from worker.server.meetstream_commands import meetstream_command_router
from worker.server.openapi import components
from worker.server.recall import recall_router
from worker.server.recall_commands import recall_command_router
from worker.server.request_log import AsgiApp, Forwarded, Network, RequestLog
from worker.server.services import SERVICES, Services

logger = logging.getLogger(__name__)

LOOK: Final = 10.0
"""Seconds between two looks for jobs that are due."""

RETRY_AFTER: Final = 5
"""Seconds after which a client may try again when store or queue does not answer."""


def build_app(
    services: Services,
    dispatcher: Dispatcher,
    trusted: Sequence[Network] = (),
    health: Health | None = None,
) -> AsgiApp:
    """The ASGI application. While it runs, so does ``dispatcher``, and jobs that become due are dispatched.

    ``trusted`` are the networks of proxies whose X-Forwarded headers are believed. ``health`` learns that the event loop runs.
    """

    @asynccontextmanager
    async def running(_: Litestar) -> AsyncIterator[None]:
        await asyncio.to_thread(dispatcher.start)
        tasks = [asyncio.create_task(_dispatch_due(services.bots))]
        if health is not None:
            tasks.append(asyncio.create_task(health.keep_beating()))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.to_thread(dispatcher.close)

    def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
        shown = _shown(error)
        vendor = vendor_of(request.url.path.removeprefix(services.prefix))
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
            recall_router(),
            meetstream_command_router(),
            recall_command_router(),
            download_router(),
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
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=OpenAPIConfig(
            title="meetstems",
            version="1",
            description="Meeting bots by the contracts of MeetStream and Recall.ai.",
            path="/docs",
            components=components(),
            security=[{"key": []}],
        ),
        logging_config=None,
    )
    inner: AsgiApp = app  # type: ignore[assignment]
    return Forwarded(RequestLog(inner, services.metrics, services.prefix), trusted)


@get("/healthz", media_type=MediaType.TEXT, sync_to_thread=False)
def healthz() -> str:
    """Says that the server answers."""
    return "ok\n"


def _shown(error: Exception) -> ApiError:
    """What a client is told. It learns nothing of the inside of an error of ours."""
    match error:
        case ApiError():
            return error
        case NotFoundError():
            return ApiError(404, NOT_FOUND)
        case DeliveryError():
            logger.error("a request was not answered: %s", error)
            message = "The service is not available at the moment."
            return ApiError(503, message, headers={"Retry-After": str(RETRY_AFTER)})
        case HTTPException(status_code=404):
            return ApiError(404, NOT_FOUND)
        case HTTPException():
            return ApiError(error.status_code, error.detail)
        case _:
            logger.error("a request failed: %s", error, exc_info=error)
            return ApiError(500, "Internal server error.")


async def _dispatch_due(bots: Bots) -> None:
    while True:
        try:
            await asyncio.to_thread(bots.dispatch_due)
        except MeetstemsError as error:
            logger.error("due jobs were not dispatched, the next try is soon: %s", error)
        except Exception:
            # Without this task no job that is due would ever be dispatched.
            logger.exception("due jobs were not dispatched, the next try is soon")
        await asyncio.sleep(LOOK)
