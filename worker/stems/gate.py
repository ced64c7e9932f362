"""Decides for each packet of a mix whose stems it goes into (pure).

The evidence is, in this order: the packet's own CSRC list, the dominant-speaker history, captions. Without any, the packet is
an unknown speaker's.

A packet that lists a source is decided at once. In a call whose packets list sources, one without is comfort noise if its
encoder found no voice in it, and an unknown speaker's otherwise. In all other calls a packet waits for hints that come late:
DOMINANCE_WAIT seconds for the dominant speaker, CAPTIONS_WAIT for captions; a packet without a voice in it or nearby is noise
there as well. Noise stays in the mixed audio and goes into no stem; every other packet goes into at least one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from worker.audio.opus import SAMPLE_RATE
from worker.roster.speaking import Caption, Said
from worker.stems.attribution import SpeakerEvidence
from worker.stems.captions import Captions
from worker.stems.dominance import MAX_EARLY, MAX_LAG, DominantSpeakers
from worker.stems.jitter_buffer import WINDOW_SECONDS
from worker.stems.lag_estimate import SpeechOnsets
from worker.stems.mix_slot import MixPacket
from worker.tape.events import LONGEST_BATCH

PLACED_AFTER = WINDOW_SECONDS + LONGEST_BATCH + 0.15
"""Seconds after its arrival within which a packet is placed: the reordering window, a batch, and its way from the page."""

DOMINANCE_WAIT = MAX_LAG + MAX_EARLY + PLACED_AFTER
"""Seconds after which no further change of the dominant speaker can concern a packet."""

CAPTIONS_WAIT = 8.0
"""Seconds that a packet waits for captions; less than SETTLED_AFTER of worker.rendering.renderer, when silence is written in
its place."""

PAUSE = SAMPLE_RATE // 4
"""After 250 ms without a voice, the next voice is a new speech onset."""

NEARBY = SAMPLE_RATE // 2
"""Packets within 500 ms of a voice belong to it: quiet parts and ends of words."""

UNLISTED_SPEECH = 5 * SAMPLE_RATE
"""After 5 s of speech without a CSRC, packets of the call no longer count as listing their sources."""


class Attribution(NamedTuple):
    """Whose speech a packet is: source ids from CSRCs or the history, user ids from captions; and the evidence for it."""

    speakers: tuple[int | str, ...]
    evidence: SpeakerEvidence


NOISE = Attribution((), SpeakerEvidence.CSRC)
"""The packet goes into no stem."""

UNKNOWN = Attribution((), SpeakerEvidence.NONE)


class Gate:
    """Holds the packets of a mix until they are attributed, and passes them on in order."""

    def __init__(self, pass_on: Callable[[MixPacket, Attribution], None]) -> None:
        self._pass_on = pass_on
        self._waiting: deque[MixPacket] = deque()
        self._onsets = SpeechOnsets()
        self._dominance = DominantSpeakers(self._onsets)
        self._captions = Captions(self._onsets)
        self._voice_end = -NEARBY
        self._has_listed = False
        self._unlisted_speech = 0
        """Samples of speech since a packet last listed a source."""

    def add_hint(self, hint: Said, at: float) -> None:
        """Takes a hint of who speaks, sent at ``at``; all times are seconds of meeting time, those of captions too."""
        if isinstance(hint, Caption):
            self._captions.add(hint)
        else:
            self._dominance.add(at, hint.history)

    def push(self, packet: MixPacket) -> None:
        """Takes the next packet; they come in order of their places, apart from jitter between slots."""
        if packet.csrcs:
            self._has_listed = True
            self._unlisted_speech = 0
        elif packet.voiced:
            self._unlisted_speech += packet.samples
        if packet.voiced:
            self._note_voice(packet)
        else:
            packet.near_voice = packet.position - self._voice_end < NEARBY
        self._waiting.append(packet)

    def decide(self, now: float) -> None:
        """Passes on the packets that can be attributed at meeting time ``now`` (seconds)."""
        waiting = self._waiting
        while waiting:
            attribution = self._attribution(waiting[0], now)
            if attribution is None:
                return
            self._pass_on(waiting.popleft(), attribution)

    def _note_voice(self, packet: MixPacket) -> None:
        if packet.position - self._voice_end >= PAUSE:
            self._onsets.add(packet.position / SAMPLE_RATE)
            for earlier in reversed(self._waiting):
                if packet.position - earlier.position - earlier.samples >= NEARBY:
                    break
                earlier.near_voice = True
        self._voice_end = max(self._voice_end, packet.position + packet.samples)

    def _attribution(self, packet: MixPacket, now: float) -> Attribution | None:
        """The packet's attribution; None while hints may still come."""
        if packet.csrcs:
            return Attribution(packet.csrcs, SpeakerEvidence.CSRC)
        if self._has_listed and self._unlisted_speech < UNLISTED_SPEECH:
            return UNKNOWN if packet.voiced else NOISE
        if now < packet.position / SAMPLE_RATE + DOMINANCE_WAIT:
            return None
        return self._by_hints(packet.position / SAMPLE_RATE, now) if packet.near_voice else NOISE

    def _by_hints(self, moment: float, now: float) -> Attribution | None:
        """The attribution of a moment by hints; None while captions may still come."""
        dominant = self._dominance.at(moment, now - PLACED_AFTER)
        if dominant is not None:
            return Attribution((dominant,), SpeakerEvidence.DSH)
        captioned: list[int | str] = list(self._captions.during(moment))
        if not captioned:
            if now < moment + CAPTIONS_WAIT:
                return None
            captioned = [user for user in [self._captions.near(moment)] if user is not None]
        return Attribution(tuple(captioned), SpeakerEvidence.CAPTIONS) if captioned else UNKNOWN
