"""A WebSocket for much that is sent, whose receiver is asked for nothing: what that sends is read slowly, and thrown away.

A frame may be two bytes, so that a chunk from the system is thousands of them. Chunks are cut before they are parsed, and
the connections of an endpoint share a budget of frames: an endpoint that floods the worker takes nothing from the others.

Messages that are sent one after the other go to the system together: what the system does for each write takes longer than
all that is done for a message before.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

from websockets.asyncio.client import ClientConnection
from websockets.frames import DATA_OPCODES, Frame
from websockets.protocol import Event, State

MOST_FRAMES: Final = 4_000
"""Frames per second of all endpoints of a recording together: about 0.05 core. An endpoint of 20 may answer each message of
three people who talk at once."""

MOST_INCOMING: Final = 64 << 10
"""Bytes of a message that a receiver sends; more breaks the connection."""

MOST_ANSWERS: Final = 1 << 20
"""Bytes that wait for the system, with a message of ours and the library's answers to pings."""

_BURST: Final = 0.1
"""Seconds of a budget that may be used at once."""

_PAUSE: Final = 0.02
"""Seconds between two looks of a budget that is used up, at least."""

_SLICE: Final = 128
"""Bytes that are parsed at once: at most 64 frames."""

_FRAME_BYTES: Final = 512
"""Bytes that count as a frame, beside the frames themselves."""


_MOST_TOGETHER: Final = 16
"""Messages of one write: what waits for it is seen by no limit on what may be sent."""


class ReadBudget:
    """``rate`` frames per second, for the connections of one endpoint in turn."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._left = rate * _BURST
        self._since = 0.0
        """When ``_left`` was counted, by the loop's clock."""
        self._waiting: deque[ThrottledConnection] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, connection: ThrottledConnection) -> None:
        """Reads what ``connection`` has, at once or when it is its turn."""
        self._waiting.append(connection)
        self._serve(connection.loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        self._serve(loop)

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        self._left = min(self._rate * _BURST, self._left + (now - self._since) * self._rate)
        self._since = now
        while self._waiting and self._left > 0:
            connection = self._waiting.popleft()
            self._left -= connection.read_slice()
            if connection.has_unread:
                self._waiting.append(connection)
        if self._waiting and self._timer is None:
            self._timer = loop.call_later(max(_PAUSE, -self._left / self._rate), self._look, loop)


class ThrottledConnection(ClientConnection):
    """Is read within ``budget``; nothing that it receives can be had. Breaks once more than MOST_ANSWERS wait: pongs that the
    receiver does not read.
    """

    def __init__(self, budget: ReadBudget, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._budget = budget
        self._unread = bytearray()
        self._frames = 0
        """Of the slice that is read."""
        self._waits = False
        """Whether it is in the budget's queue."""
        self._unwritten = 0
        """Messages that wait for the end of this turn of the loop."""

    @property
    def has_unread(self) -> bool:
        """Whether something waits for the budget."""
        return bool(self._unread)

    def process_event(self, event: Event) -> None:
        """See Connection."""
        self._frames += 1
        if not (isinstance(event, Frame) and event.opcode in DATA_OPCODES):
            super().process_event(event)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._unread += data
        if self._waits:
            return
        self._waits = True
        self._budget.add(self)
        if self._waits:
            self.transport.pause_reading()

    def read_slice(self) -> float:
        """Parses the next bytes; returns how many frames they count as."""
        part = bytes(self._unread[:_SLICE])
        del self._unread[:_SLICE]
        self._frames = 0
        if part:
            super().data_received(part)
        if self.transport.get_write_buffer_size() > MOST_ANSWERS:
            self.transport.abort()
        if self.transport.is_closing():
            self._unread.clear()
        if not self._unread:
            self._waits = False
            self.transport.resume_reading()
        return self._frames + len(part) / _FRAME_BYTES

    def send_data(self) -> None:
        """See Connection. While the connection is open, it writes at the end of this turn of the loop."""
        self._unwritten += 1
        if self.protocol.state is not State.OPEN or self._unwritten >= _MOST_TOGETHER:
            self._write()
        elif self._unwritten == 1:
            self.loop.call_soon(self._write)

    def _write(self) -> None:
        if not self._unwritten:
            return
        self._unwritten = 0
        if len(self.protocol.writes) > 1 and all(self.protocol.writes):
            self.protocol.writes = [b"".join(self.protocol.writes)]
        super().send_data()

    def eof_received(self) -> None:
        """See asyncio.Protocol."""
        self._unread.clear()
        super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._unread.clear()
        super().connection_lost(exc)
