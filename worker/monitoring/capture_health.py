"""The state of the capture from the tape's events: counts of each receiver, and which receivers are deaf now."""

from __future__ import annotations

from typing import Final, NamedTuple

from worker.lifecycle.deafness import MOST_RECEIVERS, ReceiverId
from worker.states import State
from worker.tape.events import (
    ConnectionClosed,
    DocumentClosed,
    FrameBatch,
    PageLost,
    ReceiverReport,
    ReceiverTapped,
    StateChanged,
    TapDeaf,
    TapeEvent,
    TapeStarted,
)

NOT_IN_CALL: Final = frozenset({State.JOINING, State.LEAVING, State.DONE, State.FATAL})
"""States in which no receiver is deaf any more: the page of the findings is closed or about to close."""


class ReceiverCounts(NamedTuple):
    """Packets of one receiver since it began. ``expected`` is received + lost (RFC 3550 section 6.4.1), ``tapped`` as
    frames."""

    expected: int
    received: int
    tapped: int


class CaptureHealth:
    """Fed with a tape's events. worker.lifecycle.deafness finds that a receiver is deaf; here it stays deaf until frames come
    again, its connection or document closes, or the call ends."""

    def __init__(self) -> None:
        self.counts: dict[ReceiverId, ReceiverCounts] = {}
        """The last report of each receiver."""
        self.deaf: frozenset[ReceiverId] = frozenset()
        """Receivers that are deaf now."""
        self.page_lost: str | None = None
        """Why the call's page is lost now, in plain English; None while it is not."""
        self.last_frame: float | None = None
        """When Chromium received the newest frame that was tapped, in seconds since the Unix epoch."""
        self._connections: dict[ReceiverId, int] = {}

    def observe(self, event: TapeEvent) -> None:
        """Takes the tape's next event."""
        match event:
            case FrameBatch(frames=[*_, newest]):
                self.last_frame = max(newest.arrival, self.last_frame or newest.arrival)
            case ReceiverReport():
                self._count(event)
            case TapDeaf() if len(self.deaf) < MOST_RECEIVERS:
                self.deaf |= {ReceiverId(event.document, event.receiver)}
            case ReceiverTapped() if len(self._connections) < MOST_RECEIVERS:
                self._connections[ReceiverId(event.document, event.receiver)] = event.connection
            case ConnectionClosed():
                self._close(event)
            case DocumentClosed():
                self._close_document(event.document)
            case PageLost():
                self.page_lost = event.detail if event.lost else None
            case TapeStarted():
                self._forget()
            case StateChanged() if event.state in NOT_IN_CALL:
                self._forget()
            case _:
                pass

    def _count(self, report: ReceiverReport) -> None:
        receiver_id = ReceiverId(report.document, report.receiver)
        # Duplicates can make the number of lost packets negative.
        expected = report.packets_received + max(0, report.packets_lost)
        if receiver_id not in self.counts and len(self.counts) >= MOST_RECEIVERS:
            return
        before = self.counts.get(receiver_id)
        self.counts[receiver_id] = ReceiverCounts(expected, report.packets_received, report.frames_tapped)
        if before is not None and report.frames_tapped != before.tapped:
            self.deaf -= {receiver_id}

    def _close_document(self, document: int) -> None:
        self.deaf = frozenset(each for each in self.deaf if each.document != document)
        self.counts = {each: counts for each, counts in self.counts.items() if each.document != document}
        self._connections = {
            each: connection for each, connection in self._connections.items() if each.document != document
        }

    def _forget(self) -> None:
        self.deaf = frozenset()
        self.page_lost = None
        self.counts.clear()
        self._connections.clear()

    def _close(self, closed: ConnectionClosed) -> None:
        """Receivers of a closed connection are no longer deaf: no frames are expected from them."""
        self.deaf = frozenset(
            receiver_id
            for receiver_id in self.deaf
            if (receiver_id.document, self._connections.get(receiver_id))
            != (closed.document, closed.connection)
        )
