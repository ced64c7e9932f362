"""Whether what Chromium receives also reaches the tape (pure): the difference between joined and joined but deaf."""

from __future__ import annotations

from typing import Final, NamedTuple

from worker.tape.events import (
    ConnectionClosed,
    FrameBatch,
    ReceiverReport,
    ReceiverTapped,
    StateChanged,
    TapDeaf,
    TapeEvent,
    TapeStarted,
)

NOT_IN_CALL: Final = frozenset({"joining", "leaving", "done", "fatal"})
"""States in which no old verdict holds: the page of before is gone or will be."""

DEAF_PACKETS: Final = 50
"""One second of speech: so many packets, not one of which was tapped, are no hiccup."""

DEAF_SECONDS: Final = 6.0
"""For so long packets may come untapped; the page reports every 2 s, and its tally can be one report old."""


MOST_RECEIVERS: Final = 1000
"""A page cannot make the worker keep more; Meet uses three in each document."""


class ReceiverId(NamedTuple):
    """An audio receiver: the document's random number, and the receiver's index in it."""

    document: int
    receiver: int


class ReceiverCounts(NamedTuple):
    """Packets of one receiver since it began. ``expected`` is received + lost (RFC 3550 section 6.4.1), ``tapped`` as
    frames."""

    expected: int
    received: int
    tapped: int


class _Stall(NamedTuple):
    """The first report that showed the frames where they still stand."""

    since: float
    received: int
    tapped: int


class CaptureHealth:
    """Fed with a tape's events, tells which receivers are deaf: packets arrive there, and none of them is tapped.

    Silence is not deafness: a receiver to which nothing comes is well.
    """

    def __init__(self) -> None:
        self.counts: dict[ReceiverId, ReceiverCounts] = {}
        """The last report of each receiver."""
        self.deaf: frozenset[ReceiverId] = frozenset()
        """Slots that are deaf now."""
        self.last_frame: float | None = None
        """When Chromium received the newest frame that was tapped, in seconds since the Unix epoch."""
        self._stalls: dict[ReceiverId, _Stall] = {}
        self._connections: dict[ReceiverId, int] = {}

    def observe(self, event: TapeEvent) -> None:
        """Takes the tape's next event."""
        match event:
            case FrameBatch(frames=[*_, newest]):
                self.last_frame = max(newest.arrival, self.last_frame or newest.arrival)
            case ReceiverReport():
                self._compare(event)
            case TapDeaf() if len(self.deaf) < MOST_RECEIVERS:
                self.deaf |= {ReceiverId(event.document, event.receiver)}
            case ReceiverTapped() if len(self._connections) < MOST_RECEIVERS:
                self._connections[ReceiverId(event.document, event.receiver)] = event.connection
            case ConnectionClosed():
                self._close(event)
            case TapeStarted():
                self._forget()
            case StateChanged() if event.state in NOT_IN_CALL:
                self._forget()
            case _:
                pass

    def _compare(self, report: ReceiverReport) -> None:
        receiver_id = ReceiverId(report.document, report.receiver)
        # Duplicates can make the number of lost packets negative.
        expected = report.packets_received + max(0, report.packets_lost)
        if receiver_id not in self.counts and len(self.counts) >= MOST_RECEIVERS:
            return
        self.counts[receiver_id] = ReceiverCounts(expected, report.packets_received, report.frames_tapped)
        stall = self._stalls.get(receiver_id)
        if stall is None or report.frames_tapped != stall.tapped:
            self._stalls[receiver_id] = _Stall(report.at, report.packets_received, report.frames_tapped)
            self.deaf -= {receiver_id}
        elif (
            report.packets_received - stall.received >= DEAF_PACKETS
            and report.at - stall.since >= DEAF_SECONDS
        ):
            self.deaf |= {receiver_id}

    def _forget(self) -> None:
        self.deaf = frozenset()
        self.counts.clear()
        self._stalls.clear()
        self._connections.clear()

    def _close(self, closed: ConnectionClosed) -> None:
        """What a closed connection no longer delivers is nobody's fault."""
        self.deaf = frozenset(
            receiver_id
            for receiver_id in self.deaf
            if (receiver_id.document, self._connections.get(receiver_id))
            != (closed.document, closed.connection)
        )
