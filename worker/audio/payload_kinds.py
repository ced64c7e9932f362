"""Tells a slot's Opus payloads from others by MIME type and payload type (pure).

RTP may carry several codecs on one SSRC: comfort noise and telephone events beside speech, or another codec after a change.
Only Opus is written; the rest is silence of its length.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import Final

from worker.audio.red import RedError, RedPayload, unpack_red


class PayloadKind(StrEnum):
    """What a payload is, in the words of a warning."""

    OPUS = "Opus"
    RED = "RED"
    COMFORT_NOISE = "comfort noise"
    TELEPHONE_EVENTS = "telephone events"
    PCMU = "PCMU"
    PCMA = "PCMA"
    G722 = "G.722"
    OTHER = "in an unknown codec"
    MALFORMED_OPUS = "malformed Opus"
    MALFORMED_RED = "malformed RED"


BY_MIME_TYPE: Final = {
    "audio/opus": PayloadKind.OPUS,
    "audio/red": PayloadKind.RED,
    "audio/cn": PayloadKind.COMFORT_NOISE,
    "audio/telephone-event": PayloadKind.TELEPHONE_EVENTS,
    "audio/pcmu": PayloadKind.PCMU,
    "audio/pcma": PayloadKind.PCMA,
    "audio/g722": PayloadKind.G722,
}
"""MIME types in lower case (RFC 7587, 2198, 3389, 4733, 3551); they are compared without case (RFC 2045, section 5.1)."""

BY_STATIC_TYPE: Final = {
    0: PayloadKind.PCMU,
    8: PayloadKind.PCMA,
    9: PayloadKind.G722,
    13: PayloadKind.COMFORT_NOISE,
}
"""Payload types that no session may give to another codec (RFC 3551, tables 4 and 5)."""


class PayloadReader:
    """Reads the payloads of one SSRC and counts by kind what is not Opus.

    A frame's MIME type names its codec. A block inside RED has only a payload type: its codec is the one that a frame of this
    SSRC showed, or that RFC 3551 fixed; any other is taken for Opus, since each session numbers that as it likes.
    """

    def __init__(self) -> None:
        self.left_out: Counter[PayloadKind] = Counter()
        """Payloads that were replaced by silence, by kind."""
        self._shown: dict[int, PayloadKind] = {}
        """What frames showed about their payload types (0 to 127)."""

    def read(self, mime_type: str, payload_type: int, payload: bytes) -> RedPayload:
        """The Opus packet in a frame's payload with RED's older blocks; an empty packet where it is something else."""
        if mime_type:
            kind = BY_MIME_TYPE.get(mime_type.lower(), PayloadKind.OTHER)
            if kind is not PayloadKind.RED:
                self._shown[payload_type] = kind
        else:
            kind = self._kind(payload_type)
        if kind is not PayloadKind.RED:
            return RedPayload(self._only_opus(kind, payload), [])
        try:
            red = unpack_red(payload)
        except RedError:
            self.left_out[PayloadKind.MALFORMED_RED] += 1
            return RedPayload(b"", [])
        primary_type = payload[4 * len(red.redundant)] & 0x7F
        return RedPayload(self.read_block(primary_type, red.primary), red.redundant)

    def read_block(self, payload_type: int, payload: bytes) -> bytes:
        """The Opus packet in a block of a RED payload; empty where it is something else."""
        return self._only_opus(self._kind(payload_type), payload)

    def _kind(self, payload_type: int) -> PayloadKind:
        return self._shown.get(payload_type) or BY_STATIC_TYPE.get(payload_type) or PayloadKind.OPUS

    def _only_opus(self, kind: PayloadKind, payload: bytes) -> bytes:
        if kind is PayloadKind.OPUS:
            return payload
        self.left_out[kind] += bool(payload)
        return b""


def left_out_warning(kind: PayloadKind, count: int) -> str:
    """A sentence of the manifest about ``count`` packets of a kind that are not in the files."""
    if count == 1:
        return f"1 packet was {kind.value}: it is silence in the files."
    return f"{count} packets were {kind.value}: they are silence in the files."
