"""Decides packet by packet whose stems a mix goes into (pure).

The order is: the packet's own CSRC list, the dominant-speaker history, captions, and, where nothing tells, an unknown
speaker.

A packet that lists somebody is decided at once. In a call whose packets do list who speaks, one that lists nobody is comfort
noise where its encoder found no voice in it, and an unknown speaker's where it did. In all other calls a packet waits until
what is told late has been told: LAG_MOST seconds for the dominant speaker, CAPTIONS_WAIT for captions. Sound without a voice
that is not near any is noise there as well. Noise stays in the mixed audio and goes into no stem; everything else goes into at
least one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from worker.audio.opus import SAMPLE_RATE
from worker.roster.speaking import Caption, Said
from worker.stems.attribution import ToldBy
from worker.stems.captions import Captions
from worker.stems.dominance import EARLY_MOST, LAG_MOST, DominantSpeakers
from worker.stems.jitter_buffer import WINDOW_SECONDS
from worker.stems.lag_estimate import Beginnings
from worker.stems.mix_slot import Sound

HEARD_AFTER = WINDOW_SECONDS + 0.25
"""Seconds after which a packet has been placed: the reordering window, and a batch of events."""

DOMINANCE_WAIT = LAG_MOST + EARLY_MOST + HEARD_AFTER
"""Seconds after which nothing more can be told of who was dominant."""

CAPTIONS_WAIT = 8.0
"""Seconds that a packet waits for captions; less than SETTLED_AFTER of worker.rendering.renderer, past which its place is
gone."""

PAUSE = SAMPLE_RATE // 4
"""After 250 ms without a voice, speech begins anew."""

NEARBY = SAMPLE_RATE // 2
"""Sound within 500 ms of a voice belongs to it: quiet parts and ends of words."""

UNLISTED_SPEECH = 5 * SAMPLE_RATE
"""After so much speech that lists nobody, a call whose packets once did is one whose packets do not."""


class Attribution(NamedTuple):
    """Whose a packet is: source ids where CSRCs or the history told, user ids where captions did; and what told it."""

    speakers: tuple[int | str, ...]
    told_by: ToldBy


NOISE = Attribution((), ToldBy.CSRC)
"""The packet goes into no stem."""

UNKNOWN = Attribution((), ToldBy.NONE)


class Gate:
    """Holds the packets of a mix until it is known whose they are, and hands them on in order."""

    def __init__(self, hand_on: Callable[[Sound, Attribution], None]) -> None:
        self._hand_on = hand_on
        self._waiting: deque[Sound] = deque()
        self._beginnings = Beginnings()
        self._dominance = DominantSpeakers(self._beginnings)
        self._captions = Captions(self._beginnings)
        self._voice_end = -NEARBY
        self._has_listed = False
        self._unlisted = 0
        """Samples of speech since somebody was last listed."""

    def tell(self, said: Said, at: float) -> None:
        """The platform tells who is dominant, or captions somebody; ``at`` in seconds of meeting time, captions too."""
        if isinstance(said, Caption):
            self._captions.tell(said)
        else:
            self._dominance.tell(at, said.history)

    def push(self, sound: Sound) -> None:
        """Takes a packet at its place; they come in order of their places, but for jitter between slots."""
        if sound.csrcs:
            self._has_listed = True
            self._unlisted = 0
        elif sound.voiced:
            self._unlisted += sound.samples
        if sound.voiced:
            self._hear_voice(sound)
        else:
            sound.near_voice = sound.position - self._voice_end < NEARBY
        self._waiting.append(sound)

    def decide(self, now: float) -> None:
        """Hands on what can be decided at meeting time ``now`` (seconds)."""
        waiting = self._waiting
        while waiting:
            attribution = self._attribution(waiting[0], now)
            if attribution is None:
                return
            self._hand_on(waiting.popleft(), attribution)

    def _hear_voice(self, sound: Sound) -> None:
        if sound.position - self._voice_end >= PAUSE:
            self._beginnings.add(sound.position / SAMPLE_RATE)
            for earlier in reversed(self._waiting):
                if sound.position - earlier.position - earlier.samples >= NEARBY:
                    break
                earlier.near_voice = True
        self._voice_end = max(self._voice_end, sound.position + sound.samples)

    def _attribution(self, sound: Sound, now: float) -> Attribution | None:
        """None: not yet."""
        if sound.csrcs:
            return Attribution(sound.csrcs, ToldBy.CSRC)
        if self._has_listed and self._unlisted < UNLISTED_SPEECH:
            return UNKNOWN if sound.voiced else NOISE
        if now < sound.position / SAMPLE_RATE + DOMINANCE_WAIT:
            return None
        return self._by_hearsay(sound.position / SAMPLE_RATE, now) if sound.near_voice else NOISE

    def _by_hearsay(self, moment: float, now: float) -> Attribution | None:
        """What is told about a moment; None: more may be told."""
        dominant = self._dominance.at(moment, now - HEARD_AFTER)
        if dominant is not None:
            return Attribution((dominant,), ToldBy.DSH)
        captioned: list[int | str] = list(self._captions.during(moment))
        if not captioned:
            if now < moment + CAPTIONS_WAIT:
                return None
            captioned = [user for user in [self._captions.near(moment)] if user is not None]
        return Attribution(tuple(captioned), ToldBy.CAPTIONS) if captioned else UNKNOWN
