"""Joins the decoded pieces of one speaker's speech to one stream without gaps, for receivers that count samples (pure)."""

from __future__ import annotations

from typing import Final

from worker.audio.decoder import Samples
from worker.audio.downsampling import step_of
from worker.audio.pcm_chunks import FILLED, LONGEST_CHUNK, MOST_BEHIND, Chunk

SILENT_AFTER: Final = FILLED
"""Silence follows the time by 200 ms: what comes late by jitter, or is concealed, still has its place then. Speech waits for
nothing: what is missing before it is filled at once."""


class PcmStream:
    """The stream of one speaker at ``rate``, which divides 48,000: it begins with their first word, and each chunk begins where
    the one before it ended. All positions are samples of meeting time at 48 kHz.
    """

    def __init__(self, rate: int, earliest: int = 0) -> None:
        """It does not begin before ``earliest``."""
        self._step = step_of(rate)
        self._longest = LONGEST_CHUNK // self._step
        self._silence = bytes(2 * self._longest)
        """A chunk of silence, the same for all: there may be a minute of it."""
        self._trimmed = 0
        self._begun = False
        self._start = earliest
        """The place of the first sample that waits."""
        self._end = earliest
        """Where the next sample goes."""
        self._waiting = bytearray()
        self._cut: list[Chunk] = []
        """Chunks that are complete."""

    @property
    def end(self) -> int:
        """Where the next sample goes."""
        return self._end

    def add(self, position: int, samples: Samples) -> None:
        """Adds ``samples``, which belong to ``position``. Up to MOST_BEHIND before the end they follow it whole."""
        if not self._begun:
            self._begun = True
            self._start = self._end = max(position, self._end)
        behind = self._end - position
        if behind > MOST_BEHIND:
            late = min(-(-behind // self._step), len(samples))
            self._trimmed += late
            samples = samples[late:]
        else:
            self._fill(position)
        self._waiting += samples.tobytes()
        self._end += len(samples) * self._step

    def be_silent_until(self, position: int) -> bool:
        """Adds silence up to SILENT_AFTER before ``position``, if speech has begun; returns whether any was missing."""
        end = self._end
        if self._begun:
            self._fill(position - SILENT_AFTER)
        return self._end > end

    def take(self) -> list[Chunk]:
        """Removes and returns all that was added, in chunks of at most LONGEST_CHUNK (worker.audio.pcm_chunks)."""
        self._cut_off()
        taken, self._cut = self._cut, []
        return taken

    def take_trimmed(self) -> int:
        """The samples at ``rate`` since the last call that were left out because the stream had passed their place."""
        trimmed, self._trimmed = self._trimmed, 0
        return trimmed

    def _cut_off(self) -> None:
        waiting, longest = bytes(self._waiting), 2 * self._longest
        for at in range(0, len(waiting), longest):
            self._cut.append(Chunk(self._start + at // 2 * self._step, waiting[at : at + longest]))
        self._waiting.clear()
        self._start = self._end

    def _fill(self, position: int) -> None:
        """Adds silence up to ``position``, in whole samples."""
        missing = max(0, position - self._end) // self._step
        if missing >= self._longest:
            self._cut_off()
            whole, missing = divmod(missing, self._longest)
            for _ in range(whole):
                self._cut.append(Chunk(self._end, self._silence))
                self._end += self._longest * self._step
            self._start = self._end
        self._waiting += bytes(2 * missing)
        self._end += missing * self._step
