"""Writes one speaker's packets at their places, with silence between them, into sinks (pure)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from worker.audio.opus import QUANTUM

SPURT_GAP = 12_000
"""Speech that pauses for less than 250 ms counts as one stretch, in samples."""


class PacketSink(Protocol):
    """Receives a stem's packets, one after the other from sample 0 on."""

    def write(self, position: int, samples: int, payload: bytes) -> None:
        """``position`` and ``samples`` at 48 kHz."""

    def be_silent(self, position: int, samples: int) -> None:
        """``samples`` of silence from ``position`` on, a multiple of 120."""


class SpeechSink(Protocol):
    """Receives the speech of a stem; between the calls it is silent."""

    def speak(self, position: int, samples: int, payload: bytes) -> None:
        """One packet of speech at ``position`` (samples at 48 kHz)."""

    def conceal(self, position: int, samples: int) -> None:
        """``samples`` of speech were lost at ``position``; the next packet comes after them."""


REMEMBERED_PAYLOADS = 150
"""Three seconds of packets, in which a second connection brings a copy of each."""


class Carrier(Protocol):
    """A slot that carries a source at present."""

    def brings(self, csrc: int | None, payload: bytes, place: int) -> bool:
        """Whether this slot goes on with the source after ``place`` (samples of meeting time), or has ``payload`` waiting."""

    def hand_over(self, csrc: int | None) -> None:
        """The source moves to another slot: first places the waiting rest of its talk-spurt here."""


class SpeakerTrack:
    """The stem of one source. ``end`` is where its next packet goes, in samples of meeting time.

    ``stem`` receives every sample, ``sinks`` only speech.
    """

    def __init__(self, stem: PacketSink, sinks: Sequence[SpeechSink] = ()) -> None:
        self._stem = stem
        self._sinks = tuple(sinks)
        self.end = 0
        self.speech_end = -SPURT_GAP
        """Where the last speech ended."""
        self.slot: Carrier | None = None
        """The slot that carries the source now."""
        self.received = 0
        self.recovered = 0
        self.lost = 0
        self.trimmed = 0
        """Packets that were left out because the sender's clock is fast and it did not pause."""
        self.recent: deque[bytes] = deque(maxlen=REMEMBERED_PAYLOADS)
        """The last payloads of speech."""
        self._spurts: list[tuple[int, int]] = []
        self._spurt_start = 0

    def speak(self, position: int, samples: int, payload: bytes) -> int:
        """Writes a packet of speech at ``position``, or at ``end`` if that is later; returns the place it got."""
        if position != self.end:
            self.be_silent_until(position)
            position = self.end
        if position != self.speech_end:
            self._note_pause(position)
        self._stem.write(position, samples, payload)
        for sink in self._sinks:
            sink.speak(position, samples, payload)
        self.recent.append(payload)
        self.end = self.speech_end = position + samples
        return position

    def repeats(self, payload: bytes) -> bool:
        """Whether a payload from elsewhere is a copy of a recent one; one that the sender itself repeats proves nothing."""
        return self.recent.count(payload) == 1

    def conceal(self, samples: int) -> None:
        """Speech was lost after the last packet: sinks conceal it, the stem will be silent there."""
        if self.end != self.speech_end:
            return
        for sink in self._sinks:
            sink.conceal(self.end, samples)

    def be_silent_until(self, position: int) -> None:
        """Writes silence up to ``position``, in whole steps of 2.5 ms. Does nothing if the stem is longer already."""
        gap = (position - self.end) // QUANTUM * QUANTUM
        if gap <= 0:
            return
        self._stem.be_silent(self.end, gap)
        self.end += gap

    def intervals(self) -> list[tuple[int, int]]:
        """The stretches of speech so far: (from, to) in samples of meeting time."""
        if self.speech_end < 0:
            return []
        return [*self._spurts, (self._spurt_start, self.speech_end)]

    def _note_pause(self, position: int) -> None:
        if position - self.speech_end < SPURT_GAP:
            return
        if self.speech_end >= 0:
            self._spurts.append((self._spurt_start, self.speech_end))
        self._spurt_start = position
