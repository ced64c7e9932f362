"""Writes the mix's file: 16-bit PCM, 48 kHz, mono, in RIFF/WAVE."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from worker.audio.opus import SAMPLE_RATE


class WavWriter:
    """Appends samples; ``close`` completes the header. Raises OSError if the file cannot be written.

    A WAVE file holds at most 4 GiB: 12.4 hours.
    """

    def __init__(self, path: Path) -> None:
        self._file = wave.open(str(path), "wb")  # noqa: SIM115 - it stays open while the meeting runs
        self._file.setnchannels(1)
        self._file.setsampwidth(2)
        self._file.setframerate(SAMPLE_RATE)

    def write(self, samples: npt.NDArray[np.int32]) -> None:
        """Appends samples, clipped to 16 bits."""
        self._file.writeframesraw(np.clip(samples, -32768, 32767).astype("<i2").tobytes())

    def close(self) -> None:
        """Writes the lengths into the header and closes the file."""
        self._file.close()
