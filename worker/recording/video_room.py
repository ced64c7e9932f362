"""Leaves video out while the disk is nearly full: it has most of the bytes, and what remains is for the audio."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

RESERVE: Final = 2 * 1024**3
"""Bytes that video leaves free. An hour of audio takes about 600 MB, with its tape and its files: that is more than three
hours, or, where other bots share the disk, time to see the warning."""

ENOUGH: Final = 3 * 1024**3
"""Bytes that must be free until video goes on: it does not come and go by the minute."""

CHECK_SECONDS: Final = 2.0
"""Seconds between two looks at the disk: far more video than nine cameras send would take 20 MB."""


FULL_SECONDS: Final = 60.0
"""Seconds that video is left out at least once the disk took no more of it: what says so takes room, too."""


class VideoRoom:
    """Whether the disk has room for video. ``free_bytes`` returns how much is free now, None if that cannot be known."""

    def __init__(self, free_bytes: Callable[[], int | None]) -> None:
        self._free_bytes = free_bytes
        self._checked_at: float | None = None
        self._full_until: float | None = None
        self.is_left = True
        """Whether video may be written, as of the last check; where the disk does not tell, it may."""

    def check(self, now: float) -> bool:
        """Looks at the disk where the last look is CHECK_SECONDS ago, by any clock; returns whether ``is_left`` has changed."""
        if self._checked_at is not None and 0 <= now - self._checked_at < CHECK_SECONDS:
            return False
        self._checked_at = now
        if self._full_until is not None and 0 < self._full_until - now <= FULL_SECONDS:
            return False
        free = self._free_bytes()
        before = self.is_left
        self.is_left = free is None or free >= (RESERVE if before else ENOUGH)
        return self.is_left is not before

    def refused(self, now: float) -> None:
        """The disk took no more video at ``now``, whatever it said: a quota may be below its size."""
        self._full_until = now + FULL_SECONDS
        self.is_left = False


def free_bytes(folder: Path) -> int | None:
    """The bytes that may be written to the disk of ``folder``; None where it does not tell, as some network file systems, which
    claim to have no bytes at all."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return usage.free if usage.total else None
