"""What is sent to live receivers, before it has a vendor's form (pure).

All ``position`` values are samples of meeting time at 48 kHz; ``at`` is seconds of meeting time. Meeting time 0 is ``zero`` of
LiveStart.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

import msgspec


class Isolation(StrEnum):
    """How far a speaker's sound is theirs alone."""

    SEPARATED = "separated"
    """Packets of this speaker only."""
    GATED_MIX = "gated-mix"
    """The mix of everybody, while this speaker speaks."""


class LivePerson(msgspec.Struct, frozen=True, kw_only=True):
    """A participant as known at present.

    ``number`` is the id in the vendors' documents (worker.manifest.person_numbers). ``participant_id`` is the platform's own,
    None for a speaker whom the roster does not know. ``name`` None: not known yet.
    """

    number: int
    participant_id: str | None
    name: str | None
    is_host: bool = False


class Action(StrEnum):
    """What a participant did. The values are Recall.ai's names of participant events."""

    JOIN = "join"
    LEAVE = "leave"
    UPDATE = "update"
    SPEECH_ON = "speech_on"
    SPEECH_OFF = "speech_off"
    WEBCAM_ON = "webcam_on"
    WEBCAM_OFF = "webcam_off"
    SCREENSHARE_ON = "screenshare_on"
    SCREENSHARE_OFF = "screenshare_off"
    CHAT_MESSAGE = "chat_message"


class LiveStart(msgspec.Struct, frozen=True, kw_only=True):
    """The recording began; the first item of all. ``zero`` is meeting time 0, in Unix seconds.

    ``relative_zero`` (Unix seconds) is from where the vendors' relative times count: the beginning of the first attempt's
    recording. ``attempt`` is the worker's attempt at the job, from 1 on.
    """

    zero: float
    relative_zero: float
    attempt: int = 1


class LivePcm(msgspec.Struct, frozen=True, kw_only=True):
    """Speech of one speaker: ``pcm`` is S16LE, mono, at the session's rate; its first sample belongs to ``position``.

    ``person`` None: nobody knows whose it is. ``source`` tells unknown speakers apart (a key of worker.roster.tenures).
    ``arrived`` is when the newest of its packets arrived, in Unix seconds.
    """

    person: LivePerson | None
    source: int
    position: int
    pcm: bytes
    arrived: float
    isolation: Isolation


class LiveOpus(msgspec.Struct, frozen=True, kw_only=True):
    """One Opus packet of one speaker as it came, ``samples`` long at 48 kHz; the other fields are those of LivePcm."""

    person: LivePerson | None
    source: int
    position: int
    samples: int
    payload: bytes
    arrived: float
    isolation: Isolation


class LiveMix(msgspec.Struct, frozen=True, kw_only=True):
    """Everybody together: like LivePcm. One item follows the other without a gap from meeting time 0 on."""

    position: int
    pcm: bytes
    arrived: float


class LiveEvent(msgspec.Struct, frozen=True, kw_only=True):
    """``person`` did something. ``text`` is that of a chat message, None otherwise."""

    action: Action
    person: LivePerson
    at: float
    text: str | None = None


class LiveMicrophone(msgspec.Struct, frozen=True, kw_only=True):
    """``person`` turned their microphone on or off, or left with it on; also once for each who is there with it on."""

    person: LivePerson
    on: bool
    at: float


class LiveEnd(msgspec.Struct, frozen=True, kw_only=True):
    """The recording ended; the last item of all."""

    at: float


LiveItem: TypeAlias = LiveStart | LivePcm | LiveOpus | LiveMix | LiveEvent | LiveMicrophone | LiveEnd
