"""Messages of a call's chat, as the platforms' decoders find them in a tape's events (pure)."""

from __future__ import annotations

import msgspec

from worker.tape.events import TapeEvent


class ChatMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message, as plain text. ``participant_id`` is its sender's device or user id in the roster.

    ``sent_at`` is the platform's own time in Unix seconds, None where it gives none. ``sent``: the bot's page was seen sending
    it, which does not show that the call got it; such a message has no sender.
    """

    message_id: str
    participant_id: str
    name: str | None
    text: str
    sent_at: float | None
    sent: bool = False


def no_chat(_: TapeEvent) -> list[ChatMessage]:
    """For platforms whose chat is not read."""
    return []
