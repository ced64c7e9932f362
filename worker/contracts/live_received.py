"""Reads live messages of both vendors as their receivers do (pure). Senders are untrusted: what is no message raises
MessageError, and what is not known is Unknown.

Sources: Recall.ai's guide "How to get Separate Audio per Participant (Realtime)" and its reference of real-time endpoints;
MeetStream's reference of live audio.
"""

from __future__ import annotations

import binascii
import math
import struct
from base64 import b64decode
from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeAlias

import msgspec

from worker.contracts.live_endpoints import AUDIO_MIXED, AUDIO_OPUS, AUDIO_SEPARATE, GAP, PARTICIPANT_EVENTS
from worker.safe_text import printable

RECALL_RATE: Final = 16_000
"""Samples per second of Recall.ai's PCM."""
MEETSTREAM_RATE: Final = 48_000
"""Samples per second of MeetStream's PCM."""
ACK: Final = '{"type":"ack"}'
"""What MeetStream's receivers answer once the sender is ready."""

_AUDIO_FRAME: Final = 1
"""The first byte of MeetStream's binary frames of sound."""
_LONGEST: Final = 7 * 86_400.0
"""Seconds; no meeting takes longer."""


class MessageError(ValueError):
    """What came is no message; the error says what was expected."""


class Who(msgspec.Struct, frozen=True):
    """A participant as a message names one: ``id`` is empty where it names none, ``name`` None where it is not known."""

    id: str
    name: str | None


class Sound(msgspec.Struct, frozen=True, kw_only=True):
    """S16LE, mono, ``rate`` samples per second. The first sample belongs to ``relative`` (seconds of the recording) and
    ``absolute`` (Unix seconds); None: the vendor does not say. ``bot_id`` is empty where the message does not name it.

    ``mixed``: it is everybody together, and ``who`` nobody.
    """

    bot_id: str
    who: Who
    rate: int
    pcm: bytes
    relative: float | None = None
    absolute: float | None = None
    mixed: bool = False

    @property
    def seconds(self) -> float:
        return len(self.pcm) / (2 * self.rate)


class OpusPacket(msgspec.Struct, frozen=True, kw_only=True):
    """One Opus packet of one speaker; the other fields are those of Sound."""

    bot_id: str
    who: Who
    payload: bytes
    relative: float
    absolute: float


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """A participant event; ``action`` is its name after ``participant_events.``. ``text`` is that of a chat message."""

    bot_id: str
    who: Who
    action: str
    relative: float
    absolute: float
    text: str | None = None


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """The sender left out so many seconds of sound. ``who`` None: of the whole connection."""

    bot_id: str
    who: Who | None
    seconds: float


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """MeetStream's first message of a connection."""

    bot_id: str


class Unknown(msgspec.Struct, frozen=True):
    """A message of a kind that is not known here."""

    kind: str


Received: TypeAlias = Sound | OpusPacket | Happened | LeftOut | Ready | Unknown


class _Kind(msgspec.Struct):
    event: str | None = None
    type: str | None = None


class _Time(msgspec.Struct):
    relative: float
    absolute: str


class _Participant(msgspec.Struct):
    id: int | str | None = None
    name: str | None = None


class _Text(msgspec.Struct):
    text: str | None = None


class _Inner(msgspec.Struct):
    participant: _Participant | None = None
    timestamp: _Time | None = None
    buffer: str | None = None
    seconds: float | None = None
    data: _Text | None = None


class _Bot(msgspec.Struct):
    id: str = ""


class _Data(msgspec.Struct):
    data: _Inner
    bot: _Bot = msgspec.field(default_factory=_Bot)


class _Recall(msgspec.Struct):
    data: _Data


class _MeetStream(msgspec.Struct):
    bot_id: str = ""
    seconds: float | None = None


_kind = msgspec.json.Decoder(_Kind)
_recall = msgspec.json.Decoder(_Recall)
_meetstream = msgspec.json.Decoder(_MeetStream)


def read_text(message: str) -> Received:
    """Reads a text message of either vendor. Raises MessageError."""
    try:
        return _read_text(message)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise MessageError(f"{printable(message, 40)}: {printable(str(error), 160)}") from error


def read_binary(message: bytes) -> Sound:
    """Reads a frame of MeetStream's live audio: 0x01, then id and name of the speaker, each behind its length (16 bits, little
    endian), then PCM. Raises MessageError.
    """
    if message[:1] != bytes([_AUDIO_FRAME]):
        raise MessageError(f"first byte {message[:1].hex() or 'missing'}: expected 01")
    speaker, at = _counted(message, 1)
    name, at = _counted(message, at)
    pcm = message[at:]
    if len(pcm) % 2:
        raise MessageError(f"{len(pcm)} bytes of samples: expected an even number")
    return Sound(bot_id="", who=Who(speaker, name or None), rate=MEETSTREAM_RATE, pcm=pcm)


def _counted(message: bytes, at: int) -> tuple[str, int]:
    """The text at ``at``, and where it ends."""
    begin = at + 2
    if len(message) < begin:
        raise MessageError(f"{len(message)} bytes: expected a length at byte {at}")
    end = begin + struct.unpack_from("<H", message, at)[0]
    if len(message) < end:
        raise MessageError(f"{len(message)} bytes: expected at least {end}")
    return message[begin:end].decode("utf-8", "replace"), end


def _read_text(message: str) -> Received:
    kind = _kind.decode(message)
    event = kind.event or ""
    if event in _READERS:
        return _READERS[event](_recall.decode(message).data)
    if event.startswith(PARTICIPANT_EVENTS):
        return _happened(event.removeprefix(PARTICIPANT_EVENTS), _recall.decode(message).data)
    if event:
        return Unknown(printable(event))
    document = _meetstream.decode(message)
    match kind.type:
        case "ready":
            return Ready(bot_id=document.bot_id)
        case "gap":
            return LeftOut(bot_id=document.bot_id, who=None, seconds=_duration(document.seconds))
        case other:
            return Unknown(printable(other or ""))


def _separate(data: _Data) -> Sound:
    relative, absolute = _place(data.data)
    return Sound(
        bot_id=data.bot.id,
        who=_who(data.data),
        rate=RECALL_RATE,
        pcm=_pcm(data.data),
        relative=relative,
        absolute=absolute,
    )


def _mixed(data: _Data) -> Sound:
    return msgspec.structs.replace(_separate(data), who=Who("", None), mixed=True)


def _opus(data: _Data) -> OpusPacket:
    relative, absolute = _place(data.data)
    return OpusPacket(
        bot_id=data.bot.id,
        who=_who(data.data),
        payload=_buffer(data.data),
        relative=relative,
        absolute=absolute,
    )


def _gap(data: _Data) -> LeftOut:
    return LeftOut(
        bot_id=data.bot.id,
        who=_who(data.data) if data.data.participant is not None else None,
        seconds=_duration(data.data.seconds),
    )


def _happened(action: str, data: _Data) -> Happened:
    relative, absolute = _place(data.data)
    return Happened(
        bot_id=data.bot.id,
        who=_who(data.data),
        action=printable(action),
        relative=relative,
        absolute=absolute,
        text=data.data.data.text if data.data.data is not None else None,
    )


_READERS: Final[dict[str, Callable[[_Data], Received]]] = {
    AUDIO_SEPARATE: _separate,
    AUDIO_MIXED: _mixed,
    AUDIO_OPUS: _opus,
    GAP: _gap,
}


def _who(data: _Inner) -> Who:
    participant = data.participant or _Participant()
    return Who("" if participant.id is None else str(participant.id), participant.name)


def _place(data: _Inner) -> tuple[float, float]:
    if data.timestamp is None:
        raise MessageError("timestamp: is missing")
    relative = data.timestamp.relative
    # A bot may have heard something just before the moment from which relative times count.
    if not -_LONGEST <= relative <= _LONGEST:
        raise MessageError(f"relative {relative}: expected seconds of a meeting")
    try:
        absolute = datetime.fromisoformat(data.timestamp.absolute).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise MessageError(f"absolute {printable(data.timestamp.absolute)}: expected ISO 8601") from error
    return relative, absolute


def _buffer(data: _Inner) -> bytes:
    try:
        return b64decode(data.buffer or "", validate=True)
    except (binascii.Error, ValueError) as error:
        raise MessageError(f"buffer: {error}, expected base64") from error


def _pcm(data: _Inner) -> bytes:
    pcm = _buffer(data)
    if len(pcm) % 2:
        raise MessageError(f"buffer: {len(pcm)} bytes of samples, expected an even number")
    return pcm


def _duration(seconds: float | None) -> float:
    if seconds is None or not 0 <= seconds < math.inf:
        raise MessageError(f"seconds {seconds}: expected a duration")
    return seconds
