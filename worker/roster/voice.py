"""Whether a packet holds somebody's voice, as far as that shows without decoding it (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from worker.audio.opus import SAMPLE_RATE, voice_activity

REFRESH_BYTES = 12
"""A refresh of comfort noise has at most this many bytes in SILK's modes at speech bitrates."""

NEIGHBOURHOOD = SAMPLE_RATE // 5
"""200 ms: packets of speech follow one another more closely, refreshes do not."""

MOST_STREAMS = 1_000
"""Bound on the streams that are followed, since the page is untrusted."""


def is_voiced(csrcs: Sequence[int], payload: bytes) -> bool:
    """Whether an Opus packet counts as speech: it lists a source, or its encoder found a voice in it, or it does not show that.

    A packet that lists nobody and in which the encoder found no voice is comfort noise: Teams' mixer sends it while nobody
    speaks, as packets of the same form as speech.
    """
    return bool(csrcs) or voice_activity(payload) is not False


def may_be_comfort_noise(payload: bytes) -> bool:
    """Whether an Opus packet may be a refresh of the comfort noise that a silent sender sends every 400 ms (DTX).

    A refresh comes alone, which speech does not, and is short, or its encoder found no voice in it.
    """
    return len(payload) <= REFRESH_BYTES or voice_activity(payload) is False


class LoneNoise:
    """Recognizes refreshes of comfort noise: packets that may be such, with no sound shortly before them in their stream."""

    def __init__(self) -> None:
        self._last: dict[int, int] = {}
        """The RTP timestamp of each stream's last packet with sound."""

    def is_alone(self, ssrc: int, timestamp: int, payload: bytes) -> bool:
        """Takes the next packet with sound of a stream; returns whether it is a refresh. ``timestamp`` is 32-bit at 48 kHz."""
        last = self._last.pop(ssrc, None)
        self._last[ssrc] = timestamp
        if len(self._last) > MOST_STREAMS:
            del self._last[next(iter(self._last))]
        if not may_be_comfort_noise(payload):
            return False
        return last is None or not 0 < (timestamp - last) & 0xFFFF_FFFF <= NEIGHBOURHOOD
