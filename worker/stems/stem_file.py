"""A stem's file that fails alone: after an error it ends where it is, and nothing is raised."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

from worker.audio.opus import SAMPLE_RATE
from worker.audio.webm import WebmWriter

logger = logging.getLogger(__name__)

WRITTEN_AT_ONCE = 1 << 16
"""Packets that are written in one call while the file is closed."""


class StemFile:
    """A WebM file in ``path`` whose methods do not raise.

    PyAV raises its own errors beside OSError, some of them only when the file is closed; what was written before stays.
    """

    def __init__(self, path: Path) -> None:
        self.failure: Exception | None = None
        """Why the file could not be written in full."""
        self.ends_at: float | None = None
        """Where writing failed, in seconds of meeting time: the file ends there or a little before. None: at its end."""
        self.waits = False
        """Whether something waits for ``write_due``."""
        self._path = path
        self._file: WebmWriter | None = None
        try:
            self._file = WebmWriter(path)
            self.waits = self._file.waits
        except Exception as error:  # noqa: BLE001 - whatever it is costs this file alone
            self._fail(error, 0)

    def write(self, position: int, samples: int, payload: bytes) -> None:
        """Adds a packet; see WebmWriter."""
        file = self._file
        if file is None:
            return
        try:
            file.write(position, samples, payload)
        except Exception as error:  # noqa: BLE001 - whatever it is costs this file alone
            self._fail(error, position)

    def be_silent(self, position: int, samples: int) -> None:
        """Adds silence; see WebmWriter."""
        file = self._file
        if file is None:
            return
        try:
            file.be_silent(position, samples)
            self.waits = file.waits
        except Exception as error:  # noqa: BLE001 - whatever it is costs this file alone
            self._fail(error, position)

    def write_due(self, most: int) -> int:
        """Writes some of the packets that wait; see WebmWriter."""
        file = self._file
        if file is None:
            return 0
        try:
            written = file.write_due(most)
            self.waits = file.waits
        except Exception as error:  # noqa: BLE001 - whatever it is costs this file alone
            self._fail(error, file.position)
            return 0
        return written

    def close(self) -> None:
        """Completes the file, unless it failed before."""
        while self.write_due(WRITTEN_AT_ONCE):
            pass
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.close()
        except Exception as error:  # noqa: BLE001 - whatever it is costs this file alone
            self._fail(error, None)

    def _fail(self, error: Exception, position: int | None) -> None:
        file, self._file = self._file, None
        self.waits = False
        self.failure = error
        self.ends_at = None if position is None else position / SAMPLE_RATE
        logger.info("%s cannot be written: %s; the other files go on", self._path.name, error)
        if file is not None:
            # Closing writes what is buffered, if there is room; its error is the one that is already kept.
            with suppress(Exception):
                file.close()
