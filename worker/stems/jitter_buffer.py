"""Orders one slot's packets by sequence, once each, with those that RED recovers (pure).

A packet waits for 500 ms after its arrival, so that packets sent before it can still be put before it, and so that the next
arrivals are known when it is placed. Packets that come later are counted and dropped. Time is an argument.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterator

import msgspec

from worker.audio.payload_kinds import PayloadReader
from worker.audio.red import RedundantBlock
from worker.roster.sources import contributing_source
from worker.stems.lost_sequences import LostSequences
from worker.tape.events import OPUS_MIME_TYPE, Frame

WINDOW_SECONDS = 0.5
"""How long a packet waits for those that were sent before it."""

MAX_DROPOUT = 3_000
"""A packet this far ahead of the newest (a minute at 50/s) is of a restarted stream, not after a loss (RFC 3550, A.1)."""

MAX_MISORDER = 100
"""A packet this far behind the newest (two seconds at 50/s) is of a restarted stream, not out of order (RFC 3550, A.1)."""

REMEMBERED_STRAYS = 8
"""Packets that may be the first of a restarted stream."""

REMEMBERED_LISTS = 1_000
"""CSRC lists whose source is kept, to look it up once."""

_RING = 128
"""Entries of a ring that holds MAX_MISORDER, a power of two."""

_RING_MASK = _RING - 1


class Packet(msgspec.Struct, gc=False):
    """One Opus packet of a slot. ``sequence`` and ``timestamp`` do not wrap; ``arrival`` is seconds of meeting time.

    It leaves the buffer WINDOW_SECONDS after ``due``, an arrival. ``csrc`` is None if no contributing source was listed.
    ``level`` is linear 0–1 or None. An empty ``payload`` is a padding probe. ``csrcs`` is the list as received. A ``recovered``
    packet, out of the RED payload of a later one, has the later one's ``csrcs``.
    """

    sequence: int
    timestamp: int
    arrival: float
    due: float
    csrc: int | None
    level: float | None
    payload: bytes
    csrcs: tuple[int, ...]
    recovered: bool = False


class SlotCounts(msgspec.Struct):
    """Packets that the buffer dropped, by CSRC, and packets that had no place so far ahead."""

    late: dict[int | None, int] = msgspec.field(default_factory=dict)
    duplicate: dict[int | None, int] = msgspec.field(default_factory=dict)
    ahead: int = 0


class JitterBuffer:
    """Orders the packets of one slot (SSRC), which arrive in any order, by sequence."""

    def __init__(self, source_of: Callable[[tuple[int, ...]], int | None] = contributing_source) -> None:
        """``source_of`` returns the source of a packet by its CSRC list; packets of two sources have two clocks."""
        self._source_of = source_of
        self.pending: deque[Packet] = deque()
        """The packets that wait, in sequence order; others may read it, but not change it."""
        self.counts = SlotCounts()
        self.payloads = PayloadReader()
        self._newest_sequence = -1
        self._newest_wire_sequence = 0
        self._newest_timestamp = 0x1_0000_0000
        self._has_released = False
        self._released_sequence = -1
        self._released_timestamp = 0
        self._released_csrc: int | None = None
        self._lost = LostSequences()
        self._timestamps = array("q", bytes(8 * _RING))
        """The timestamps of the last released packets, by sequence number modulo _RING."""
        self._strays: list[tuple[Frame, float]] = []
        """Packets that do not belong to the stream so far, with their arrivals; two in sequence are a restart."""
        self._sources: dict[tuple[int, ...], int | None] = {}

    def push(self, frame: Frame, arrival: float) -> None:
        """Adds one frame; ``arrival`` in seconds of meeting time."""
        newest = self._newest_sequence
        if newest < 0:
            sequence = frame.sequence + 0x10000
            timestamp = frame.timestamp + 0x1_0000_0000
            self._released_sequence = sequence - MAX_DROPOUT
        else:
            step = (frame.sequence - self._newest_wire_sequence) & 0xFFFF
            if step >= MAX_DROPOUT or not step:
                step -= 0x10000 if step else 0
                if self._is_stray(frame, step):
                    self._take_stray(frame, arrival)
                    return
            sequence = newest + step
            ahead = (frame.timestamp - self._newest_timestamp) & 0xFFFF_FFFF
            timestamp = self._newest_timestamp + (ahead if ahead < 0x8000_0000 else ahead - 0x1_0000_0000)
        try:
            csrc = self._sources[frame.csrcs]
        except KeyError:
            csrc = self._look_up_source(frame.csrcs)
        payload = frame.payload
        copies: list[RedundantBlock] = []
        if frame.mime_type != OPUS_MIME_TYPE and payload:
            payload, copies = self.payloads.read(frame.mime_type, frame.payload_type, payload)
            # Another codec may run on another clock, which must not place its neighbours.
            timestamp = timestamp if payload else self._newest_timestamp
        packet = Packet(sequence, timestamp, arrival, arrival, csrc, frame.audio_level, payload, frame.csrcs)
        if sequence > newest:
            self._newest_sequence = sequence
            self._newest_wire_sequence = frame.sequence
            if payload:
                self._newest_timestamp = timestamp
            self.pending.append(packet)
        else:
            self._insert(packet)
        for copy in reversed(copies):
            if copy.payload:
                self._recover(packet, copy)

    def release(self, now: float) -> Iterator[Packet]:
        """Removes and yields the packets whose wait is over at meeting time ``now``, in sequence order.

        Those behind the one that is yielded are still ``pending``.
        """
        pending = self.pending
        limit = now - WINDOW_SECONDS
        while pending and pending[0].due <= limit:
            yield self.take()

    def take(self) -> Packet:
        """Removes and returns the first packet that waits, due or not. Raises IndexError if none waits."""
        packet = self.pending.popleft()
        expected = self._released_sequence + 1
        if packet.sequence != expected:
            if self._has_released:
                self._lost.add(expected, packet.sequence)
            self._has_released = True
        self._released_sequence = packet.sequence
        self._timestamps[packet.sequence & _RING_MASK] = packet.timestamp
        if packet.payload:
            self._released_timestamp = packet.timestamp
            self._released_csrc = packet.csrc
        return packet

    def put_back(self, packet: Packet, due: float) -> None:
        """Lets the packet that was taken last wait on, until WINDOW_SECONDS after ``due`` (seconds of meeting time)."""
        packet.due = due
        self.pending.appendleft(packet)
        self._released_sequence = packet.sequence - 1

    def _is_stray(self, frame: Frame, step: int) -> bool:
        """Whether a frame that is ``step`` sequence numbers from the newest, 0 or less, is none of the stream so far."""
        sequence = self._newest_sequence + step
        released = sequence <= self._released_sequence
        if not released and any(each.sequence == sequence for each in self.pending):
            copies = (each.timestamp & 0xFFFF_FFFF == frame.timestamp for each in self.pending)
            return bool(frame.payload) and not any(copies)
        missing = sequence in self._lost if released else True
        if step < -MAX_MISORDER:
            # It is late rather than a stray if its number is missing and its timestamp is older as well.
            behind = (self._newest_timestamp - frame.timestamp) & 0xFFFF_FFFF < 0x8000_0000
            return not (missing and behind)
        if missing or not frame.payload:
            return False
        return self._timestamps[sequence & _RING_MASK] & 0xFFFF_FFFF != frame.timestamp

    def _take_stray(self, frame: Frame, arrival: float) -> None:
        """Keeps a stray frame, or restarts the stream with it and those next to it."""
        strays = self._strays
        near = [each for each in strays if _distance(each[0], frame) <= MAX_MISORDER]
        if any(_distance(each, frame) == 1 for each, _ in near):
            strays.clear()
            self._lost.clear()
            near.append((frame, arrival))
            near.sort(key=lambda each: (each[0].sequence - frame.sequence + 0x8000) & 0xFFFF)
            self._newest_wire_sequence = (near[0][0].sequence - 1) & 0xFFFF
            for each in near:
                self.push(*each)
            return
        strays.append((frame, arrival))
        if len(strays) > REMEMBERED_STRAYS:
            stray, _ = strays.pop(0)
            csrc = self._source_of(stray.csrcs)
            self.counts.late[csrc] = self.counts.late.get(csrc, 0) + 1

    def _insert(self, packet: Packet) -> None:
        """Inserts a packet that is not the newest, or counts it as late or duplicate."""
        if packet.sequence <= self._released_sequence:
            refused = self.counts.duplicate
            if self._lost.take(packet.sequence):
                refused = self.counts.late
                self._timestamps[packet.sequence & _RING_MASK] = packet.timestamp
            count_packet(refused, packet)
            return
        copy = next((each for each in self.pending if _is_copy(each, packet)), None)
        if copy is not None:
            self.pending.remove(copy)
            packet.due = min(packet.due, copy.due)
        index = self._index_after(packet.sequence)
        if index and self.pending[index - 1].sequence == packet.sequence:
            count_packet(self.counts.duplicate, packet)
            return
        if index < len(self.pending):
            packet.due = min(packet.due, self.pending[index].due)
        self.pending.insert(index, packet)

    def _recover(self, carrier: Packet, block: RedundantBlock) -> None:
        """Inserts a redundant block where the packet that it is a copy of is missing.

        The block has the copied packet's timestamp, not its sequence number: padding may come between that and the carrier.
        """
        timestamp = carrier.timestamp - block.timestamp_offset
        place = self._index_after(carrier.sequence) - 1
        if place < 0 or self.pending[place] is not carrier:
            return
        first = place
        while first:
            before = self.pending[first - 1]
            if before.payload:
                if before.csrc != carrier.csrc or before.timestamp < timestamp:
                    break
                if before.timestamp == timestamp:
                    return
                place = first - 1
            first -= 1
        if not first and self._released_csrc == carrier.csrc and self._released_timestamp >= timestamp:
            return
        for index in range(place, first - 1, -1):
            sequence = self.pending[index].sequence - 1
            if sequence > (self.pending[index - 1].sequence if index else self._released_sequence):
                payload = self.payloads.read_block(block.payload_type, block.payload)
                if not payload:
                    return
                due = min(carrier.arrival, self.pending[index].due)
                self.pending.insert(
                    index,
                    Packet(
                        sequence,
                        timestamp,
                        carrier.arrival,
                        due,
                        carrier.csrc,
                        None,
                        payload,
                        carrier.csrcs,
                        recovered=True,
                    ),
                )
                return

    def _look_up_source(self, csrcs: tuple[int, ...]) -> int | None:
        if len(self._sources) >= REMEMBERED_LISTS:
            self._sources.clear()
        source = self._sources[csrcs] = self._source_of(csrcs)
        return source

    def _index_after(self, sequence: int) -> int:
        """The index after the last waiting packet whose sequence number is at most ``sequence``."""
        index = len(self.pending)
        while index and self.pending[index - 1].sequence > sequence:
            index -= 1
        return index


def _distance(one: Frame, other: Frame) -> int:
    """The distance of two frames in sequence numbers, without direction."""
    step = (one.sequence - other.sequence) & 0xFFFF
    return min(step, 0x10000 - step)


def _is_copy(waiting: Packet, packet: Packet) -> bool:
    """Whether ``waiting`` is the copy of ``packet`` that RED recovered."""
    return waiting.recovered and waiting.timestamp == packet.timestamp and waiting.csrc == packet.csrc


def count_packet(counts: dict[int | None, int], packet: Packet) -> None:
    """Counts a packet that is dropped, unless it is padding."""
    if packet.payload:
        counts[packet.csrc] = counts.get(packet.csrc, 0) + 1
