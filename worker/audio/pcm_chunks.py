"""Joins the decoded pieces of one speaker's speech to chunks without gaps (pure)."""

from __future__ import annotations

from typing import Final, NamedTuple

from worker.audio.decoder import Samples
from worker.audio.downsampling import step_of
from worker.audio.opus import SAMPLE_RATE

LONGEST_CHUNK: Final = SAMPLE_RATE // 10
"""100 ms, in samples at 48 kHz."""

FILLED: Final = SAMPLE_RATE // 5
"""A gap of up to 200 ms inside speech is filled with silence once speech goes on; a longer one is a pause."""

MOST_BEHIND: Final = SAMPLE_RATE // 100
"""10 ms: pieces whose place is up to this much before the end of those before them follow them without a gap."""


class Chunk(NamedTuple):
    """``pcm`` is S16LE, mono; its first sample belongs to ``position`` (samples of meeting time at 48 kHz)."""

    position: int
    pcm: bytes


class PcmChunks:
    """The chunks of one speaker at ``rate``, which divides 48,000. All positions are samples of meeting time at 48 kHz."""

    def __init__(self, rate: int) -> None:
        self._step = step_of(rate)
        self._longest = LONGEST_CHUNK // self._step * 2
        self._begun = False
        self._start = 0
        """The place of the first piece that waits."""
        self._end = 0
        """Where the next piece goes."""
        self._waiting = bytearray()
        self._cut: list[Chunk] = []
        """Chunks that are complete."""

    def add(self, position: int, samples: Samples) -> None:
        """Adds ``samples``, which belong to ``position``."""
        gap = position - self._end
        if not self._begun or gap > FILLED or gap < -MOST_BEHIND:
            self._begun = True
            self._cut_off()
            self._start = self._end = position
        elif gap > 0:
            self._fill(gap)
        self._waiting += samples.tobytes()
        self._end += len(samples) * self._step

    def take(self) -> list[Chunk]:
        """Removes and returns all that was added, in chunks of at most LONGEST_CHUNK."""
        self._cut_off()
        taken, self._cut = self._cut, []
        return taken

    def _cut_off(self) -> None:
        """What is added from here on goes into another chunk."""
        waiting, longest = bytes(self._waiting), self._longest
        for at in range(0, len(waiting), longest):
            self._cut.append(Chunk(self._start + at // 2 * self._step, waiting[at : at + longest]))
        self._waiting.clear()
        self._start = self._end

    def _fill(self, gap: int) -> None:
        self._waiting += bytes(gap // self._step * 2)
        self._end += gap // self._step * self._step
