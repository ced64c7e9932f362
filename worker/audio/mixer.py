"""Adds all speakers up to one mix while the meeting runs (pure)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from worker.audio.decoder import DecoderPool, Samples, SpeechDecoder
from worker.audio.opus import SAMPLE_RATE

Sums = npt.NDArray[np.int32]


class SampleSink(Protocol):
    """Receives the finished mix in order. It does not raise."""

    def write(self, samples: Sums) -> None:
        """Appends samples at 48 kHz; full scale is that of 16 bits, the sink clips what is louder.

        They are valid during the call only: the array is used again.
        """

    def close(self) -> None:
        """Called once, after the last samples."""


class MixInput(Protocol):
    """Takes one source's packets into a mix: the calls of SpeechDecoder."""

    def speak(self, position: int, samples: int, payload: bytes) -> None:
        """Adds a packet of speech at ``position``; packets come in order."""

    def conceal(self, position: int, samples: int) -> None:
        """Conceals ``samples`` of lost speech at ``position``, where the last packet ended."""


class Mix(Protocol):
    """The operations of Mixer, in one process or in several."""

    @property
    def undecodable(self) -> int:
        """Packets that could not be decoded; they are silent in the mix. Complete after ``close``."""

    def open_input(self) -> MixInput:
        """Returns an input for one source. It needs no closing."""

    def write_until(self, position: int) -> None:
        """No more speech comes before ``position`` (samples of meeting time)."""

    def close(self, end: int) -> None:
        """Writes all up to ``end`` (samples of meeting time) and closes the sink."""


OpenMix: TypeAlias = Callable[[SampleSink], Mix]
"""Creates the mix of a recording, which is written to a sink."""

SILENCE: Final = np.zeros(SAMPLE_RATE, np.int32)
"""One second, not to be written to."""
SILENCE.flags.writeable = False


class Mixer:
    """The sum of all speakers. It is written in whole seconds; speech can be added to seconds that are not yet written."""

    def __init__(self, sink: SampleSink) -> None:
        self._sink = sink
        self._start = 0
        """Meeting time of the first second that is not yet written, in samples."""
        self._seconds: deque[Sums | None] = deque()
        """The sums of the seconds from ``_start`` on; None for a second in which nobody has spoken."""
        self._spare: list[Sums] = []
        """Zeros of seconds that are written: new memory for each would cost more, page by page, than the sum."""
        self._decoders = DecoderPool()

    @property
    def undecodable(self) -> int:
        """Packets that could not be decoded; they are silent in the mix."""
        return self._decoders.undecodable

    def open_input(self) -> SpeechDecoder:
        """Returns a decoder whose output is added to the mix: one for each source. It needs no closing."""
        return SpeechDecoder(self, self._decoders)

    def add(self, position: int, samples: Samples) -> None:
        """Adds samples at ``position`` (samples of meeting time); those in seconds already written are left out."""
        position -= self._start
        if position < 0:
            samples = samples[-position:]
            position = 0
        while len(samples):
            second, at = divmod(position, SAMPLE_RATE)
            while second >= len(self._seconds):
                self._seconds.append(None)
            sums = self._seconds[second]
            if sums is None:
                sums = self._seconds[second] = self._spare.pop() if self._spare else np.zeros_like(SILENCE)
            part = samples[: SAMPLE_RATE - at]
            sums[at : at + len(part)] += part
            samples = samples[len(part) :]
            position += len(part)

    def write_until(self, position: int) -> None:
        """Writes the whole seconds before ``position`` (samples of meeting time)."""
        self._decoders.settle(position)
        while self._start + SAMPLE_RATE <= position:
            self._write_second(SAMPLE_RATE)

    def close(self, end: int) -> None:
        """Writes the rest up to ``end`` (samples of meeting time) and closes the sink."""
        self.write_until(end)
        if end > self._start:
            self._write_second(end - self._start)
        self._sink.close()

    def _write_second(self, count: int) -> None:
        second = self._seconds.popleft() if self._seconds else None
        self._sink.write((SILENCE if second is None else second)[:count])
        if second is not None:
            second.fill(0)
            self._spare.append(second)
        self._start += count
