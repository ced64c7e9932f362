"""The log of a bot's webhooks (``/api/v1/bot/{id}/deliveries``), and sending one again: routes of our own."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from litestar import Response, Router, get, post
from litestar.params import FromPath

from worker.delivery.webhook_deliveries import Attempt, Delivery
from worker.iso_time import iso_utc
from worker.server.access import Access
from worker.server.endpoints import is_of_workspace, shown_url
from worker.server.errors import NOT_FOUND, ApiError, Vendor
from worker.server.openapi import NEEDS_KEY, responses
from worker.server.services import AnyRequest, Given, Services

_OPERATORS: Final = (
    "This webhook went to an endpoint of the operator of this server, who alone can send it again."
)
_ID: Final = re.compile(r"msg_[0-9a-f]{32}")


class AttemptEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One request. ``status`` is of the answer, null without one; ``error`` says then why; ``answer`` begins its body."""

    at: str
    status: int | None
    error: str | None
    milliseconds: int
    answer: str


class DeliveryEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One event for one endpoint. ``id`` is its ``webhook-id``; ``url`` is shown without user, query and fragment.

    ``state`` is ``pending``, ``delivered`` or ``failed``; ``next_attempt_at`` is null where none will be made. Of an endpoint
    of the operator's, ``url`` is the host alone, ``body`` and ``next_attempt_at`` are null, and ``attempts`` is empty.
    """

    id: str
    event: str
    form: str
    url: str
    state: str
    created_at: str
    next_attempt_at: str | None
    body: dict[str, Any] | None
    attempts: list[AttemptEntry]


class DeliveryList(msgspec.Struct, frozen=True, kw_only=True):
    """All deliveries of a bot, in the order in which they were made."""

    results: list[DeliveryEntry]


def deliveries_router() -> Router:
    """The routes, behind the guard. They answer bots of both vendors, with errors in Recall.ai's form."""
    return Router(
        "/api/v1/bot/{bot_id:str}/deliveries",
        route_handlers=[list_deliveries, retrieve_delivery, send_again],
        guards=[Access(Vendor.RECALL)],
        security=NEEDS_KEY,
        tags=["Webhooks (own)"],
    )


@get("/", responses=responses(Vendor.RECALL, 404), sync_to_thread=True)
def list_deliveries(services: Given, request: AnyRequest, bot_id: FromPath[str]) -> DeliveryList:
    """Lists a bot's webhooks with all attempts."""
    _check_owner(services, request, bot_id)
    return DeliveryList(results=[_entry(each) for each in services.deliveries.of_bot(bot_id)])


@get("/{delivery_id:str}", responses=responses(Vendor.RECALL, 404), sync_to_thread=True)
def retrieve_delivery(
    services: Given, request: AnyRequest, bot_id: FromPath[str], delivery_id: FromPath[str]
) -> DeliveryEntry:
    """Returns one webhook with all attempts."""
    _check_owner(services, request, bot_id)
    return _entry(_delivery(services, bot_id, delivery_id))


@post(
    "/{delivery_id:str}/send_again",
    status_code=202,
    responses=responses(Vendor.RECALL, 403, 404),
    sync_to_thread=True,
)
def send_again(
    services: Given, request: AnyRequest, bot_id: FromPath[str], delivery_id: FromPath[str]
) -> Response[DeliveryEntry]:
    """Sends a webhook again within seconds, with the same id, whatever became of it before.

    The operator's endpoints get none again.
    """
    _check_owner(services, request, bot_id)
    there = _delivery(services, bot_id, delivery_id)
    if not is_of_workspace(there):
        raise ApiError(403, _OPERATORS, code="not_allowed")
    delivery = services.deliveries.send_again(bot_id, delivery_id)
    if delivery is None:
        raise ApiError(404, NOT_FOUND)
    return Response(_entry(delivery), status_code=202)


def _delivery(services: Services, bot_id: str, delivery_id: str) -> Delivery:
    delivery = services.deliveries.get(bot_id, delivery_id) if _ID.fullmatch(delivery_id) else None
    if delivery is None:
        raise ApiError(404, NOT_FOUND)
    return delivery


def _check_owner(services: Services, request: AnyRequest, bot_id: str) -> None:
    if services.bots.find(request.auth.name, bot_id) is None:
        raise ApiError(404, NOT_FOUND)


def _entry(delivery: Delivery) -> DeliveryEntry:
    is_own = is_of_workspace(delivery)
    return DeliveryEntry(
        id=delivery.id,
        event=delivery.event,
        form=delivery.form,
        url=shown_url(delivery),
        state=delivery.state,
        created_at=iso_utc(delivery.created_at),
        next_attempt_at=iso_utc(delivery.next_at) if is_own and delivery.next_at is not None else None,
        body=msgspec.json.decode(delivery.body) if is_own else None,
        attempts=[_attempt(each) for each in delivery.attempts] if is_own else [],
    )


def _attempt(attempt: Attempt) -> AttemptEntry:
    return AttemptEntry(
        at=iso_utc(attempt.at),
        status=attempt.status,
        error=attempt.error,
        milliseconds=attempt.milliseconds,
        answer=attempt.answer,
    )
