"""What is behind signed links: documents made anew at each request, files of a store that cannot sign, and converted files.

Files are sent block by block. HEAD, ranges of bytes (Range, If-Range) and If-None-Match are answered as RFC 9110 says.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Any, Final, NamedTuple

from litestar import HttpMethod, Response, Router, get, route
from litestar.params import FromPath
from litestar.response import Stream

from worker.audio.converted_forms import converted_bytes
from worker.contracts.recall_documents import (
    AUDIO_SEPARATE,
    EVENTS,
    PARTICIPANT_EVENTS,
    PARTICIPANTS,
    PARTS,
    SPEAKER_TIMELINE,
    VIDEO_PARTS,
    VIDEO_SEPARATE,
    WAV,
    WEBM,
    events_document,
    participants_document,
    parts_document,
    separate_form,
    speaker_timeline_document,
    video_parts_document,
)
from worker.delivery.object_store import Listed, attachment
from worker.jobs.publish import content_type_of
from worker.manifest.meeting_schema import Meeting
from worker.manifest.schema import Manifest
from worker.server.byte_ranges import ByteRange, UnsatisfiableError, asked_range
from worker.server.conversions import ConversionBusyError
from worker.server.errors import NOT_FOUND, ApiError, Vendor
from worker.server.openapi import responses
from worker.server.recall import LINK_SECONDS
from worker.server.services import AnyRequest, Given, Services
from worker.server.whole_mix import WholeMix, whole_mix

Document = list[dict[str, Any]]

_DOCUMENTS: Final[Mapping[str, Callable[[Meeting], Document]]] = {
    EVENTS: events_document,
    PARTICIPANTS: participants_document,
    SPEAKER_TIMELINE: speaker_timeline_document,
}

_KINDS: Final[Mapping[str, str]] = {
    PARTS: AUDIO_SEPARATE,
    VIDEO_PARTS: VIDEO_SEPARATE,
    **dict.fromkeys(_DOCUMENTS, PARTICIPANT_EVENTS),
}
"""The kind of artifact of each document."""

_CONVERTED_TYPES: Final = {"raw": "application/octet-stream", "mp3": "audio/mpeg"}

_MIX_TYPES: Final = {**_CONVERTED_TYPES, WAV: "audio/wav"}

_EXPIRED: Final = "This link has expired, or is not one of this server's; ask for a new one."

BUSY_RETRY: Final = 10
"""Seconds after which a file in another form may be asked for again while others are being made."""

_ReadPart = Callable[[ByteRange], Iterator[bytes] | AsyncIterator[bytes]]


def download_router() -> Router:
    """The routes, which need no key: the links themselves are secrets."""
    handlers = [get_file, get_converted, get_mix, get_document]
    return Router("/download", route_handlers=handlers, tags=["Downloads"])


@get("/{document:str}/{bot_id:str}", responses=responses(Vendor.OURS, 403, 404, 503), sync_to_thread=True)
def get_document(
    services: Given, request: AnyRequest, document: FromPath[str], bot_id: FromPath[str]
) -> Document:
    """Returns a document about a recording."""
    query = _checked(services, request)
    facts = services.bots.facts(query.get("workspace", ""), bot_id)
    if (
        facts is None
        or facts.media_deleted_at is not None
        or (kind := _KINDS.get(document)) is None
        or kind in facts.deleted_kinds
    ):
        raise ApiError(404, NOT_FOUND)
    meeting = services.bots.meeting(facts)
    if facts.manifest is None or meeting is None:
        return []

    def stored_url(path: str, filename: str) -> str:
        return services.file_url(request.scope, bot_id, path, filename, LINK_SECONDS)

    if document in _DOCUMENTS:
        return _DOCUMENTS[document](meeting)
    if document == VIDEO_PARTS:
        return video_parts_document(facts.manifest, meeting, stored_url)
    durations = _durations(facts.manifest)

    def file_url(path: str, filename: str, form: str) -> str:
        if form == WEBM:
            return stored_url(path, filename)
        duration = durations[path]
        return services.converted_url(request.scope, bot_id, path, filename, form, duration, LINK_SECONDS)

    return parts_document(facts.manifest, meeting, separate_form(facts), file_url)


@route(
    "/file/{key:path}",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    responses=responses(Vendor.OURS, 403, 404, 503),
    sync_to_thread=True,
)
def get_file(services: Given, request: AnyRequest, key: FromPath[str]) -> Response[Any]:
    """Returns a file of a recording, or a range of its bytes."""
    query = _checked(services, request)
    item = _found(services, str(key).lstrip("/"))
    kind = content_type_of(item.key)
    name = query.get("name") or PurePosixPath(item.key).name
    store = services.bots.store
    file = _File(item.size, _etag(item), kind, name)
    return _answer(request, file, lambda part: store.blocks(item.key, part.start, part.length))


@route(
    "/converted/{key:path}",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    responses=responses(Vendor.OURS, 403, 404, 503),
)
async def get_converted(services: Given, request: AnyRequest, key: FromPath[str]) -> Response[Any]:
    """Returns a file of a recording in another form, raw or mp3, or a range of its bytes."""
    query = _checked(services, request)
    form = query.get("form", "")
    if form not in _CONVERTED_TYPES:
        raise ApiError(404, NOT_FOUND)
    item = await asyncio.to_thread(_found, services, str(key).lstrip("/"))
    samples = int(query["samples"])
    name = query.get("name") or PurePosixPath(item.key).name
    size = converted_bytes(form, samples)
    file = _File(size, f'{_etag(item)[:-1]}-{form}"', _CONVERTED_TYPES[form], name)
    store, conversions = services.bots.store, services.conversions
    await _room(services)
    return _answer(
        request, file, lambda part: conversions.converted(form, samples, store.blocks(item.key), part)
    )


@route(
    "/mix/{bot_id:str}",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    responses=responses(Vendor.OURS, 403, 404, 503),
)
async def get_mix(services: Given, request: AnyRequest, bot_id: FromPath[str]) -> Response[Any]:
    """Returns the mix of a recording that was interrupted, put together, or a range of its bytes."""
    query = _checked(services, request)
    form, store, conversions = query.get("form", WAV), services.bots.store, services.conversions
    mix = await asyncio.to_thread(_whole_mix, services, query.get("workspace", ""), bot_id)
    if mix is None or form not in _MIX_TYPES:
        raise ApiError(404, NOT_FOUND)
    name = f"audio.{form}"
    if form == WAV:
        file = _File(mix.size, mix.etag, _MIX_TYPES[form], name)
        return _answer(request, file, lambda part: mix.blocks(store, part))
    file = _File(converted_bytes(form, mix.samples), f'{mix.etag[:-1]}-{form}"', _MIX_TYPES[form], name)
    await _room(services)
    whole = ByteRange(0, mix.size)
    return _answer(
        request,
        file,
        lambda part: conversions.converted(form, mix.samples, mix.blocks(store, whole), part),
    )


def _whole_mix(services: Services, workspace: str, bot_id: str) -> WholeMix | None:
    facts = services.bots.facts(workspace, bot_id)
    if facts is None or facts.media_deleted_at is not None or facts.manifest is None:
        return None
    return whole_mix(facts.manifest, services.bots.keys_of(bot_id).folder, services.bots.store)


async def _room(services: Services) -> None:
    try:
        await services.conversions.wait_for_room()
    except ConversionBusyError as error:
        raise ApiError(503, f"{error}", headers={"Retry-After": str(BUSY_RETRY)}) from error


class _File(NamedTuple):
    """A file that is sent: its length in bytes, ETag, content type, and the name to save it as."""

    size: int
    etag: str
    kind: str
    name: str


def _answer(request: AnyRequest, file: _File, read: _ReadPart) -> Response[Any]:
    """The whole file, the range that the request asks for, or that it has it already."""
    headers = {
        "accept-ranges": "bytes",
        "etag": file.etag,
        "cache-control": "private",
        "content-disposition": attachment(file.name),
    }
    if file.etag in [each.strip() for each in request.headers.get("if-none-match", "").split(",")]:
        return Response(None, status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    asked = request.headers.get("range") if request.method == HttpMethod.GET else None
    try:
        part = asked_range(asked, request.headers.get("if-range"), file.size, file.etag)
    except UnsatisfiableError:
        headers["content-range"] = f"bytes */{file.size}"
        return Response(None, status_code=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=headers)
    status = HTTPStatus.OK
    if part is not None:
        status = HTTPStatus.PARTIAL_CONTENT
        headers["content-range"] = f"bytes {part.start}-{part.start + part.length - 1}/{file.size}"
    part = part or ByteRange(0, file.size)
    headers["content-length"] = str(part.length)
    wanted = part
    blocks = (lambda: read(wanted)) if request.method == HttpMethod.GET else (lambda: iter(()))
    return Stream(blocks, status_code=status, headers=headers, media_type=file.kind)


def _found(services: Services, key: str) -> Listed:
    """The object of this key. Raises ApiError."""
    item = next(iter(services.bots.store.page(key, "", 1)), None)
    if item is None or item.key != key:
        raise ApiError(404, NOT_FOUND)
    return item


def _etag(item: Listed) -> str:
    """Changes with the file, which is never written in place."""
    return f'"{item.size:x}-{round((item.modified or 0) * 1_000_000):x}"'


def _durations(manifest: Manifest) -> dict[str, float]:
    return {segment.url: segment.duration_seconds for _, segment in manifest.segments()}


def _checked(services: Services, request: AnyRequest) -> dict[str, str]:
    """The query of a link of ours. Raises ApiError for any other one, and for one that has expired."""
    query = dict(request.query_params.items())
    path = request.url.path.removeprefix(services.prefix)
    if not services.links.is_valid(path, query):
        raise ApiError(403, _EXPIRED, code="link_expired")
    return query
