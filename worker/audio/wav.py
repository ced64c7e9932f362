"""Writes the mix's file: 16-bit PCM, 48 kHz, mono, in RIFF/WAVE, and beyond 4 GiB in RF64 (EBU Tech 3306)."""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from pathlib import Path
from weakref import finalize

import numpy as np
import numpy.typing as npt

from worker.audio.opus import SAMPLE_RATE

LARGEST_RIFF = 0xFFFF_FFFE
"""Bytes that RIFF's 32-bit length can give; 0xFFFFFFFF stands for "see ds64" in RF64."""

SAMPLE_BYTES = 2

_FORMAT = struct.Struct("<4sIHHIIHH")
"""The format chunk: its id and size, PCM, channels, sample rate, bytes a second, bytes a sample, bits a sample."""

_DS64 = struct.Struct("<4sIQQQI")
"""Chunk id and size; the lengths of file, data and samples that are too long for 32 bits; the length of an empty table."""

HEADER_BYTES = 12 + _DS64.size + _FORMAT.size + 8

_BEYOND_32_BITS = 0xFFFF_FFFF


class WavWriter:
    """Appends samples. The header is correct after each call, so a file whose writer was killed can be played as well.

    The header has room for RF64's lengths in a JUNK chunk, which readers skip; above LARGEST_RIFF bytes it becomes ``ds64``.
    Raises OSError if the file cannot be written; it ends with the samples of the last call that did not raise then.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._data_bytes = 0
        # New memory for each second would cost more, page by page, than the work on it.
        self._clipped = np.empty(SAMPLE_RATE, "<i2")
        # A rendering that breaks off does not close it.
        finalize(self, self._file.close)
        try:
            self._append(header(0))
        except OSError:
            self._file.close()
            raise

    def write(self, samples: npt.NDArray[np.int32]) -> None:
        """Appends samples, clipped to 16 bits."""
        count = len(samples)
        if count > len(self._clipped):
            self._clipped = np.empty(count, "<i2")
        clipped = self._clipped[:count]
        np.clip(samples, -32768, 32767, out=clipped, casting="unsafe")
        self._append(clipped.view(np.uint8).data)
        self._data_bytes += clipped.nbytes
        os.pwrite(self._file.fileno(), header(self._data_bytes), 0)

    def close(self) -> None:
        """Closes the file, without what a failed call may have written of its samples."""
        with suppress(OSError):
            self._file.truncate(HEADER_BYTES + self._data_bytes)
        self._file.close()

    def _append(self, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]


def header(data_bytes: int, rate: int = SAMPLE_RATE) -> bytes:
    """The header, HEADER_BYTES long, of a file with ``data_bytes`` of samples, ``rate`` per second."""
    riff_bytes = HEADER_BYTES - 8 + data_bytes
    if riff_bytes <= LARGEST_RIFF:
        form, length, data_length = b"RIFF", riff_bytes, data_bytes
        room = _DS64.pack(b"JUNK", _DS64.size - 8, 0, 0, 0, 0)
    else:
        form, length, data_length = b"RF64", _BEYOND_32_BITS, _BEYOND_32_BITS
        room = _DS64.pack(b"ds64", _DS64.size - 8, riff_bytes, data_bytes, data_bytes // SAMPLE_BYTES, 0)
    return b"".join(
        (
            struct.pack("<4sI4s", form, length, b"WAVE"),
            room,
            _FORMAT.pack(b"fmt ", 16, 1, 1, rate, rate * SAMPLE_BYTES, SAMPLE_BYTES, 16),
            struct.pack("<4sI", b"data", data_length),
        )
    )
