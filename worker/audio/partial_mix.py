"""Parts of a mix that several processes make: each adds up some of the speakers, and their sum is the mix (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from worker.audio.mixer import SILENCE, Sums
from worker.audio.opus import SAMPLE_RATE

SECOND_BYTES: Final = SAMPLE_RATE * 4
"""One second of sums: 32 bits a sample."""


class SecondsRing:
    """The newest seconds of a partial mix in a buffer that two processes share: second ``n`` takes the place of the one
    that many seconds before it as the buffer holds.

    Neither side waits for the other: the caller sees to it that a second is put before it is read, and read before it is
    overwritten.
    """

    def __init__(self, buffer: memoryview) -> None:
        """``buffer`` holds a whole number of seconds."""
        self._seconds = np.frombuffer(buffer, np.int32).reshape(-1, SAMPLE_RATE)

    def put(self, second: int, samples: Sums) -> bool:
        """Stores up to one second from its beginning on. Returns False if it is silent; it is not stored then."""
        if not samples.any():
            return False
        self._seconds[second % len(self._seconds), : len(samples)] = samples
        return True

    def get(self, second: int) -> Sums:
        """A view of the second; it is valid until the second is overwritten."""
        samples: Sums = self._seconds[second % len(self._seconds)]
        return samples


class Adder:
    """Adds parts of up to one second up, always in the same memory."""

    def __init__(self) -> None:
        self._total = np.empty_like(SILENCE)

    def add_up(self, parts: Sequence[Sums], count: int) -> Sums:
        """The sum of the first ``count`` samples of all ``parts``; silence without any.

        It is valid until the next call, or until a part changes.
        """
        if len(parts) < 2:
            return (parts[0] if parts else SILENCE)[:count]
        total = self._total[:count]
        np.add(parts[0][:count], parts[1][:count], out=total)
        for part in parts[2:]:
            total += part[:count]
        return total
