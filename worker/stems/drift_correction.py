"""Corrects the drift of a sender's clock inside a talk-spurt, where the speech is quietest (pure).

A drift is in samples at 48 kHz, as RtpClock gives it: above 0 where the sender's clock is slow.
"""

from __future__ import annotations

from collections.abc import Iterable

from worker.audio.opus import QUANTUM
from worker.stems.arrival_pace import same_clock
from worker.stems.jitter_buffer import Packet

DRIFTED_SLOW = 4 * QUANTUM
"""From 10 ms on a slow clock is corrected, by silence before a quiet packet."""

FAR_SLOW = 6 * QUANTUM
"""From 15 ms on a slow clock is corrected before the quietest packet that waits, however loud it is."""

DRIFTED_FAST = 6 * QUANTUM
"""A fast clock costs a quiet packet, mostly 20 ms: a correction below 15 ms would go too far. Loud speech is never left out."""

QUIET_LEVEL = 0.003
"""About -50 dBov, linear."""


def packet_to_correct_at(drift: float, packet: Packet, waiting: Iterable[Packet]) -> Packet | None:
    """The one of the packets ``waiting`` behind ``packet`` at which to correct ``drift``.

    None if the drift is too small, or can wait for a quieter packet.
    """
    if not is_drifted(drift):
        return None
    candidates = [each for each in same_clock(packet, waiting)[1:] if not each.recovered]
    if not candidates:
        return None
    quietest = min(candidates, key=_loudness)
    return quietest if allows_correction(drift, quietest) else None


def is_drifted(drift: float) -> bool:
    """Whether a drift is large enough to correct it."""
    return not -DRIFTED_FAST < drift < DRIFTED_SLOW


def allows_correction(drift: float, packet: Packet) -> bool:
    """Whether a packet is quiet enough to correct ``drift`` at it."""
    return _loudness(packet) <= QUIET_LEVEL or drift >= FAR_SLOW


def shift_at(drift: float, samples: int) -> int:
    """By how many samples to move speech from a packet on that lasts ``samples``.

    0 or more: that much silence goes before the packet. Below 0: the packet is left out.
    """
    return min(samples, int(drift) // QUANTUM * QUANTUM) if drift >= 0 else -samples


def _loudness(packet: Packet) -> float:
    """Linear 0–1; a packet without a level counts as loud."""
    return 1.0 if packet.level is None else packet.level
