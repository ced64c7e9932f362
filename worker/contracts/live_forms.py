"""What a vendor's messages of live streams are made with (pure)."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from worker.contracts.live_endpoints import LiveEndpoint, LiveForm
from worker.contracts.live_items import LiveItem, LivePerson
from worker.contracts.live_meetstream import MeetStreamAudioForm, MeetStreamEventsForm
from worker.contracts.live_recall import RecallForm
from worker.platforms.registry import Platform


class LiveBot(msgspec.Struct, frozen=True, kw_only=True):
    """The bot whose call is streamed. ``metadata`` is Recall.ai's metadata, or MeetStream's custom_attributes.

    ``attempt`` is the worker's attempt at the job, from 1 on.
    """

    bot_id: str
    platform: Platform
    metadata: dict[str, Any] = {}
    attempt: int = 1


class MessageForm(Protocol):
    """Makes the messages of one endpoint: texts, or bytes for binary frames. Nothing raises.

    One form serves all connections of its endpoint, in turn or at once: what it makes depends on the items it was given, not on
    who gets the message.
    """

    def opening(self) -> list[str | bytes]:
        """The first messages of each connection."""

    def encode(self, item: LiveItem) -> str | bytes | None:
        """The message of an item; None: the endpoint does not get it. LiveStart comes first, LiveEnd last, to every form."""

    def gap(self, seconds: float, person: LivePerson | None) -> str | bytes | None:
        """Says that ``seconds`` of sound were left out before the next message.

        ``person`` is whose, None: of all, or of nobody known. Returns None where the vendor has no such message.
        """


def open_form(endpoint: LiveEndpoint, bot: LiveBot) -> MessageForm:
    """The messages that ``endpoint`` gets."""
    match endpoint.form:
        case LiveForm.RECALL:
            return RecallForm(endpoint, bot.bot_id, bot.platform, bot.metadata, bot.attempt)
        case LiveForm.MEETSTREAM:
            return MeetStreamEventsForm(endpoint, bot.bot_id, bot.platform, bot.metadata)
        case LiveForm.MEETSTREAM_AUDIO:
            return MeetStreamAudioForm(bot.bot_id)
