"""Puts events about a bot on a queue of this machine, from which the server takes them."""

from __future__ import annotations

from typing import Any

from worker.delivery.event_sinks import EventSink
from worker.delivery.folder_queue import FolderQueue
from worker.delivery.outbox import PAUSE, Outbox
from worker.delivery.queue_text import ascii_json


class QueuedEvents(EventSink):
    """Sends events to ``queue``, in order and in the background. One that was sent is on the disk. Thread-safe."""

    def __init__(self, queue: FolderQueue, *, pause: float = PAUSE) -> None:
        self._queue = queue
        self._outbox = Outbox[str]("events", self._deliver, lambda _: "an event", pause=pause)
        self._given_up_before = 0

    @property
    def waiting(self) -> int:
        """See EventSink."""
        return len(self._outbox.pending())

    @property
    def lost(self) -> int:
        """See EventSink."""
        return self._outbox.given_up

    def send(self, event: dict[str, Any]) -> None:
        """See EventSink."""
        self._outbox.add(ascii_json(event))

    def drain(self, timeout: float) -> bool:
        """See EventSink."""
        empty = self._outbox.drain(timeout)
        before, self._given_up_before = self._given_up_before, self._outbox.given_up
        return empty and self._given_up_before == before

    def close(self) -> None:
        """See EventSink."""
        self._outbox.close()

    def _deliver(self, body: str) -> None:
        self._queue.send(body)
