"""Leaves video out while the disk is nearly full: it has most of the bytes, and what remains is for the audio.

A quota can be used up while the disk says that there is room. So as much as the audio needs for most of an hour is set aside
while video is written, and given to the audio once the disk refuses anything.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final

from worker.errors import cause
from worker.tape.writer import NO_ROOM

logger = logging.getLogger(__name__)

RESERVE: Final = 2 * 1024**3
"""Bytes that video leaves free. An hour of audio takes about 600 MB, with its tape and its files: that is more than three
hours, or, where other bots share the disk, time to see the warning."""

ENOUGH: Final = 3 * 1024**3
"""Bytes that must be free until video goes on: it does not come and go by the minute."""

CHECK_SECONDS: Final = 2.0
"""Seconds between two looks at the disk: far more video than nine cameras send would take 20 MB."""

SET_ASIDE: Final = 512 * 1024 * 1024
"""Bytes that no video can take, whatever the disk says of itself: 50 minutes of audio."""

FULL_SECONDS: Final = 60.0
"""Seconds that video is left out at least once the disk took no more of it: what says so takes room, too."""


class AudioReserve:
    """Bytes of the disk of ``folder`` that are set aside: a file without a name, which does not outlive the process."""

    def __init__(self, folder: Path, size: int = SET_ASIDE) -> None:
        self._folder = folder
        self._size = size
        self._file: IO[bytes] | None = None
        self._is_possible = True

    @property
    def is_held(self) -> bool:
        """Whether the bytes are set aside."""
        return self._file is not None

    def hold(self) -> bool:
        """Sets the bytes aside; returns False if the disk does not have them. Where the file system can set nothing aside, or a
        file may not be so large, there is nothing to hold, and it returns True."""
        if self.is_held or not self._is_possible:
            return True
        try:
            file = TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 - it stays open
            try:
                _allocate(file.fileno(), self._size)
            except OSError:
                file.close()
                raise
        except OSError as error:
            if error.errno in NO_ROOM:
                return False
            self._is_possible = False
            logger.info("no room is set aside for audio: %s", cause(error))
        else:
            self._file = file
        return True

    def release(self) -> bool:
        """Gives the bytes back; returns whether any were set aside."""
        file, self._file = self._file, None
        if file is None:
            return False
        file.close()
        return True


class VideoRoom:
    """Whether the disk has room for video. ``free_bytes`` returns how much is free now, None if that cannot be known.

    While there is room, ``reserve`` is held.
    """

    def __init__(self, free_bytes: Callable[[], int | None], reserve: AudioReserve | None = None) -> None:
        self._free_bytes = free_bytes
        self._reserve = reserve
        self._checked_at: float | None = None
        self._full_until: float | None = None
        self.is_left = True
        """Whether video may be written, as of the last check; where the disk does not tell, it may."""

    def check(self, now: float) -> None:
        """Looks at the disk where the last look is CHECK_SECONDS ago, by any clock."""
        if self._checked_at is not None and 0 <= now - self._checked_at < CHECK_SECONDS:
            return
        self._checked_at = now
        if self._full_until is not None and 0 < self._full_until - now <= FULL_SECONDS:
            return
        free = self._free_bytes()
        self.is_left = free is None or free >= (RESERVE if self.is_left else ENOUGH)
        if self._reserve is not None:
            if not self.is_left:
                self._reserve.release()
            elif not self._reserve.hold():
                self.refused(now)

    def refused(self, now: float) -> bool:
        """The disk took no more at ``now``, whatever it said: a quota may be below its size.

        Returns whether there is room again, which was set aside.
        """
        self._full_until = now + FULL_SECONDS
        self.is_left = False
        return self._reserve is not None and self._reserve.release()

    def close(self) -> None:
        """Gives back what is set aside."""
        if self._reserve is not None:
            self._reserve.release()


def open_video_room(folder: Path) -> VideoRoom:
    """The room on the disk of ``folder``, of which a part is set aside while there is some."""
    return VideoRoom(partial(free_bytes, folder), AudioReserve(folder))


def _allocate(file: int, size: int) -> None:
    """Has the file system keep ``size`` bytes for an open file. Raises OSError. Where it cannot do so, os.posix_fallocate
    would write them, over the network, too."""
    fallocate = getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None)
    if fallocate is None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
    if fallocate(file, 0, ctypes.c_int64(0), ctypes.c_int64(size)):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def free_bytes(folder: Path) -> int | None:
    """The bytes that may be written to the disk of ``folder``; None where it does not tell, as some network file systems, which
    claim to have no bytes at all."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return usage.free if usage.total else None
