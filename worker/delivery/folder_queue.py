"""A queue of jobs in a folder: what SQS is to many machines, for the processes of one."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import psutil

from worker.delivery.file_lock import FileLock
from worker.delivery.folder_sync import FolderSync
from worker.delivery.jobs_queue import Delivery, MessageLostError, QueueUnavailableError
from worker.errors import cause

_LOCK: Final = "queue.lock"
_DEAD: Final = "dead"
_ENDING: Final = ".json"

POLL: Final = 0.2
"""Seconds between two looks of a receive that waits."""


class _Holder(msgspec.Struct, frozen=True, kw_only=True):
    """A process that received a message: its id, which counts in one ``namespace`` (the inode of Linux' PID namespace), and
    when it was started, since ids are used again.
    """

    pid: int
    started: float
    namespace: int

    @classmethod
    def here(cls) -> _Holder:
        """This process."""
        own = psutil.Process()
        return cls(pid=own.pid, started=own.create_time(), namespace=_namespace())

    def is_dead(self) -> bool:
        """Whether the process has ended for certain: of one in another container nothing is known."""
        if self.namespace != _namespace():
            return False
        try:
            process = psutil.Process(self.pid)
            return process.create_time() != self.started or process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True


class _Message(msgspec.Struct, kw_only=True):
    """A message's file. Times are in Unix seconds; ``receipt`` and ``holder`` are of its last receive, None while it waits."""

    body: str
    sent_at: float
    visible_at: float
    receives: int = 0
    postponed: int = 0
    delays: int = 0
    receipt: str | None = None
    holder: _Holder | None = None

    def is_visible(self, now: float) -> bool:
        """Whether it can be received."""
        return self.visible_at <= now or (self.holder is not None and self.holder.is_dead())


class QueueState(NamedTuple):
    """``waiting``: messages that can be received now. ``holders``: processes that work on one, by their ids."""

    waiting: int
    holders: frozenset[int]


class FolderQueue:
    """Jobs as files in ``folder``, which is created; the oldest one is received first. See MessageQueue.

    Safe for threads and for processes of one machine. A job that was sent is on the disk, and never partly visible. A message
    whose receiver was killed becomes visible again at once. ``clock`` returns seconds since the Unix epoch. Folders are synced
    without the lock, in one round for all threads that wait.
    """

    def __init__(self, folder: Path, *, visibility: int = 45, clock: Callable[[], float] = time.time) -> None:
        self.visibility = visibility
        self._folder = folder
        self._clock = clock
        self._cancelled = threading.Event()
        self._lock = FileLock(folder / _LOCK)
        self._syncs = FolderSync()
        with _reporting("open"):
            (folder / _DEAD).mkdir(parents=True, exist_ok=True)

    def within(self, budget: float) -> FolderQueue:
        """The same queue: it does not retry."""
        return self

    def until(self, cancelled: threading.Event) -> FolderQueue:
        """The same queue, whose receives stop waiting once ``cancelled`` is set."""
        queue = FolderQueue(self._folder, visibility=self.visibility, clock=self._clock)
        queue._cancelled = cancelled
        queue._lock, queue._syncs = self._lock, self._syncs
        return queue

    def check(self) -> None:
        """See MessageQueue."""
        self.state()

    def check_actions(self) -> None:
        """See MessageQueue."""
        self.check()

    def state(self) -> QueueState:
        """What waits, and what is worked on."""
        with self._locked("look"):
            now = self._clock()
            messages = [message for _, message in self._messages()]
        hidden = [message for message in messages if not message.is_visible(now)]
        holders = frozenset(message.holder.pid for message in hidden if message.holder is not None)
        return QueueState(len(messages) - len(hidden), holders)

    def send(self, body: str, delay: float = 0) -> str:
        """See MessageQueue."""
        now = self._clock()
        name = f"{int(now * 1e6):017d}-{secrets.token_hex(8)}"
        with _reporting("send"):
            # The name is new, so that nobody else changes its file.
            self._write(name, _Message(body=body, sent_at=now, visible_at=now + delay))
            self._syncs.sync([self._folder])
        return name

    def receive(self, wait_seconds: float) -> Delivery | None:
        """See MessageQueue."""
        deadline = time.monotonic() + wait_seconds
        while True:
            if (delivery := self._receive()) is not None:
                return delivery
            left = deadline - time.monotonic()
            if left <= 0 or self._cancelled.wait(min(POLL, left)):
                return None

    def extend(self, receipt: str, seconds: int) -> None:
        """See MessageQueue."""
        with self._held("extend", receipt) as (name, message):
            message.visible_at = self._clock() + seconds
            self._write(name, message)

    def give_back(self, receipt: str, seconds: float = 0) -> None:
        """See MessageQueue."""
        with self._held("give back", receipt) as (name, message):
            message.visible_at = self._clock() + max(0.0, seconds)
            message.receipt = message.holder = None
            self._write(name, message)

    def delete(self, receipt: str) -> None:
        """See MessageQueue."""
        with self._held("delete", receipt) as (name, _):
            self._path(name).unlink()

    def postpone(self, delivery: Delivery, seconds: float) -> bool:
        """See MessageQueue. The message itself is changed, so there is no copy: returns False."""
        with self._held("postpone", delivery.receipt) as (name, message):
            message.body = delivery.body
            message.visible_at = self._clock() + max(0.0, seconds)
            message.receives = delivery.receive_count - 1
            message.postponed = delivery.postponed + 1
            message.delays = delivery.delays
            message.receipt = message.holder = None
            self._write(name, message)
        return False

    def dead_letter(self, delivery: Delivery, reason: str) -> bool:
        """See MessageQueue. It is kept in the folder ``dead``, and is not worked on again."""
        letter = msgspec.json.encode({"reason": reason, "sent_at": delivery.sent_at, "body": delivery.body})
        dead = self._folder / _DEAD
        with _reporting("keep a dead letter"):
            with self._lock.held():
                _write_file(dead / f"{delivery.message_id}{_ENDING}", letter)
            self._syncs.sync([dead])
        return True

    def _receive(self) -> Delivery | None:
        delivery = self._take()
        if delivery is not None:
            with _reporting("receive"):
                self._syncs.sync([self._folder])
        return delivery

    def _take(self) -> Delivery | None:
        with self._locked("receive"):
            now = self._clock()
            for name, message in self._messages():
                if message.is_visible(now):
                    message.receives += 1
                    message.visible_at = now + self.visibility
                    message.receipt = f"{name}/{secrets.token_hex(8)}"
                    message.holder = _Holder.here()
                    self._write(name, message)
                    return Delivery(
                        body=message.body,
                        receipt=message.receipt,
                        receive_count=message.receives,
                        sent_at=message.sent_at,
                        message_id=name,
                        postponed=message.postponed,
                        delays=message.delays,
                    )
        return None

    @contextmanager
    def _held(self, what: str, receipt: str) -> Iterator[tuple[str, _Message]]:
        """The message of ``receipt``. Raises MessageLostError where another receive has it, or it was deleted."""
        name = receipt.partition("/")[0]
        with self._locked(what):
            message = self._read(self._path(name))
            if message is None or message.receipt != receipt:
                raise MessageLostError(f"folder: {what}: another receive has the message, or it was deleted")
            yield name, message
        with _reporting(what):
            self._syncs.sync([self._folder])

    def _messages(self) -> Iterator[tuple[str, _Message]]:
        """All messages, the oldest first."""
        for path in sorted(self._folder.glob(f"*{_ENDING}")):
            if (message := self._read(path)) is not None:
                yield path.name.removesuffix(_ENDING), message

    def _read(self, path: Path) -> _Message | None:
        try:
            return msgspec.json.decode(path.read_bytes(), type=_Message)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise QueueUnavailableError(f"folder: {path.name}: is no message: {error}") from error

    def _write(self, name: str, message: _Message) -> None:
        _write_file(self._path(name), msgspec.json.encode(message))

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{_ENDING}"

    @contextmanager
    def _locked(self, what: str) -> Iterator[None]:
        with _reporting(what), self._lock.held():
            yield


def _write_file(path: Path, data: bytes) -> None:
    """Replaces the file; what is in it is on the disk then. Not for two at once: the unfinished file has a fixed name."""
    unfinished = path.with_suffix(".unfinished")
    try:
        with unfinished.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(path)
    except OSError:
        with suppress(OSError):
            unfinished.unlink()
        raise


def _namespace() -> int:
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        # Another system than Linux, where there is one.
        return 0


@contextmanager
def _reporting(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise QueueUnavailableError(f"folder: {what}: {cause(error)}") from error
