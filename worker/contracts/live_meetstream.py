"""MeetStream's live audio, and its webhooks of who joins and leaves (pure).

Source: MeetStream's reference of live audio, and what its own clients read (docs.meetstream.ai). What its receivers do not know
is one message of ours: ``{"type": "gap", "bot_id", "seconds"}``, where sound was left out.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from worker.contracts.live_endpoints import PARTICIPANT_EVENTS, LiveEndpoint
from worker.contracts.live_items import Action, LiveEvent, LiveItem, LivePcm, LivePerson, LiveStart
from worker.contracts.live_moments import Moments
from worker.contracts.text_values import json_text, text_values, well_formed
from worker.platforms.registry import Platform

NO_SPEAKER: Final = "NoSpeaker"
"""The vendor's name of a speaker whom nobody knows, and the id of one who cannot be told from others either."""

_AUDIO: Final = b"\x01"
_LONGEST: Final = 0xFFFF
"""Bytes of an id or a name, whose length has 16 bits."""
_MOST_PREPARED: Final = 1_000
"""Speakers whose heads are kept; then they are made anew."""


class MeetStreamAudioForm:
    """Makes the messages of a socket for live audio: 0x01, the lengths and texts of the speaker's id and name, then PCM.

    The id is that of get_participants, or the number of a speaker without one.
    """

    def __init__(self, bot_id: str) -> None:
        self._bot_id = well_formed(bot_id)
        self._heads: dict[LivePerson | None, bytes] = {}

    def opening(self) -> list[str | bytes]:
        """The message that makes receivers ready."""
        return [
            json_text({"type": "ready", "bot_id": self._bot_id, "message": "The bot is ready to send audio"})
        ]

    def encode(self, item: LiveItem) -> bytes | None:
        """See worker.contracts.live_forms.MessageForm."""
        if not isinstance(item, LivePcm):
            return None
        head = self._heads.get(item.person)
        if head is None:
            if len(self._heads) >= _MOST_PREPARED:
                self._heads.clear()
            head = self._heads[item.person] = _AUDIO + b"".join(map(_counted, _speaker(item.person)))
        return head + item.pcm

    def gap(self, seconds: float, _person: LivePerson | None) -> str:
        """See worker.contracts.live_forms.MessageForm."""
        return json_text({"type": "gap", "bot_id": self._bot_id, "seconds": round(float(seconds), 3)})


class MeetStreamEventsForm:
    """Makes the bodies of webhooks of those who join and leave."""

    def __init__(
        self, endpoint: LiveEndpoint, bot_id: str, platform: Platform, attributes: dict[str, Any]
    ) -> None:
        self._events = frozenset(endpoint.events)
        self._bot = {"id": well_formed(bot_id), "metadata": text_values(attributes)}
        self._platform = platform
        self._moments = Moments()

    def opening(self) -> list[str | bytes]:
        """Nothing: each webhook stands alone."""
        return []

    def encode(self, item: LiveItem) -> str | None:
        """See worker.contracts.live_forms.MessageForm."""
        match item:
            case LiveEvent(action=Action.JOIN | Action.LEAVE):
                return self._event(item) if f"{PARTICIPANT_EVENTS}{item.action}" in self._events else None
            case LiveStart():
                self._moments = Moments(item.zero, item.relative_zero)
                return None
            case _:
                return None

    def gap(self, _seconds: float, _person: LivePerson | None) -> None:
        """Nothing: there is no sound."""

    def _event(self, item: LiveEvent) -> str:
        person, timestamp = item.person, self._moments.timestamp(item.at)
        name = None if person.name is None else well_formed(person.name)
        return json_text(
            {
                "event": f"{PARTICIPANT_EVENTS}{item.action}",
                "timestamp": timestamp["absolute"],
                "data": {
                    "data": {
                        "action": item.action.value,
                        "participant": {
                            "id": _speaker_id(person),
                            "name": name,
                            "full_name": name,
                            "platform": self._platform.value,
                        },
                        "timestamp": timestamp,
                    },
                    "bot": self._bot,
                },
                "custom_attributes": self._bot["metadata"],
            }
        )


def _speaker(person: LivePerson | None) -> tuple[str, str]:
    """Id and name. A participant whose name is not known yet has an empty one."""
    if person is None:
        return NO_SPEAKER, NO_SPEAKER
    return _speaker_id(person), NO_SPEAKER if person.participant_id is None else person.name or ""


def _speaker_id(person: LivePerson) -> str:
    return well_formed(person.participant_id or str(person.number))


def _counted(text: str) -> bytes:
    """The length in 16 bits, little-endian, then UTF-8, cut between characters."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) > _LONGEST:
        encoded = encoded[:_LONGEST].decode("utf-8", "ignore").encode()
    return struct.pack("<H", len(encoded)) + encoded
