"""Writes a WAV file whose sound comes in pieces, each with its place: 16-bit PCM, mono, any rate."""

from __future__ import annotations

import os
from pathlib import Path
from weakref import finalize

from worker.audio.wav import HEADER_BYTES, SAMPLE_BYTES, header


class PlacedWav:
    """Silence is where nothing was placed; most file systems need no room for it. The header is correct after each call.

    Raises OSError if the file cannot be written.
    """

    def __init__(self, path: Path, rate: int) -> None:
        self._file = path.open("wb", buffering=0)
        self._rate = rate
        self._data_bytes = 0
        # A listener that breaks off does not close it.
        finalize(self, self._file.close)
        self._write(header(0, rate), 0)

    @property
    def samples(self) -> int:
        """The length of the file so far."""
        return self._data_bytes // SAMPLE_BYTES

    def place(self, position: int, pcm: bytes) -> None:
        """Puts S16LE samples at sample ``position``, at least 0, over what may be there already."""
        self._write(pcm, HEADER_BYTES + position * SAMPLE_BYTES)
        self._grow(position * SAMPLE_BYTES + len(pcm))

    def close(self, samples: int = 0) -> None:
        """Closes the file, at least ``samples`` long."""
        self._grow(samples * SAMPLE_BYTES)
        self._file.truncate(HEADER_BYTES + self._data_bytes)
        self._file.close()

    def _grow(self, data_bytes: int) -> None:
        if data_bytes > self._data_bytes:
            self._data_bytes = data_bytes
            self._write(header(data_bytes, self._rate), 0)

    def _write(self, data: bytes, at: int) -> None:
        rest = memoryview(data)
        while rest:
            written = os.pwrite(self._file.fileno(), rest, at)
            rest, at = rest[written:], at + written
