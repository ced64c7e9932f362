"""The interface to which events about a bot are reported; a queue is one implementation."""

from __future__ import annotations

import json
from typing import Any, Protocol


class EventSink(Protocol):
    """Delivers events in order, each at least once, in the background. Thread-safe."""

    @property
    def waiting(self) -> int:
        """How many events have not been delivered yet."""

    @property
    def lost(self) -> int:
        """How many events will never be delivered. This one loses none."""
        return 0

    def send(self, event: dict[str, Any]) -> None:
        """Queues an event, a JSON object; the caller may change it afterwards. Never blocks on the network. Raises TypeError
        for a value that is not JSON.
        """

    def drain(self, timeout: float) -> bool:
        """Waits up to ``timeout`` seconds for waiting events. Returns whether all events since the last call were delivered."""

    def close(self) -> None:
        """Stops delivering; events that still wait are not delivered."""


class NoEvents(EventSink):
    """Discards events: for a service whose state in the store is all that is read, and for tests of it."""

    @property
    def waiting(self) -> int:
        """None ever waits."""
        return 0

    def send(self, event: dict[str, Any]) -> None:
        """See EventSink."""
        json.dumps(event)

    def drain(self, timeout: float) -> bool:
        """See EventSink."""
        return True

    def close(self) -> None:
        """See EventSink."""
