"""What several of MeetStream's routes answer alike."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from litestar import Response

from worker.contracts.bot_facts import BotFacts
from worker.contracts.meetstream_documents import status_name
from worker.server.errors import ApiError
from worker.server.services import AnyRequest, Services

BOT_NOT_FOUND: Final = "Bot not found."


def facts_of(services: Services, request: AnyRequest, bot_id: str, *, with_manifest: bool = True) -> BotFacts:
    """What is known of the bot. Raises ApiError where the request's key has none of this id."""
    facts = services.bots.facts(request.auth.name, bot_id, with_manifest=with_manifest)
    if facts is None:
        raise ApiError(404, BOT_NOT_FOUND)
    return facts


def not_ready(facts: BotFacts, field: str, what: str) -> Response[dict[str, Any]]:
    """The answer that ``what`` is not there yet; ``field`` says so in one word."""
    message = (
        f"{what} will be available after the bot has left the meeting. Current status: {status_name(facts)}"
    )
    return Response({field: "in_progress", "message": message}, status_code=HTTPStatus.ACCEPTED)
