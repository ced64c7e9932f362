"""Adds all speakers up to one mix that is sent while the meeting runs (pure)."""

from __future__ import annotations

from typing import Final

import numpy as np

from worker.audio.decoder import Samples
from worker.audio.downsampling import step_of
from worker.audio.opus import SAMPLE_RATE
from worker.audio.pcm_chunks import LONGEST_CHUNK, Chunk

MOST_AHEAD: Final = 5 * SAMPLE_RATE
"""Sound is at most 5 s ahead of what was taken; a packet ends at most a second after its arrival (worker.stems.placement)."""


class LiveMixer:
    """The sum of all speakers at ``rate``, clipped, from meeting time 0 on. Positions are samples at 48 kHz."""

    def __init__(self, rate: int) -> None:
        self.left_out = 0
        """Samples at ``rate`` that came after their moment was taken, or too far ahead; they are not in the mix."""
        self.earliest: int | None = None
        """Where the first of the sound lies that was added since the last ``take``; None: none was."""
        self.step = step_of(rate)
        """Samples at 48 kHz in one sample of the mix."""
        self._sums = np.zeros(MOST_AHEAD // self.step, np.int32)
        self._silence = bytes(2 * (LONGEST_CHUNK // self.step))
        """A chunk of silence, the same for all: there may be hours of it."""
        self._start = 0
        """The place of the first sum."""
        self._filled = 0
        """Sums from here on are 0."""

    @property
    def end(self) -> int:
        """Where the last sound ends, or what was taken."""
        return self._start + self._filled * self.step

    def add(self, position: int, samples: Samples) -> None:
        """Adds ``samples`` at ``position``."""
        self.earliest = position if self.earliest is None else min(self.earliest, position)
        at = (position - self._start) // self.step
        if at < 0:
            self.left_out += min(-at, len(samples))
            samples, at = samples[-at:], 0
        end = at + len(samples)
        if end > len(self._sums):
            self.left_out += len(samples)
            return
        self._sums[at:end] += samples
        self._filled = max(self._filled, end)

    def take(self, until: int) -> list[Chunk]:
        """Removes and returns the mix up to ``until`` in chunks of at most LONGEST_CHUNK, one after the other."""
        self.earliest = None
        taken = []
        longest = LONGEST_CHUNK // self.step
        while (count := min(longest, (until - self._start) // self.step)) > 0:
            taken.append(Chunk(self._start, self._next(count)))
            self._start += count * self.step
        return taken

    def _next(self, count: int) -> bytes:
        """Removes the first ``count`` sums."""
        filled = self._filled
        if not filled:
            return self._silence if 2 * count == len(self._silence) else self._silence[: 2 * count]
        pcm = np.clip(self._sums[:count], -32_768, 32_767).astype("<i2").tobytes()
        left = max(0, filled - count)
        self._sums[:left] = self._sums[count : count + left]
        self._sums[left:filled] = 0
        self._filled = left
        return pcm
