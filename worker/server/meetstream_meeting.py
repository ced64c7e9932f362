"""MeetStream's routes about the people of a call: who was there, who spoke, and what was written."""

from __future__ import annotations

from typing import Any

from litestar import Response, Router, get
from litestar.params import FromPath

from worker.contracts.meetstream_documents import (
    chats_document,
    participants_document,
    speaker_timeline_document,
)
from worker.contracts.recall_documents import WAV
from worker.server.access import Access
from worker.server.errors import ApiError, Vendor
from worker.server.meetstream import AUDIO_SECONDS
from worker.server.meetstream_answers import facts_of, not_ready
from worker.server.openapi import NEEDS_KEY, responses
from worker.server.services import AnyRequest, Given

Document = dict[str, Any]


def meetstream_meeting_router() -> Router:
    """The routes, behind the guard."""
    return Router(
        "/api/v1",
        route_handlers=[get_participants, get_chats, get_speaker_timeline],
        guards=[Access(Vendor.MEETSTREAM)],
        security=NEEDS_KEY,
        tags=["MeetStream"],
    )


@get(
    "/bots/{bot_id:str}/get_participants",
    responses=responses(Vendor.MEETSTREAM, 202, 404),
    sync_to_thread=True,
)
def get_participants(
    services: Given, request: AnyRequest, bot_id: FromPath[str]
) -> Response[Document] | Response[list[Document]]:
    """Lists those who were in the call, also if they never spoke."""
    facts = facts_of(services, request, bot_id)
    if not facts.has_audio:
        return not_ready(facts, "status", "Participants")
    meeting = services.bots.meeting(facts)
    return Response([] if meeting is None else participants_document(meeting))


@get("/bots/{bot_id:str}/get_chats", responses=responses(Vendor.MEETSTREAM, 202, 404), sync_to_thread=True)
def get_chats(services: Given, request: AnyRequest, bot_id: FromPath[str]) -> Response[Document]:
    """Returns the messages of the call's chat, also the bot's own."""
    facts = facts_of(services, request, bot_id)
    if not facts.has_audio:
        return not_ready(facts, "status", "Chats")
    return Response(chats_document(bot_id, services.bots.meeting(facts)))


@get(
    "/bots/{bot_id:str}/get_speaker_timeline",
    responses=responses(Vendor.MEETSTREAM, 202, 404),
    sync_to_thread=True,
)
def get_speaker_timeline(services: Given, request: AnyRequest, bot_id: FromPath[str]) -> Response[Document]:
    """Returns who spoke where in the mix."""
    facts = facts_of(services, request, bot_id)
    if not facts.has_audio:
        return not_ready(facts, "status", "The speaker timeline")
    meeting = services.bots.meeting(facts)
    if facts.manifest is None or meeting is None:
        raise ApiError(404, "There is no recording of this bot.")
    workspace = request.auth.name
    url = services.mix_url(request.scope, workspace, bot_id, facts.manifest, WAV, AUDIO_SECONDS)
    size = services.mix_size(bot_id, facts.manifest)
    return Response(speaker_timeline_document(meeting, url, size))
