"""A lock between the processes of one machine, and their threads, which nobody can hold others up with for ever."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

LONGEST: Final = 10.0
"""Seconds to wait for the lock. Whoever has it writes a small file: only a process that was stopped, or a disk that does not
answer, takes longer."""

_LONGEST_PAUSE: Final = 0.02


class FileLock:
    """The lock of the file ``path``, which is made; the system releases it where the process is killed (flock(2)).

    Threads that share a FileLock wait for each other, and only one of them at a time looks whether another process, or another
    FileLock of the same file, has the lock. It cannot be taken twice.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = threading.Lock()

    @contextmanager
    def held(self, longest: float = LONGEST) -> Iterator[None]:
        """Holds the lock. Raises TimeoutError after ``longest`` seconds, and other errors of type OSError."""
        deadline = time.monotonic() + longest
        if not self._threads.acquire(timeout=longest):
            raise _not_in_time(longest)
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CREAT, 0o666)
            try:
                if not _acquire(descriptor, deadline):
                    raise _not_in_time(longest)
                yield
            finally:
                os.close(descriptor)
        finally:
            self._threads.release()


def _acquire(descriptor: int, deadline: float) -> bool:
    """Whether the lock was free before ``deadline``, of time.monotonic; it is looked at once at least."""
    pause = 0.001
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
        else:
            return True
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _not_in_time(longest: float) -> TimeoutError:
    return TimeoutError(f"another process has the lock for {longest:g} s")
