"""Parts of a mix that several processes make: each adds up some of the speakers, and their sum is the mix (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from worker.audio.mixer import SILENCE, Sums
from worker.audio.opus import SAMPLE_RATE

_SECOND_BYTES: Final = SAMPLE_RATE * 4
"""One second of sums: 32 bits a sample."""

_COUNT_BYTES: Final = 8


def ring_bytes(seconds: int) -> int:
    """The size of a buffer for a SecondsRing of this many ``seconds``, in bytes."""
    return seconds * _SECOND_BYTES + _COUNT_BYTES


class SecondsRing:
    """The newest seconds of a partial mix in a buffer that two processes share: a second overwrites the oldest one once the
    buffer is full.

    Neither side waits for the other: the caller ensures that a second is put before it is read, and read before it is
    overwritten.
    """

    def __init__(self, buffer: memoryview) -> None:
        """``buffer`` has ``ring_bytes``: the seconds, and how many were put."""
        self._seconds = np.frombuffer(buffer[:-_COUNT_BYTES], np.int32).reshape(-1, SAMPLE_RATE)
        self._count = np.frombuffer(buffer[-_COUNT_BYTES:], np.int64)

    @property
    def count(self) -> int:
        """Seconds that were put so far, as far as this side can see; for estimates only."""
        return int(self._count[0])

    def put(self, second: int, samples: Sums) -> bool:
        """Stores up to one second from its beginning on. Returns False if it is silent; it is not stored then."""
        sound = bool(samples.any())
        if sound:
            self._seconds[second % len(self._seconds), : len(samples)] = samples
        self._count[0] = second + 1
        return sound

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
