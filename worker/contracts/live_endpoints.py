"""Where a job's live streams go (pure)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

AUDIO_SEPARATE: Final = "audio_separate_raw.data"
AUDIO_MIXED: Final = "audio_mixed_raw.data"
AUDIO_OPUS: Final = "audio_separate_opus.data"
"""An extension of ours: each speaker's Opus packets as they came."""
GAP: Final = "realtime_endpoint.gap"
"""An extension of ours: sound was left out, since the receiver was slow. Every endpoint that gets sound gets it."""
PARTICIPANT_EVENTS: Final = "participant_events."
"""The beginning of the names of participant events; an Action of worker.contracts.live_items follows."""


class LiveFault(NamedTuple):
    """What is wrong with a field of live streams: the path of the field, and one line that repeats no secret."""

    field: tuple[str, ...]
    message: str


class Transport(StrEnum):
    """How an endpoint is reached."""

    WEBSOCKET = "websocket"
    WEBHOOK = "webhook"


class LiveForm(StrEnum):
    """Whose messages an endpoint gets."""

    RECALL = "recall"
    MEETSTREAM = "meetstream"
    """MeetStream's webhooks of participants."""
    MEETSTREAM_AUDIO = "meetstream_audio"
    """MeetStream's live audio: binary frames."""


class LiveEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A receiver of live streams. ``number`` counts a job's endpoints from 0.

    ``events`` are the names it asked for, of those that are served. ``metadata`` comes back in each message. ``headers`` go
    with each request, and are secret; so may be ``url``. ``field`` is the dotted name of the job's field that has the URL.
    """

    number: int
    form: LiveForm
    transport: Transport
    url: str
    events: tuple[str, ...] = ()
    metadata: dict[str, str] = {}
    headers: dict[str, str] = {}
    field: str = ""

    def __repr__(self) -> str:
        return f"LiveEndpoint(number={self.number}, form={self.form!r}, transport={self.transport!r})"

    @property
    def wants_audio(self) -> bool:
        """Whether any sound goes there."""
        audio = {AUDIO_SEPARATE, AUDIO_MIXED, AUDIO_OPUS}
        return self.form is LiveForm.MEETSTREAM_AUDIO or not audio.isdisjoint(self.events)

    @property
    def rate(self) -> int:
        """The samples per second of its PCM."""
        return 48_000 if self.form is LiveForm.MEETSTREAM_AUDIO else 16_000
