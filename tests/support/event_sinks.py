"""A sink of events that keeps them."""

from __future__ import annotations

from typing import Any

from worker.delivery.event_sinks import EventSink


class ListSink(EventSink):
    """Keeps events; ``reachable``: they count as delivered."""

    waiting = 0

    def __init__(self, *, reachable: bool = True) -> None:
        self.sent: list[dict[str, Any]] = []
        self.reachable = reachable

    def send(self, event: dict[str, Any]) -> None:
        self.sent.append(event)

    def drain(self, timeout: float) -> bool:
        return self.reachable

    def close(self) -> None:
        pass

    @property
    def names(self) -> list[str]:
        """The names of the events, in order."""
        return [event["event"] for event in self.sent]
