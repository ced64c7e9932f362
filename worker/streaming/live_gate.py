"""Decides for each packet of a mix at once who speaks in it, by what is known when it arrives (pure).

The evidence is that of worker.stems.gate, where a packet waits seconds for hints that come late. Live nothing waits: the latest
hint counts. So the first words after a change of speakers without CSRCs may go to the one before, and a packet without a voice
in it before the first voiced one is noise here.

A caption's own times are those of the server's clock. Its arrival says when it holds; they only show that
it is of an earlier utterance, whose final words came after the first words of the next.
"""

from __future__ import annotations

from math import inf

from worker.audio.opus import SAMPLE_RATE
from worker.roster.speaking import Caption, Said
from worker.stems.attribution import SpeakerEvidence
from worker.stems.captions import MAX_OFFSET, UNFINISHED
from worker.stems.gate import NEARBY, NOISE, UNKNOWN, UNLISTED_SPEECH, Attribution
from worker.stems.mix_slot import MixPacket


class LiveGate:
    """Attributes the packets of a mix. All times are seconds of meeting time."""

    def __init__(self) -> None:
        self._dominant: int | None = None
        self._captioned: str | None = None
        """The user of the caption that counts."""
        self._caption_span = (-inf, -inf)
        """Where it begins and ends on the server's clock; an end that lies too far ahead to be believed is -inf."""
        self._caption_until = 0.0
        """Until when it counts."""
        self._voice_end = -NEARBY
        self._has_listed = False
        self._unlisted_speech = 0
        """Samples of speech since a packet last listed a source."""

    def add_hint(self, hint: Said, at: float) -> None:
        """Takes a hint of who speaks, which came at ``at``."""
        if not isinstance(hint, Caption):
            self._dominant = hint.history[0]
            return
        start, end = self._caption_span
        if hint.start < start and hint.end < end and at < self._caption_until:
            return
        self._caption_span = (hint.start, hint.end if hint.end <= at + MAX_OFFSET else -inf)
        self._captioned, self._caption_until = hint.user_id, at + UNFINISHED

    def attribution(self, packet: MixPacket) -> Attribution:
        """Whose speech the next packet is; they come in order of their places, apart from jitter between slots.

        A caption counts until UNFINISHED seconds after it came.
        """
        near_voice = packet.voiced or packet.position - self._voice_end < NEARBY
        if packet.voiced:
            self._voice_end = max(self._voice_end, packet.position + packet.samples)
        if packet.csrcs:
            self._has_listed = True
            self._unlisted_speech = 0
            return Attribution(packet.csrcs, SpeakerEvidence.CSRC)
        if packet.voiced:
            self._unlisted_speech += packet.samples
        if self._has_listed and self._unlisted_speech < UNLISTED_SPEECH:
            return UNKNOWN if packet.voiced else NOISE
        return self._by_hints(packet.position / SAMPLE_RATE) if near_voice else NOISE

    def _by_hints(self, moment: float) -> Attribution:
        if self._dominant is not None:
            return Attribution((self._dominant,), SpeakerEvidence.DSH)
        if self._captioned is not None and moment < self._caption_until:
            return Attribution((self._captioned,), SpeakerEvidence.CAPTIONS)
        return UNKNOWN
