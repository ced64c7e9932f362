"""MeetStream's routes (``/api/v1/bots`` and a transcript's)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from litestar import Response, Router, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, RawBody

from worker.contracts.bot_facts import BotFacts
from worker.contracts.meetstream import MeetStreamBot, read_meetstream
from worker.contracts.meetstream_documents import (
    created_document,
    detail_document,
    listed_document,
    status_document,
)
from worker.contracts.recall_documents import WAV
from worker.contracts.streams_document import URL_SECONDS, recording_streams_document, streams_document
from worker.server.access import LIMIT, Access
from worker.server.bots import BotBusyError, Bots
from worker.server.creation import Kind, Request, create_once, read_body, read_job
from worker.server.cursors import read_cursor, write_cursor
from worker.server.errors import ApiError, Vendor
from worker.server.meetstream_answers import BOT_NOT_FOUND as _BOT_NOT_FOUND
from worker.server.meetstream_answers import facts_of as _facts
from worker.server.meetstream_answers import not_ready as _not_ready
from worker.server.openapi import NEEDS_KEY, body_of, responses
from worker.server.records import BotRecord
from worker.server.services import AnyRequest, Given

KEPT: Final = 86_400.0
"""Seconds for which an Idempotency-Key counts. MeetStream does not say for how long it does."""

AUDIO_SECONDS: Final = 3600
"""Seconds for which the URL of the mix is valid: one hour, as MeetStream's."""

PAGE: Final = 50
"""Bots on a page of the list."""
LARGEST_PAGE: Final = 200

_MISSING: Final = ("get_video", "summary")
_COMMANDS: Final = ("send_image", "transcribe")

Document = dict[str, Any]


def meetstream_router() -> Router:
    """The routes, behind the guard."""
    return Router(
        "/api/v1",
        route_handlers=[
            create_bot,
            list_bots,
            get_status,
            get_detail,
            delete_bot,
            get_audio,
            get_audio_streams,
            get_recording_streams,
            get_transcriptions,
            get_transcript,
            *map(_missing, _MISSING),
            *map(_command, _COMMANDS),
        ],
        guards=[Access(Vendor.MEETSTREAM)],
        security=NEEDS_KEY,
        tags=["MeetStream"],
    )


@post(
    "/bots/create_bot",
    opt={LIMIT: "create"},
    operation_class=body_of(MeetStreamBot),
    responses=responses(Vendor.MEETSTREAM, 200, 400, 409, 413, 507),
    sync_to_thread=True,
)
def create_bot(services: Given, request: AnyRequest, body: RawBody) -> Response[Document]:
    """Sends a bot. 507: a request with this Idempotency-Key did so before; 200: so did one with this deduplication_key."""
    values = read_body(body, services.demo)
    if not values.get("meeting_link"):
        raise ApiError(400, "meeting_link is required.")
    values.pop("meeting_url", None)
    job = read_job(values, read_meetstream)
    services.url_checks.check(request.auth.name, job, values)
    creation = create_once(
        services.bots,
        Request(
            workspace=request.auth.name,
            path="/bots/create_bot",
            key=request.headers.get("idempotency-key"),
            kept=KEPT,
            body=body,
            job=job,
            deduplication=values.get("deduplication_key"),
        ),
        services.clock(),
    )
    match creation:
        case (Kind.MADE, BotFacts() as facts):
            services.metrics.bot_created("meetstream")
            return Response(created_document(facts), status_code=HTTPStatus.CREATED)
        case (Kind.REPLAYED, BotFacts() as facts):
            message = "A bot was created with this Idempotency-Key before."
            document = {**created_document(facts), "message": message}
            return Response(document, status_code=HTTPStatus.INSUFFICIENT_STORAGE)
        case (Kind.DUPLICATE, BotFacts() as facts):
            return Response(created_document(facts), status_code=HTTPStatus.OK)
        case (Kind.DIFFERS, _):
            raise ApiError(409, "This Idempotency-Key was used with another body.")
        case (Kind.OTHER_MEETING, _):
            raise ApiError(409, "This deduplication_key was used for another meeting link.")
        case _:
            raise ApiError(409, "A request with this key is being worked on.")


@get("/bots", opt={LIMIT: "list"}, responses=responses(Vendor.MEETSTREAM, 400), sync_to_thread=True)
def list_bots(
    services: Given, request: AnyRequest, cursor: FromQuery[str | None] = None, limit: FromQuery[int] = PAGE
) -> Document:
    """Lists bots, the newest first. ``cursor`` is ``nextCursor`` of the page before."""
    if not 1 <= limit <= LARGEST_PAGE:
        raise ApiError(400, f"limit: {limit}; expected 1 to {LARGEST_PAGE}")
    page = services.bots.page(request.auth.name, read_cursor(cursor), limit)
    return {
        "bots": [listed_document(facts) for facts in page.bots],
        "hasNextPage": page.next_entry is not None,
        "nextCursor": None if page.next_entry is None else write_cursor(page.next_entry),
    }


@get("/bots/{bot_id:str}/status", responses=responses(Vendor.MEETSTREAM, 404), sync_to_thread=True)
def get_status(services: Given, request: AnyRequest, bot_id: FromPath[str]) -> Document:
    """Returns the bot's status."""
    return status_document(_facts(services, request, bot_id, with_manifest=False))


@get("/bots/{bot_id:str}/detail", responses=responses(Vendor.MEETSTREAM, 404), sync_to_thread=True)
def get_detail(services: Given, request: AnyRequest, bot_id: FromPath[str]) -> Document:
    """Returns all that is known of the bot."""
    return detail_document(_facts(services, request, bot_id))


@delete(
    "/bots/{bot_id:str}/delete",
    status_code=200,
    responses=responses(Vendor.MEETSTREAM, 404, 409),
    sync_to_thread=True,
)
def delete_bot(services: Given, request: AnyRequest, bot_id: FromPath[str]) -> Document:
    """Removes all that was recorded and kept of the bot, for good."""
    record = _record(services.bots, request, bot_id)
    try:
        removed = services.deletions.forget(record)
    except BotBusyError as error:
        raise ApiError(409, "The bot is still at work; it can be deleted once it is done.") from error
    return {"message": "All data of the bot was deleted.", "bot_id": bot_id, "deleted_objects": removed}


@get("/bots/{bot_id:str}/get_audio", responses=responses(Vendor.MEETSTREAM, 202, 404), sync_to_thread=True)
def get_audio(services: Given, request: AnyRequest, bot_id: FromPath[str]) -> Response[Document]:
    """Returns a URL of everybody together, a WAV."""
    facts = _facts(services, request, bot_id)
    if not facts.has_audio:
        return _not_ready(facts, "audio_status", "Audio")
    url = None
    if facts.manifest is not None:
        workspace = request.auth.name
        url = services.mix_url(request.scope, workspace, bot_id, facts.manifest, WAV, AUDIO_SECONDS)
    if url is None:
        raise ApiError(404, "There is no audio of this bot.")
    return Response({"audio_url": url})


@get(
    "/bots/{bot_id:str}/get_audio_streams",
    responses=responses(Vendor.MEETSTREAM, 202, 404),
    sync_to_thread=True,
)
def get_audio_streams(services: Given, request: AnyRequest, bot_id: FromPath[str]) -> Response[Document]:
    """Returns the speakers' files, with URLs for ten minutes."""
    facts = _facts(services, request, bot_id)
    if facts.status is None or not facts.has_audio:
        return _not_ready(facts, "audio_status", "Audio streams")

    def presign(path: str, filename: str) -> str:
        return services.file_url(request.scope, bot_id, path, filename, URL_SECONDS)

    return Response(streams_document(facts.status, facts.manifest, presign))


@get(
    "/bots/{bot_id:str}/get_recording_streams",
    responses=responses(Vendor.MEETSTREAM, 202, 404),
    sync_to_thread=True,
)
def get_recording_streams(services: Given, request: AnyRequest, bot_id: FromPath[str]) -> Response[Document]:
    """Returns the files of cameras and screen shares, with URLs for ten minutes."""
    facts = _facts(services, request, bot_id)
    if facts.status is None or not facts.has_video:
        return _not_ready(facts, "video_status", "Video streams")

    def presign(path: str, filename: str) -> str:
        return services.file_url(request.scope, bot_id, path, filename, URL_SECONDS)

    return Response(recording_streams_document(facts.status, facts.manifest, presign))


@get("/bots/{bot_id:str}/transcriptions", responses=responses(Vendor.MEETSTREAM, 404), sync_to_thread=True)
def get_transcriptions(services: Given, request: AnyRequest, bot_id: FromPath[str]) -> Document:
    """Lists transcripts: there are none yet."""
    _record(services.bots, request, bot_id)
    return {"bot_id": bot_id, "transcriptions": []}


@get(
    "/transcript/{transcript_id:str}/get_transcript",
    responses=responses(Vendor.MEETSTREAM, 404),
    sync_to_thread=False,
)
def get_transcript(transcript_id: FromPath[str]) -> Document:
    """Returns a transcript: there are none yet."""
    raise ApiError(404, "Transcript not found.")


def _missing(name: str) -> HTTPRouteHandler:
    what = name.removeprefix("get_")

    @get(
        f"/bots/{{bot_id:str}}/{name}",
        operation_id=f"{name}_of_bot",
        responses=responses(Vendor.MEETSTREAM, 404),
        sync_to_thread=True,
    )
    def get_missing(services: Given, request: AnyRequest, bot_id: FromPath[str]) -> Document:
        """Says that the bot has none of this: it is not served yet."""
        _record(services.bots, request, bot_id)
        raise ApiError(404, f"There is no {what} of this bot: it is not served yet.")

    return get_missing


def _command(name: str) -> HTTPRouteHandler:
    @post(
        f"/bots/{{bot_id:str}}/{name}",
        operation_id=f"{name}_to_bot",
        status_code=200,
        responses=responses(Vendor.MEETSTREAM, 404, 501),
        sync_to_thread=True,
    )
    def command_bot(services: Given, request: AnyRequest, bot_id: FromPath[str]) -> Document:
        """Says that a bot takes no such command yet."""
        _record(services.bots, request, bot_id)
        raise ApiError(501, f"{name} is not served yet.")

    return command_bot


def _record(bots: Bots, request: AnyRequest, bot_id: str) -> BotRecord:
    record = bots.find(request.auth.name, bot_id)
    if record is None:
        raise ApiError(404, _BOT_NOT_FOUND)
    return record
