"""Maps a sender's RTP timestamps to meeting time, anchored by the arrival of its packets (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from worker.audio.opus import QUANTUM, SAMPLE_RATE
from worker.stems.arrival_floor import ArrivalFloor
from worker.stems.jitter_buffer import Packet

STALL = SAMPLE_RATE // 10
"""Speech after a pause that arrives this far (100 ms) behind the floor may be that of a clock that stood still."""

STALL_IN_SPEECH = SAMPLE_RATE
"""In the middle of speech only a second counts: a queue or a longer path delays packets by less."""

LOOKAHEAD = 32
"""Packets behind a late one that are examined for whether they come faster than real time."""

FEW = 16
"""Fewer packets do not show by themselves that they come in real time."""

DRAINED = SAMPLE_RATE // 25
"""Offsets that fall by more than 40 ms among these packets show a queue that drains; jitter mostly does not."""

HEAP_SPEED = 4
"""A few packets that come faster than at this multiple of real time are a heap that was queued."""

STALE = 10 * SAMPLE_RATE
"""After a pause of ten seconds the floor is estimated anew, with room for a drifting clock."""

FORGOTTEN = 30 * SAMPLE_RATE
"""After a pause of 30 s arrivals alone count, as in a slot that was closed meanwhile."""

UNHEARD_DRIFT = 0.0001
"""100 ppm: how far the floor may have risen since the clock was last heard, as a share of that time."""


LATE_PLACES = 2 * QUANTUM
"""Places that are up to 5 ms later than arrivals show are left as they are."""


class RtpClock:
    """The place in meeting time of each timestamp of one slot (SSRC and CSRC).

    Timestamps are unwrapped RTP ticks at 48 kHz; places are samples at 48 kHz from meeting time 0. An offset is a packet's
    arrival minus its timestamp, in samples.
    """

    def __init__(self) -> None:
        self.base = 0
        """Added to a timestamp it gives the place."""
        self.floor = ArrivalFloor(0.0, 0)

    @property
    def drift(self) -> float:
        """How far the sender's clock drifted since places were last corrected, in samples: above 0 where it is slow.

        Where the floor is not below the places, a fast clock is not believed: no speech is left out for it.
        """
        drifted = self.floor.drifted
        return drifted if drifted >= 0 else min(0.0, max(drifted, self.floor.value - self.base))

    def anchor(self, timestamp: int, offset: float) -> None:
        """Starts the mapping at ``timestamp``, from ``offset`` alone; the place is a multiple of 2.5 ms."""
        self.floor = ArrivalFloor(offset, timestamp)
        self.base = _whole(offset, timestamp)

    def resume(self, packet: Packet, waiting: Iterable[Packet], gap: int, step: float) -> None:
        """Corrects the mapping before ``packet``, which comes ``gap`` samples after the last one of the same source.

        ``waiting`` are the packets behind it; ``step`` is its offset minus that of the packet before. Anchors anew after a
        step back, and where the sender's clock stood still.
        """
        packets = same_clock(packet, waiting)
        lowest = _lowest_offset(packets)
        floor = self.floor
        if not 0 <= gap <= FORGOTTEN:
            self.anchor(packet.timestamp, lowest)
        elif lowest - floor.value > STALL:
            if _stood_still(packets[:LOOKAHEAD], step, STALL):
                self.anchor(packet.timestamp, lowest)
        elif gap > STALE:
            self.anchor(packet.timestamp, min(lowest, floor.value + gap * UNHEARD_DRIFT))
        else:
            floor.lower(lowest)
            self.base = _whole(floor.value, packet.timestamp)
            floor.drift_from(0.0)

    def check_stall(self, packet: Packet, waiting: Iterable[Packet], step: float) -> None:
        """Anchors anew at ``packet``, in the middle of speech, if the sender's clock stood still before it.

        ``step`` is its offset minus that of the packet before.
        """
        packets = same_clock(packet, islice(waiting, LOOKAHEAD))
        lowest = _lowest_offset(packets)
        if lowest - self.floor.value > STALL_IN_SPEECH and _stood_still(packets, step, STALL_IN_SPEECH):
            self.anchor(packet.timestamp, lowest)

    @property
    def is_late(self) -> bool:
        """Whether places are later than the least delayed arrival shows: the first packets were all delayed, or the path got
        shorter."""
        return self.base - self.floor.value > LATE_PLACES

    def catch_up(self, timestamp: int) -> None:
        """Moves the places of all packets from ``timestamp`` on to where arrivals show them."""
        self.base = _whole(self.floor.value, timestamp)
        self.floor.drift_from(0.0)

    def correct_drift(self, samples: int) -> None:
        """Moves the places of all further packets by a part of the drift."""
        self.base += samples
        self.floor.drift_from(self.floor.drifted - samples)


def same_clock(packet: Packet, waiting: Iterable[Packet]) -> list[Packet]:
    """``packet`` and those ``waiting`` behind it that run on the same clock: same source, no step back, no gap above 1 s."""
    packets = [packet]
    for each in waiting:
        if each.csrc != packet.csrc or not 0 <= each.timestamp - packets[-1].timestamp <= SAMPLE_RATE:
            break
        packets.append(each)
    return packets


def lowest_offset(packet: Packet, waiting: Iterable[Packet]) -> float:
    """The lowest offset of ``packet`` and those on the same clock behind it: the least delayed one."""
    return _lowest_offset(same_clock(packet, waiting))


def _lowest_offset(packets: Sequence[Packet]) -> float:
    return min(_offset(each) for each in packets)


def _stood_still(packets: Sequence[Packet], step: float, least: int) -> bool:
    """Whether the sender's clock stood still before ``packets``, which are late.

    It did not if they come faster than real time: a queue drains, and its packets are late while the clock runs on. Nor if the
    packet before was as late, unless many show real time.
    """
    third = max(1, len(packets) // 3)
    fall = _lowest_offset(packets[:third]) - _lowest_offset(packets[-third:])
    span = packets[-1].timestamp - packets[0].timestamp
    if fall > DRAINED or fall * HEAP_SPEED > span * (HEAP_SPEED - 1):
        return False
    return step > least or len(packets) >= FEW


def _whole(offset: float, timestamp: int) -> int:
    """The offset nearest to ``offset`` that gives ``timestamp`` a place that is a multiple of 2.5 ms."""
    return round((offset + timestamp) / QUANTUM) * QUANTUM - timestamp


def _offset(packet: Packet) -> float:
    return packet.arrival * SAMPLE_RATE - packet.timestamp
