"""Objects by key, as files in a folder: what S3 is to many machines, for the processes of one."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from worker.delivery.file_lock import FileLock
from worker.delivery.folder_sync import FolderSync
from worker.delivery.object_store import (
    EmptyWriteError,
    Listed,
    Listing,
    NotFoundError,
    PagedStore,
    PreconditionFailedError,
    Stored,
    StoreUnavailableError,
)
from worker.errors import cause

_OBJECTS: Final = "objects"
_UNFINISHED: Final = "unfinished"
"""The folder of files that are being written. On the same file system, so that a rename completes them."""
_LOCK: Final = "objects.lock"

_BLOCK: Final = 1024 * 1024
"""Bytes that are copied at once."""


class FolderStore(PagedStore):
    """Objects as files below ``root``, which is created. Safe for threads and for processes of one machine.

    A write is on the disk when it returns, and never partly visible, also after SIGKILL or a loss of power (POSIX: fsync of the
    file, rename, fsync of its folder). Conditions are checked and writes completed under one lock of the folder. ``clock``
    returns seconds since the Unix epoch. The file system needs locks (flock), so network file systems are not for this.
    What killed writers left unfinished is removed when a store is opened.

    Methods raise as ObjectStore says, and StoreUnavailableError where the disk is full or cannot be read or written.
    """

    def __init__(self, root: Path, clock: Callable[[], float] = time.time) -> None:
        self.root = root
        self._clock = clock
        self._objects = root / _OBJECTS
        self._unfinished = root / _UNFINISHED
        self._lock = FileLock(root / _LOCK)
        self._syncs = FolderSync()
        try:
            self._objects.mkdir(parents=True, exist_ok=True)
            self._unfinished.mkdir(exist_ok=True)
        except OSError as error:
            raise StoreUnavailableError(f"folder: {root}: cannot be used: {cause(error)}") from error
        self.remove_unfinished()

    def within(self, budget: float) -> FolderStore:
        """The same store: it does not retry."""
        return self

    def path(self, key: str) -> Path:
        """Where the object is, or would be. Raises NotFoundError for what can be no key."""
        name = PurePosixPath(key)
        if key in {"", "."} or "\0" in key or name.is_absolute() or str(name) != key or ".." in name.parts:
            raise NotFoundError(f"folder: {key[:100]!r}: is no key")
        return self._objects / key

    def put(
        self,
        key: str,
        data: bytes | Path,
        *,
        content_type: str,
        if_absent: bool = False,
        if_match: str | None = None,
    ) -> str:
        """See ObjectStore. ``content_type`` is not kept."""
        if if_absent and if_match is not None:
            raise ValueError("if_absent and if_match exclude each other")
        path = self.path(key)
        # A file that cannot be read is the caller's trouble, not the store's.
        source = data.open("rb") if isinstance(data, Path) else data
        try:
            with self._reporting(f"put {key}"), _unfinished_file(self._unfinished) as unfinished:
                etag, size = unfinished.write(source)
                try:
                    with self._lock.held():
                        self._check(key, path, if_absent, if_match)
                        if size == 0 and path.exists():
                            raise EmptyWriteError(
                                f"folder: put {key}: an empty object would replace the existing one"
                            )
                        unfinished.complete(path)
                except PreconditionFailedError:
                    # What another writer has just put there is on the disk, too, before anybody relies on it.
                    self._sync_folders(path)
                    raise
                self._sync_folders(path)
        finally:
            if not isinstance(source, bytes):
                source.close()
        return etag

    def get(self, key: str) -> Stored:
        """See ObjectStore."""
        path = self.path(key)
        with self._reporting(f"get {key}"), path.open("rb") as stream:
            modified = os.fstat(stream.fileno()).st_mtime
            data = stream.read()
        return Stored(data, _etag(hashlib.sha256(data)), max(0.0, self._clock() - modified))

    def download(self, key: str, path: Path) -> None:
        """See ObjectStore."""
        with self._reporting(f"download {key}"):
            source = self.path(key).open("rb")
        unfinished = path.with_name(path.name + ".partial")
        try:
            with source, unfinished.open("wb") as target:
                shutil.copyfileobj(source, target, _BLOCK)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)

    def delete(self, key: str) -> None:
        """See ObjectStore."""
        path = self.path(key)
        with self._reporting(f"delete {key}"), self._lock.held():
            path.unlink(missing_ok=True)
            for folder in path.parents:
                if folder == self._objects:
                    break
                try:
                    folder.rmdir()
                except OSError:
                    # It is not empty, or was never there.
                    if folder.exists():
                        break

    def presign(self, key: str, seconds: int, filename: str | None = None) -> str:
        """The file's own address: whoever can read the folder needs no signature, and no one else can open it."""
        return self.path(key).absolute().as_uri()

    def list(self, prefix: str) -> Listing:
        """See ObjectStore."""
        with self._reporting(f"list {prefix}"):
            return list(self._walk(self._objects, "", prefix, ""))

    def page(self, prefix: str, after: str, limit: int) -> Listing:
        """See PagedStore. Reads the folders on the way to the first object, and those of the page."""
        with self._reporting(f"list {prefix}"):
            return list(islice(self._walk(self._objects, "", prefix, after), limit))

    def remove_unfinished(self) -> None:
        """See PagedStore. A file whose writer lives is locked."""
        with suppress(OSError):
            for path in list(self._unfinished.iterdir()):
                with suppress(OSError), path.open("rb") as stream:
                    fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()

    def blocks(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """See PagedStore."""
        with self._reporting(f"get {key}"), self.path(key).open("rb") as stream:
            stream.seek(start)
            left = length
            while block := stream.read(_BLOCK if left is None else min(left, _BLOCK)):
                yield block
                left = None if left is None else left - len(block)

    def _walk(self, folder: Path, start: str, prefix: str, after: str) -> Iterator[Listed]:
        """The objects of ``folder``, whose keys begin with ``start``, in order of their keys."""
        try:
            with os.scandir(folder) as entries:
                # As in keys: "a.json" is before "a/b", since "." is before "/".
                found = {start + entry.name + ("/" if entry.is_dir() else ""): entry for entry in entries}
        except FileNotFoundError:
            return
        for key, entry in sorted(found.items(), key=lambda item: item[0]):
            if key.endswith("/"):
                is_wanted = key.startswith(prefix) or prefix.startswith(key)
                if is_wanted and (key > after or after.startswith(key)):
                    yield from self._walk(folder / entry.name, key, prefix, after)
            elif key.startswith(prefix) and key > after:
                with suppress(FileNotFoundError):
                    facts = entry.stat()
                    yield Listed(key, facts.st_size, facts.st_mtime)

    def _sync_folders(self, path: Path) -> None:
        """Makes the name of an object, and those of the folders above it, survive a loss of power.

        To be called without the lock: a disk takes long, and one round of syncs serves many writers.
        """
        above = len(self._objects.parts)
        self._syncs.sync(folder for folder in path.parents if len(folder.parts) >= above)

    def _check(self, key: str, path: Path, if_absent: bool, if_match: str | None) -> None:
        if if_absent and path.exists():
            raise PreconditionFailedError(f"folder: put {key}: not written: it exists already")
        if if_match is None:
            return
        try:
            with path.open("rb") as stream:
                current = _etag(hashlib.file_digest(stream, "sha256"))
        except FileNotFoundError:
            current = None
        if current != if_match:
            raise PreconditionFailedError(f"folder: put {key}: not written: it is another version")

    @contextmanager
    def _reporting(self, what: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise NotFoundError(f"folder: {what}: there is no such object") from error
        except OSError as error:
            raise StoreUnavailableError(f"folder: {what}: {cause(error)}") from error


class _UnfinishedFile:
    """A new file that is locked as long as ``stream`` is open."""

    def __init__(self, path: Path, stream: FileIO) -> None:
        self.path = path
        self.stream = stream
        self.is_complete = False

    def write(self, data: bytes | BinaryIO) -> tuple[str, int]:
        """Writes ``data``, or what is left of a file, to the disk; returns its ETag and size."""
        digest = hashlib.sha256()
        size = 0
        for block in _blocks(data):
            digest.update(block)
            size += len(block)
            left = memoryview(block)
            while left:
                left = left[self.stream.write(left) :]
        os.fsync(self.stream.fileno())
        return _etag(digest), size

    def complete(self, path: Path) -> None:
        """Moves the file to ``path``, whose folder is made."""
        try:
            self.path.replace(path)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.path.replace(path)
        self.is_complete = True


@contextmanager
def _unfinished_file(folder: Path) -> Iterator[_UnfinishedFile]:
    """A file in ``folder``, which is removed at the end if it is not complete. The system releases the lock of a writer that is
    killed (flock(2)).
    """
    while True:
        path = folder / secrets.token_hex(16)
        with FileIO(path, "x") as stream:
            unfinished = _UnfinishedFile(path, stream)
            try:
                if not _is_locked(stream):
                    continue
                yield unfinished
                return
            finally:
                if not unfinished.is_complete:
                    with suppress(OSError):
                        path.unlink()


def _is_locked(stream: FileIO) -> bool:
    """Locks the new file; False if another process has taken it for one that a killed writer left."""
    try:
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(stream.fileno()).st_nlink > 0


def _blocks(data: bytes | BinaryIO) -> Iterator[bytes]:
    if isinstance(data, bytes):
        yield data
        return
    while block := data.read(_BLOCK):
        yield block


def _etag(digest: hashlib._Hash) -> str:
    return f'"{digest.hexdigest()[:32]}"'
