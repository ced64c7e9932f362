"""Why packets are late: whether they come faster than real time, as out of a queue, or in real time (pure).

An offset is a packet's arrival minus its timestamp, in samples at 48 kHz. The offsets of packets out of a queue that drains
fall; those of packets that come in real time scatter around one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice, pairwise
from statistics import fmean

from worker.audio.opus import SAMPLE_RATE
from worker.stems.jitter_buffer import Packet

FORGOTTEN = 30 * SAMPLE_RATE
"""After a pause of 30 s arrivals alone count, as in a slot that was closed meanwhile."""

LOOKAHEAD = 256
"""Packets behind a late one that are examined for whether they come faster than real time."""

FEW = 16
"""Fewer packets do not show by themselves that they come in real time."""

SLOPE = 8
"""Fewer packets show no slope; only a heap shows among them."""

STEADY = SAMPLE_RATE // 200
"""Without jitter a fall of the offsets by more than 5 ms shows a queue that drains."""

REAL_TIME = SAMPLE_RATE // 400
"""FEW packets whose offsets neither fall nor scatter by more than 2.5 ms come in real time."""

HEAP_SPEED = 4
"""A few packets that come faster than at this multiple of real time are a heap that was queued."""


def same_clock(packet: Packet, waiting: Iterable[Packet]) -> list[Packet]:
    """``packet`` and those ``waiting`` behind it that run on the same clock: same source, no step back, no gap above 1 s."""
    packets = [packet]
    for each in waiting:
        if each.csrc != packet.csrc or not 0 <= each.timestamp - packets[-1].timestamp <= SAMPLE_RATE:
            break
        packets.append(each)
    return packets


def same_source(packet: Packet, waiting: Iterable[Packet]) -> list[Packet]:
    """``packet`` and those ``waiting`` behind it of the same source, also after pauses, up to a step back or one of 30 s."""
    packets = [packet]
    for each in islice(waiting, LOOKAHEAD):
        if each.csrc != packet.csrc or not 0 <= each.timestamp - packets[-1].timestamp <= FORGOTTEN:
            break
        packets.append(each)
    return packets


def lowest_offset(packet: Packet, waiting: Iterable[Packet]) -> float:
    """The lowest offset of ``packet`` and those on the same clock behind it: the least delayed one."""
    return lowest_of(same_clock(packet, waiting))


def lowest_of(packets: Sequence[Packet]) -> float:
    """The lowest offset of ``packets``."""
    return min(_offset(each) for each in packets)


def comes_faster(packets: Sequence[Packet]) -> bool:
    """Whether ``packets`` come faster than real time, so that they were queued."""
    span = packets[-1].timestamp - packets[0].timestamp
    is_heap = len(packets) < FEW and _fall(packets) * HEAP_SPEED > span * (HEAP_SPEED - 1)
    return is_heap or _is_drain(packets)


def is_plain(packets: Sequence[Packet]) -> bool:
    """Whether ``packets`` show clearly that they come faster than real time, or that they do not. A few never do."""
    if len(packets) < FEW:
        return False
    return _is_drain(packets) or max(_fall(packets), _jitter(packets)) <= REAL_TIME


def _fall(packets: Sequence[Packet]) -> float:
    """How far the lowest offset falls from the first third of ``packets`` to the last."""
    third = max(1, len(packets) // 3)
    return lowest_of(packets[:third]) - lowest_of(packets[-third:])


def _jitter(packets: Sequence[Packet]) -> float:
    """How far offsets scatter from one packet to the next, around what all have in common: a mean, in samples."""
    steps = [_offset(other) - _offset(one) for one, other in pairwise(packets)]
    if not steps:
        return 0.0
    middle = fmean(steps)
    return fmean(abs(step - middle) for step in steps)


def _is_drain(packets: Sequence[Packet]) -> bool:
    """Whether the offsets of ``packets`` fall by more than jitter explains."""
    fall, jitter = _fall(packets), _jitter(packets)
    if len(packets) < SLOPE:
        return False
    return fall > STEADY + 2 * jitter


def _offset(packet: Packet) -> float:
    return packet.arrival * SAMPLE_RATE - packet.timestamp
