"""Maps a sender's RTP timestamps to meeting time, anchored by the arrival of its packets (pure)."""

from __future__ import annotations

from collections.abc import Iterable

from worker.audio.opus import QUANTUM, SAMPLE_RATE
from worker.stems.arrival_floor import ArrivalFloor
from worker.stems.jitter_buffer import Packet

STALL = SAMPLE_RATE // 10
"""Arrivals that stay this far (100 ms) behind the floor mean that the sender's clock stood still, not jitter."""

STALL_EVIDENCE = 10
"""A talk-spurt is anchored anew for a stall only if at least this many packets show it."""

STALE = 10 * SAMPLE_RATE
"""After a pause of ten seconds the old floor is too old for a drifting clock."""

STEADY = 2 * QUANTUM
"""A place that is at most 5 ms off is not corrected: the estimate is no more exact than that."""


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
        """How far places are from what arrivals say, in samples: above 0 where the sender's clock is slow."""
        return self.floor.value - self.base

    def anchor(self, timestamp: int, offset: float) -> None:
        """Starts the mapping at ``timestamp``, from ``offset`` alone; the place is a multiple of 2.5 ms."""
        self.floor = ArrivalFloor(offset, timestamp)
        self.base = round((offset + timestamp) / QUANTUM) * QUANTUM - timestamp

    def resume(self, packet: Packet, waiting: Iterable[Packet], gap: int) -> None:
        """Corrects the mapping before ``packet``, which comes ``gap`` samples after the last one of the same source.

        ``waiting`` are the packets behind it. Anchors anew after a long gap, a step back or a stall.
        """
        lowest = lowest_offset(packet, waiting)
        if not 0 <= gap <= STALE or self._is_stalled(lowest):
            self.anchor(packet.timestamp, lowest)
            return
        self.floor.lower(lowest)
        if abs(self.drift) > STEADY:
            self.base = round(self.floor.value)

    def check_stall(self, packet: Packet, waiting: Iterable[Packet]) -> None:
        """Anchors anew at ``packet`` if all that follow it are behind the floor as well: the sender's clock stood still."""
        packets = same_clock(packet, waiting)
        if len(packets) < STALL_EVIDENCE:
            return
        lowest = _lowest_offset(packets)
        if self._is_stalled(lowest):
            self.anchor(packet.timestamp, lowest)

    def _is_stalled(self, lowest: float) -> bool:
        return lowest - self.floor.value > STALL


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


def _lowest_offset(packets: list[Packet]) -> float:
    return min(each.arrival * SAMPLE_RATE - each.timestamp for each in packets)
