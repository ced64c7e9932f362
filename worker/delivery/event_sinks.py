"""Where events about a bot go: what reports is written against this, not against a queue."""

from __future__ import annotations

from typing import Any, Protocol


class EventSink(Protocol):
    """Takes events and delivers them in order, each at least once, in its own time. Thread-safe."""

    @property
    def waiting(self) -> int:
        """How many events have not been delivered yet."""

    def send(self, event: dict[str, Any]) -> None:
        """Takes an event, a JSON object that may be changed afterwards. Never blocks on the network. Raises TypeError for what
        is no JSON."""

    def drain(self, timeout: float) -> bool:
        """Waits up to ``timeout`` seconds for the rest; whether all that was taken since the last call was delivered."""

    def close(self) -> None:
        """Ends it; what still waits is not delivered."""
