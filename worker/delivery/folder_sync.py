"""Syncs of folders in rounds: one thread syncs for all that wait, so a disk has few syncs however many threads write."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path


class _Round:
    """``folders`` are synced by the thread that named the first one; ``over`` is set then, and ``error`` is why that failed."""

    def __init__(self) -> None:
        self.folders: dict[Path, None] = {}
        self.over = threading.Event()
        self.error: BaseException | None = None


class FolderSync:
    """Makes names in folders survive a loss of power (fsync(2)). Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = _Round()
        self._syncing = threading.Lock()
        """One round at a time: those who come meanwhile are together in the next one."""

    def sync(self, folders: Iterable[Path]) -> None:
        """Returns after syncs of all ``folders``, at least one, that began after this call. A folder that is gone has no names.

        Raises OSError, also where another folder of the same round cannot be synced.
        """
        with self._lock:
            own = self._next
            leads = not own.folders
            own.folders.update(dict.fromkeys(folders))
        if leads:
            self._lead(own)
            return
        own.over.wait()
        if own.error is not None:
            raise OSError(*own.error.args) from own.error

    def _lead(self, own: _Round) -> None:
        try:
            with self._syncing:
                self._close(own)
                for folder in own.folders:
                    _fsync(folder)
        except BaseException as error:
            self._close(own)
            own.error = error
            raise
        finally:
            own.over.set()

    def _close(self, own: _Round) -> None:
        with self._lock:
            if self._next is own:
                self._next = _Round()


def _fsync(folder: Path) -> None:
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
