"""A lock between the processes of one machine, and their threads, which nobody can hold others up with for ever."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

LONGEST: Final = 10.0
"""Seconds to wait for the lock. Whoever has it writes a small file: only a process that was stopped, or a disk that does not
answer, takes longer."""

_LONGEST_PAUSE: Final = 0.02


@contextmanager
def file_lock(path: Path, longest: float = LONGEST) -> Iterator[None]:
    """Holds the lock of the file ``path``, which is made; the system releases it where the process is killed (flock(2)).

    Each opening of the file is a holder of its own, so threads exclude each other as well, and the lock cannot be taken twice.
    Raises TimeoutError after ``longest`` seconds, and other errors of type OSError.
    """
    with path.open("ab") as file:
        _acquire(file.fileno(), longest)
        yield


def _acquire(descriptor: int, longest: float) -> None:
    deadline, pause = time.monotonic() + longest, 0.001
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise TimeoutError(f"another process has the lock for {longest:g} s") from error
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
