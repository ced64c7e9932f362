"""Reduces PCM at 48 kHz to a lower rate while it is decoded (pure)."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from worker.audio.opus import SAMPLE_RATE

TAPS: Final = 96
"""Length of the low-pass filter, 2 ms: at 16 kHz it passes up to 6.6 kHz, and 60 dB less from 9 kHz on."""

PASSED: Final = 0.92
"""The filter's cut-off frequency, as a share of half the lower rate."""

Samples = npt.NDArray[np.int16]

Filter = npt.NDArray[np.float32]


class Downsampler:
    """Reduces one speaker's PCM, piece by piece. What it returns is 1 ms late, the delay of its filter."""

    def __init__(self, rate: int) -> None:
        """``rate`` divides 48,000."""
        self._step = step_of(rate)
        self._taps = _low_pass(self._step)
        self._past: Filter = np.zeros(TAPS - 1, np.float32)

    def reset(self) -> None:
        """What follows does not continue what came before."""
        self._past = np.zeros(TAPS - 1, np.float32)

    def reduce(self, samples: Samples) -> Samples:
        """The next ``samples`` at the lower rate; their number is a multiple of 120."""
        source: Filter = np.concatenate((self._past, samples.astype(np.float32)))
        self._past = source[-(TAPS - 1) :]
        shape, strides = (len(samples) // self._step, TAPS), (self._step * source.itemsize, source.itemsize)
        windows = np.ndarray(shape, np.float32, source, strides=strides)
        # The product of a matrix whose rows overlap takes three times as long as the copy and that of the copy.
        reduced = np.ascontiguousarray(windows) @ self._taps
        clipped: Samples = np.clip(np.rint(reduced), -32_768, 32_767).astype(np.int16)
        return clipped


def step_of(rate: int) -> int:
    """The samples at 48 kHz in one sample at ``rate``. Raises ValueError where it is no whole number."""
    step, rest = divmod(SAMPLE_RATE, rate)
    if rest:
        raise ValueError(f"rate {rate}: does not divide {SAMPLE_RATE}")
    return step


@cache
def _low_pass(step: int) -> Filter:
    """A windowed sinc (Hamming) that passes what a rate lower by ``step`` can hold."""
    cutoff = PASSED / step
    moments = np.arange(TAPS) - (TAPS - 1) / 2
    taps = np.sinc(cutoff * moments) * np.hamming(TAPS)
    reduced: Filter = (taps / taps.sum()).astype(np.float32)
    return reduced
