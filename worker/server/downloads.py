"""What is behind signed links: documents made anew at each request, and files of a store that cannot sign."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from litestar import Router, get
from litestar.params import FromPath
from litestar.response import File

from worker.contracts.bot_facts import BotFacts
from worker.contracts.recall_documents import (
    EVENTS,
    PARTICIPANTS,
    PARTS,
    SPEAKER_TIMELINE,
    FileUrl,
    events_document,
    participants_document,
    parts_document,
    speaker_timeline_document,
)
from worker.delivery.folder_store import FolderStore
from worker.jobs.publish import CONTENT_TYPES
from worker.server.errors import NOT_FOUND, ApiError, Vendor
from worker.server.openapi import responses
from worker.server.recall import LINK_SECONDS
from worker.server.services import AnyRequest, Given, Services

_DOCUMENTS: Final[Mapping[str, Callable[[BotFacts, FileUrl], list[dict[str, Any]]]]] = {
    PARTS: parts_document,
    EVENTS: lambda facts, _: events_document(facts),
    PARTICIPANTS: lambda facts, _: participants_document(facts),
    SPEAKER_TIMELINE: lambda facts, _: speaker_timeline_document(facts),
}

_EXPIRED: Final = "This link has expired, or is not one of this server's; ask for a new one."


def download_router() -> Router:
    """The routes, which need no key: the links themselves are secrets."""
    return Router("/download", route_handlers=[get_file, get_document], tags=["Downloads"])


@get("/{document:str}/{bot_id:str}", responses=responses(Vendor.OURS, 403, 404, 503), sync_to_thread=True)
def get_document(
    services: Given, request: AnyRequest, document: FromPath[str], bot_id: FromPath[str]
) -> list[dict[str, Any]]:
    """Returns a document about a recording."""
    query = _checked(services, request)
    facts = services.bots.facts(query.get("workspace", ""), bot_id)
    make = _DOCUMENTS.get(document)
    if facts is None or make is None:
        raise ApiError(404, NOT_FOUND)

    def file_url(path: str, filename: str) -> str:
        return services.file_url(request.scope, bot_id, path, filename, LINK_SECONDS)

    return make(facts, file_url)


@get("/file/{key:path}", responses=responses(Vendor.OURS, 403, 404, 503), sync_to_thread=True)
def get_file(services: Given, request: AnyRequest, key: FromPath[str]) -> File:
    """Returns a file of a recording."""
    query = _checked(services, request)
    store = services.bots.store
    if not isinstance(store, FolderStore):
        raise ApiError(404, NOT_FOUND)
    path = store.path(str(key).lstrip("/"))
    if not path.is_file():
        raise ApiError(404, NOT_FOUND)
    kind = CONTENT_TYPES.get(PurePosixPath(path).suffix, "application/octet-stream")
    return File(path=path, filename=query.get("name") or path.name, media_type=kind)


def _checked(services: Services, request: AnyRequest) -> dict[str, str]:
    """The query of a link of ours. Raises ApiError for any other one, and for one that has expired."""
    query = dict(request.query_params.items())
    path = request.url.path.removeprefix(services.prefix)
    if not services.links.is_valid(path, query):
        raise ApiError(403, _EXPIRED, code="link_expired")
    return query
