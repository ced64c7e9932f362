"""Recall.ai's commands to a bot (``/api/v1/bot/{id}/leave_call`` and others)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from litestar import Router, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, RawBody

from worker.contracts.commands import CommandKind, RecallMessage, chat_text
from worker.server.access import Access
from worker.server.command_box import tell, tell_to_leave
from worker.server.creation import read_body, read_form
from worker.server.errors import NOT_FOUND, ApiError, Vendor
from worker.server.openapi import NEEDS_KEY, body_of, responses
from worker.server.recall import bot_answer
from worker.server.records import BotRecord
from worker.server.services import AnyRequest, Given, Services

_COMMANDS: Final[Mapping[str, CommandKind]] = MappingProxyType(
    {
        "pause_recording": CommandKind.PAUSE,
        "resume_recording": CommandKind.RESUME,
        "start_recording": CommandKind.START,
    }
)

_REQUIRED: Final = "This field is required."
_BLANK: Final = "This field may not be blank."

Document = dict[str, Any]


def recall_command_router() -> Router:
    """The routes, behind the guard."""
    return Router(
        "/api/v1",
        route_handlers=[leave_call, send_chat_message, *map(_command, _COMMANDS)],
        guards=[Access(Vendor.RECALL)],
        security=NEEDS_KEY,
        tags=["Recall.ai"],
    )


@post("/bot/{bot_id:str}/leave_call", status_code=200, responses=responses(Vendor.RECALL, 400, 404, 409))
async def leave_call(services: Given, request: AnyRequest, bot_id: FromPath[str]) -> Document:
    """Makes the bot leave, or never join."""
    record = await _record(services, request, bot_id)
    await tell_to_leave(services.bots, record, services.clock())
    return await asyncio.to_thread(bot_answer, services, request, bot_id)


@post(
    "/bot/{bot_id:str}/send_chat_message",
    status_code=200,
    operation_class=body_of(RecallMessage),
    responses=responses(Vendor.RECALL, 400, 404, 409, 413),
)
async def send_chat_message(
    services: Given, request: AnyRequest, bot_id: FromPath[str], body: RawBody
) -> Document:
    """Writes into the call's chat, to everyone."""
    record = await _record(services, request, bot_id)
    values = read_body(body)
    if "message" not in values:
        raise ApiError(400, _REQUIRED, fields={"message": [_REQUIRED]})
    if not (text := chat_text(read_form(values, RecallMessage).message)):
        raise ApiError(400, _BLANK, fields={"message": [_BLANK]})
    await tell(services.bots, record, CommandKind.SEND_MESSAGE, services.clock(), text)
    return await asyncio.to_thread(bot_answer, services, request, bot_id)


def _command(name: str) -> HTTPRouteHandler:
    @post(
        f"/bot/{{bot_id:str}}/{name}",
        name=f"recall_{name}",
        operation_id=f"bot_{name}",
        status_code=200,
        responses=responses(Vendor.RECALL, 400, 404, 409),
    )
    async def command_bot(services: Given, request: AnyRequest, bot_id: FromPath[str]) -> Document:
        """Pauses the recording, goes on with it, or begins it."""
        record = await _record(services, request, bot_id)
        await tell(services.bots, record, _COMMANDS[name], services.clock())
        return await asyncio.to_thread(bot_answer, services, request, bot_id)

    return command_bot


async def _record(services: Services, request: AnyRequest, bot_id: str) -> BotRecord:
    record = await asyncio.to_thread(services.bots.find, request.auth.name, bot_id)
    if record is None:
        raise ApiError(404, NOT_FOUND)
    return record
