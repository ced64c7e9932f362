"""Packets of one source that come late."""

from __future__ import annotations

from worker.stems.jitter_buffer import Packet


def packets(count: int, *, first: int = 0, delay: float = 0.0, csrc: int = 7) -> list[Packet]:
    """Packets of 20 ms from timestamp ``first`` on, each ``delay`` seconds late."""
    timestamps = [first + number * 960 for number in range(count)]
    return [
        Packet(number, timestamp, timestamp / 48_000 + delay, 0.0, csrc, 0.1, b"speech", (csrc,))
        for number, timestamp in enumerate(timestamps)
    ]


def late(delays: list[float], *, first: int = 960, pace: float = 1.0) -> tuple[Packet, list[Packet]]:
    """Packets from timestamp ``first`` on; the first comes late by the first delay, the others at ``pace`` from there on."""
    made = [packets(1, first=first + number * 960, delay=delay)[0] for number, delay in enumerate(delays)]
    for number, each in enumerate(made):
        each.arrival -= number * 0.02 * (1 - 1 / pace)
    return made[0], made[1:]
