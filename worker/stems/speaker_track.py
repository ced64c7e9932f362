"""Writes one speaker's packets at their places, with silence between them, into sinks (pure)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from worker.audio.opus import QUANTUM, SAMPLE_RATE
from worker.roster.voice import may_be_comfort_noise

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


COPIED_WITHIN = 3 * SAMPLE_RATE
"""A second connection brings a copy of each packet within three seconds."""

REMEMBERED_PAYLOADS = 150
"""Packets of 20 ms in COPIED_WITHIN."""


class Carrier(Protocol):
    """A slot that carries a source at present."""

    def brings(self, csrc: int | None, payload: bytes, place: int) -> bool:
        """Whether this slot goes on with the source after ``place`` (samples of meeting time), or has ``payload`` waiting."""

    def hand_over(self, csrc: int | None) -> None:
        """The source moves to another slot: first places the waiting rest of its talk-spurt here."""


class SpeakerTrack:
    """The stem of one source. ``end`` is where its next packet goes, in samples of meeting time.

    ``stem`` receives every sample, ``sinks`` only speech. A sink that raises gets nothing more; its error is in ``failures``.
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
        self.clock_end: int | None = None
        """The RTP timestamp (32-bit) at which the last talk-spurt in a slot that was closed ended; None: in silence."""
        self.recent: deque[bytes] = deque(maxlen=REMEMBERED_PAYLOADS)
        """The last payloads of speech."""
        self.failures: list[Exception] = []
        """What sinks raised."""
        self._spurts: list[tuple[int, int]] = []
        self._spurts_length = 0
        """The sum of the spurts, in samples."""
        self._spurt_start = 0
        self._first_end = 0
        """Where the first packet of the present stretch ends."""
        self._may_be_noise = False
        """The first packet of the present stretch may be a refresh of comfort noise."""
        self._is_spoken = False

    def speak(
        self, position: int, samples: int, payload: bytes, sinks: Sequence[SpeechSink] | None = None
    ) -> int:
        """Writes a packet of speech at ``position``, or at ``end`` if that is later; returns the place it got.

        ``sinks`` receive it in place of the track's own.
        """
        if position != self.end:
            self.be_silent_until(position)
            position = self.end
        if position != self.speech_end:
            self._note_pause(position, samples, payload)
        self._stem.write(position, samples, payload)
        for sink in self._sinks if sinks is None else sinks:
            try:
                sink.speak(position, samples, payload)
            except Exception as error:  # noqa: BLE001 - whatever a sink raises costs that sink alone
                self._drop(sink, error)
        self.recent.append(payload)
        self.end = self.speech_end = position + samples
        return position

    def expect_speech(self) -> None:
        """The next packet is speech even if it comes alone.

        The sender's clock stood still before it, so its encoder had no silence in which to refresh comfort noise.
        """
        self._is_spoken = True

    def repeats(self, payload: bytes, place: int) -> bool:
        """Whether a payload from elsewhere that belongs to ``place`` is a copy of a recent one.

        One that the sender itself repeats proves nothing.
        """
        return place - self.speech_end < COPIED_WITHIN and self.recent.count(payload) == 1

    def conceal(self, samples: int) -> None:
        """Speech was lost after the last packet: sinks conceal it, the stem will be silent there."""
        if self.end != self.speech_end:
            return
        for sink in self._sinks:
            try:
                sink.conceal(self.end, samples)
            except Exception as error:  # noqa: BLE001 - as above
                self._drop(sink, error)

    def be_silent_until(self, position: int) -> None:
        """Writes silence up to ``position``, in whole steps of 2.5 ms. Does nothing if the stem is longer already."""
        gap = (position - self.end) // QUANTUM * QUANTUM
        if gap <= 0:
            return
        self._stem.be_silent(self.end, gap)
        self.end += gap

    def intervals(self) -> list[tuple[int, int]]:
        """The stretches of speech so far: (from, to) in samples of meeting time. Lone packets of comfort noise are none."""
        if not self._is_speech():
            return list(self._spurts)
        return [*self._spurts, (self._spurt_start, self.speech_end)]

    def go_back(self, position: int) -> None:
        """The next packet may be placed from ``position`` on, before where speech ended: live, where that was too late."""
        self.end = self.speech_end = min(self.end, position)

    def forget_intervals(self) -> None:
        """Forgets the stretches of speech that are over, for a track that nobody asks for them."""
        self._spurts.clear()
        self._spurts_length = 0

    def _drop(self, sink: SpeechSink, error: Exception) -> None:
        self._sinks = tuple(each for each in self._sinks if each is not sink)
        self.failures.append(error)

    @property
    def speech_length(self) -> int:
        """The length of all stretches of speech so far, in samples."""
        return self._spurts_length + (self.speech_end - self._spurt_start if self._is_speech() else 0)

    @property
    def spoke_until(self) -> int:
        """Where the last stretch of speech ended, in samples; -SPURT_GAP before the first."""
        if self._is_speech():
            return self.speech_end
        return self._spurts[-1][1] if self._spurts else -SPURT_GAP

    def _note_pause(self, position: int, samples: int, payload: bytes) -> None:
        """Begins a stretch of speech with the packet at ``position``, if the pause before it is long enough."""
        is_spoken, self._is_spoken = self._is_spoken, False
        if position - self.speech_end < SPURT_GAP:
            return
        if self._is_speech():
            self._spurts.append((self._spurt_start, self.speech_end))
            self._spurts_length += self.speech_end - self._spurt_start
        self._spurt_start = position
        self._first_end = position + samples
        self._may_be_noise = not is_spoken and may_be_comfort_noise(payload)

    def _is_speech(self) -> bool:
        """Whether the present stretch is speech: it began, and is no refresh of comfort noise, which comes alone."""
        if self.speech_end < 0:
            return False
        return self.speech_end != self._first_end or not self._may_be_noise
