"""One speaker's stem while it grows: packets at their places, silence between them (pure; writes into sinks it is given)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from worker.audio.opus import QUANTUM

SPURT_GAP = 12_000
"""Speech that pauses for less than 250 ms counts as one stretch, in samples."""


class PacketSink(Protocol):
    """Takes a stem's packets, one behind the other from sample 0 on."""

    def write(self, position: int, samples: int, payload: bytes) -> None:
        """``position`` and ``samples`` at 48 kHz."""

    def be_silent(self, position: int, samples: int) -> None:
        """``samples`` of silence from ``position`` on, a multiple of 120."""


class SpeechSink(Protocol):
    """Takes what is to be heard of a stem; between the calls it is silent."""

    def speak(self, position: int, samples: int, payload: bytes) -> None:
        """One packet of speech at ``position`` (samples at 48 kHz)."""

    def conceal(self, position: int, samples: int) -> None:
        """``samples`` of speech were lost at ``position``; the next packet comes behind them."""


class Carrier(Protocol):
    """A slot that carries a source for the time being."""

    def hand_over(self, csrc: int | None) -> None:
        """The source goes on in another slot: what is left of its talk-spurt here goes first."""


class SpeakerTrack:
    """The stem of one source. ``end`` is where its next packet goes, in samples of meeting time.

    ``stem`` is given every sample, ``sinks`` only what is to be heard.
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
        """Packets left out because the sender's clock was fast and it never paused."""
        self._spurts: list[tuple[int, int]] = []
        self._spurt_start = 0

    def speak(self, position: int, samples: int, payload: bytes) -> int:
        """Writes a packet of speech at ``position``, or behind what stands there already; gives the place it got."""
        if position != self.end:
            self.be_silent_until(position)
            position = self.end
        if position != self.speech_end:
            self._note_pause(position)
        self._stem.write(position, samples, payload)
        for sink in self._sinks:
            sink.speak(position, samples, payload)
        self.end = self.speech_end = position + samples
        return position

    def conceal(self, samples: int) -> None:
        """Speech was lost behind the last packet; the stem will be silent there, what is decoded conceals it."""
        if self.end != self.speech_end:
            return
        for sink in self._sinks:
            sink.conceal(self.end, samples)

    def be_silent_until(self, position: int) -> None:
        """Lays silence up to ``position``, in whole steps of 2.5 ms. Does nothing where the stem is longer already."""
        gap = (position - self.end) // QUANTUM * QUANTUM
        if gap <= 0:
            return
        self._stem.be_silent(self.end, gap)
        self.end += gap

    def intervals(self) -> list[tuple[int, int]]:
        """The stretches that hold speech so far: (from, to) in samples of meeting time."""
        if self.speech_end < 0:
            return []
        return [*self._spurts, (self._spurt_start, self.speech_end)]

    def _note_pause(self, position: int) -> None:
        if position - self.speech_end < SPURT_GAP:
            return
        if self.speech_end >= 0:
            self._spurts.append((self._spurt_start, self.speech_end))
        self._spurt_start = position
