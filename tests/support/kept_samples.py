"""A sink of a mix that keeps its samples."""

from __future__ import annotations

import numpy as np

from worker.audio.mixer import Sums


class KeptSamples:
    """The sink."""

    def __init__(self) -> None:
        self.parts: list[Sums] = []
        self.closed = False

    def write(self, samples: Sums) -> None:
        self.parts.append(samples.copy())

    def close(self) -> None:
        self.closed = True

    @property
    def samples(self) -> Sums:
        return np.concatenate(self.parts) if self.parts else np.zeros(0, np.int32)
