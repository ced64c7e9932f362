"""The mix's file, which fails alone: after an error it ends where it is, and nothing is raised."""

from __future__ import annotations

import logging
from pathlib import Path

from worker.audio.mixer import Sums
from worker.audio.opus import SAMPLE_RATE
from worker.audio.wav import WavWriter

logger = logging.getLogger(__name__)


class MixFile:
    """A WAV file in ``path``: the sink of a mix, whose methods do not raise."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failure: Exception | None = None
        """Why the file could not be written in full."""
        self._samples = 0
        self._file: WavWriter | None = None
        try:
            self._file = WavWriter(path)
        except Exception as error:  # noqa: BLE001 - whatever it is costs the mix alone
            self._fail(error)

    @property
    def seconds(self) -> float:
        """The length of what was written."""
        return self._samples / SAMPLE_RATE

    def write(self, samples: Sums) -> None:
        """Appends samples, unless an earlier call failed; see WavWriter."""
        if self._file is None or self.failure is not None:
            return
        try:
            self._file.write(samples)
        except Exception as error:  # noqa: BLE001 - whatever it is costs the mix alone
            self._fail(error)
        else:
            self._samples += len(samples)

    def close(self) -> None:
        """Closes the file."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.close()
        except Exception as error:  # noqa: BLE001 - whatever it is costs the mix alone
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.failure = self.failure or error
        logger.warning("%s cannot be written: %s; the other files go on", self.path.name, error)
