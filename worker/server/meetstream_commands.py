"""MeetStream's commands to a bot (``/api/v1/bots/{id}/remove_bot`` and others), and the pictures that it took."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, Final

from litestar import Router, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, RawBody

from worker.contracts.commands import CommandKind, MeetStreamMessage, chat_text
from worker.iso_time import iso_utc
from worker.server.access import Access
from worker.server.command_box import tell, tell_to_leave
from worker.server.creation import read_body, read_form
from worker.server.errors import ApiError, Vendor
from worker.server.openapi import NEEDS_KEY, body_of, responses
from worker.server.records import BotRecord
from worker.server.services import AnyRequest, Given, Services

SCREENSHOT_SECONDS: Final = 3600
"""Seconds for which the URL of a picture is valid."""

MOST_SCREENSHOTS: Final = 200
"""Pictures that are listed of a bot, the first ones; a bot with as many takes no more."""


class _Answers:
    """What a client is told once the bot has done it, and while it has not yet."""

    def __init__(self, kind: CommandKind, done: str, waits: str) -> None:
        self.kind, self.done, self.waits = kind, done, waits


_COMMANDS: Final[Mapping[str, _Answers]] = MappingProxyType(
    {
        "pause_recording": _Answers(
            CommandKind.PAUSE, "The recording is paused.", "The recording will be paused."
        ),
        "resume_recording": _Answers(
            CommandKind.RESUME, "The recording goes on.", "The recording will go on."
        ),
        "take_screenshot": _Answers(
            CommandKind.SCREENSHOT, "The picture is taken.", "The picture will be taken."
        ),
    }
)

Document = dict[str, Any]


def meetstream_command_router() -> Router:
    """The routes, behind the guard."""
    return Router(
        "/api/v1",
        route_handlers=[remove_bot, send_message, get_screenshots, *map(_command, _COMMANDS)],
        guards=[Access(Vendor.MEETSTREAM)],
        security=NEEDS_KEY,
        tags=["MeetStream"],
    )


@get("/bots/{bot_id:str}/remove_bot", responses=responses(Vendor.MEETSTREAM, 404, 409))
async def remove_bot(services: Given, request: AnyRequest, bot_id: FromPath[str]) -> Document:
    """Makes the bot leave, or never join."""
    record = await _record(services, request, bot_id)
    try:
        never_joined = await tell_to_leave(services.bots, record, services.clock())
    except ApiError as error:
        if error.status != 400:
            raise
        raise ApiError(404, "The bot has left the meeting already.") from error
    return {
        "message": "Bot was removed before it joined."
        if never_joined
        else "Bot is being removed from the meeting."
    }


@post(
    "/bots/{bot_id:str}/send_message",
    status_code=200,
    operation_class=body_of(MeetStreamMessage),
    responses=responses(Vendor.MEETSTREAM, 400, 404, 409, 413),
)
async def send_message(
    services: Given, request: AnyRequest, bot_id: FromPath[str], body: RawBody
) -> Document:
    """Writes into the meeting's chat."""
    record = await _record(services, request, bot_id)
    values = read_body(body)
    if not values.get("message") or not (text := chat_text(read_form(values, MeetStreamMessage).message)):
        raise ApiError(400, "message is required.")
    done = await tell(services.bots, record, CommandKind.SEND_MESSAGE, services.clock(), text)
    return {"message": "The message is sent." if done else "The message will be sent."}


@get(
    "/bots/{bot_id:str}/get_screenshots",
    responses=responses(Vendor.MEETSTREAM, 404),
    sync_to_thread=True,
)
def get_screenshots(services: Given, request: AnyRequest, bot_id: FromPath[str]) -> Document:
    """Lists the pictures that were asked for by take_screenshot, with URLs for an hour, the oldest first.

    People's names, faces and words are masked in them.
    """
    record = services.bots.find(request.auth.name, bot_id)
    if record is None:
        raise _not_found()
    folder = services.bots.keys_of(bot_id)
    pictures = []
    for listed in services.bots.store.page(folder.screenshots, "", MOST_SCREENSHOTS):
        path = listed.key.removeprefix(folder.folder)
        name = PurePosixPath(path).name
        url = services.file_url(request.scope, bot_id, path, name, SCREENSHOT_SECONDS)
        taken = int(name.partition("-")[0]) / 1000
        pictures.append({"url": url, "filename": name, "timestamp": iso_utc(taken), "size": listed.size})
    return {"bot_id": bot_id, "screenshots": pictures}


def _command(name: str) -> HTTPRouteHandler:
    answers = _COMMANDS[name]

    @post(
        f"/bots/{{bot_id:str}}/{name}",
        name=f"meetstream_{name}",
        operation_id=f"{name}_of_bot",
        status_code=200,
        responses=responses(Vendor.MEETSTREAM, 400, 404, 409),
    )
    async def command_bot(services: Given, request: AnyRequest, bot_id: FromPath[str]) -> Document:
        """Pauses the recording, goes on with it, or takes a picture of the page (a command of our own)."""
        record = await _record(services, request, bot_id)
        if answers.kind is CommandKind.SCREENSHOT:
            await asyncio.to_thread(_check_pictures, services, bot_id)
        done = await tell(services.bots, record, answers.kind, services.clock())
        return {"message": answers.done if done else answers.waits}

    return command_bot


def _check_pictures(services: Services, bot_id: str) -> None:
    prefix = services.bots.keys_of(bot_id).screenshots
    if len(services.bots.store.page(prefix, "", MOST_SCREENSHOTS)) >= MOST_SCREENSHOTS:
        raise ApiError(400, f"The bot has taken {MOST_SCREENSHOTS} pictures, the most that are kept.")


async def _record(services: Services, request: AnyRequest, bot_id: str) -> BotRecord:
    record = await asyncio.to_thread(services.bots.find, request.auth.name, bot_id)
    if record is None:
        raise _not_found()
    return record


def _not_found() -> ApiError:
    return ApiError(404, "Bot not found.")
