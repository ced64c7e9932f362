"""Maps a sender's RTP timestamps to meeting time, anchored by the arrival of its packets (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from worker.audio.opus import QUANTUM, SAMPLE_RATE
from worker.stems.arrival_floor import ArrivalFloor
from worker.stems.arrival_pace import FORGOTTEN, comes_faster, is_plain, lowest_of, lowest_offset, same_source
from worker.stems.jitter_buffer import Packet

STALL = SAMPLE_RATE // 10
"""Speech after a pause that arrives this far (100 ms) behind the floor may be that of a clock that stood still."""

STALL_IN_SPEECH = SAMPLE_RATE
"""In the middle of speech only a second counts: a queue or a longer path delays packets by less."""

STANDS = 5 * SAMPLE_RATE
"""Packets that are late without a step, and no less late after five seconds, are those of a clock that stood still."""

LEVEL = SAMPLE_RATE // 40
"""Each second's lowest offset stays within 25 ms if no queue fills or drains."""

SLOWEST_DRAIN = 0.04
"""The offsets of a queue that drains at 1.04 times real time fall by that share of the RTP time."""

STALE = 10 * SAMPLE_RATE
"""After a pause of ten seconds the floor is estimated anew, with room for a drifting clock."""

LONGEST_STALL = 30 * SAMPLE_RATE
"""A network that delivers nothing for 30 s has lost the connection (RFC 7675, section 5.1): nothing is queued for longer."""

UNHEARD_DRIFT = 0.0001
"""100 ppm: how far the floor may have risen since the clock was last heard, as a share of that time."""

LATE_PLACES = 2 * QUANTUM
"""Places that are up to 5 ms later than arrivals show are left as they are."""

UNDONE = SAMPLE_RATE // 5
"""Packets that come 200 ms earlier than those by which a standstill was assumed show that it was a queue."""

LONGEST_DRAIN = 60 * SAMPLE_RATE
"""A minute later nothing is left of a queue, and the clock may have drifted."""


class _Standstill(NamedTuple):
    """A sender's clock stood still before ``timestamp``: the floor was ``before`` and is ``after``, in samples."""

    timestamp: int
    before: float
    after: float

    def is_refuted_by(self, timestamp: int, offset: float) -> bool:
        """Whether a packet shows that it was a queue, which has drained by half, or by UNDONE, since."""
        return timestamp - self.timestamp < LONGEST_DRAIN and self.after - offset > min(
            UNDONE, (self.after - self.before) / 2
        )


class RtpClock:
    """The place in meeting time of each timestamp of one slot (SSRC and CSRC).

    Timestamps are unwrapped RTP ticks at 48 kHz; places are samples at 48 kHz from meeting time 0. An offset is a packet's
    arrival minus its timestamp, in samples.
    """

    def __init__(self) -> None:
        self.base = 0
        """Added to a timestamp it gives the place."""
        self.floor = ArrivalFloor(0.0, 0)
        self._late: tuple[int, float] | None = None
        """The timestamp from which on packets are late, and their lowest offset then."""
        self._standstill: _Standstill | None = None
        self._level: tuple[int, float] | None = None
        """The timestamp from which on each second's lowest offset has been late and has stayed what it was then."""

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
        self._late = self._standstill = self._level = None

    def is_unsure(self, packet: Packet, waiting: Iterable[Packet], step: float, least: int) -> bool:
        """Whether the packets ``waiting`` behind a late one do not show why it is late.

        ``step`` is its offset minus that of the packet before; ``least`` the lateness that counts: STALL or STALL_IN_SPEECH.
        """
        if not least < step <= LONGEST_STALL:
            return False
        packets = same_source(packet, waiting)
        return lowest_of(packets) - self.floor.value > least and not is_plain(packets)

    def resume(self, packet: Packet, waiting: Iterable[Packet], gap: int, step: float) -> None:
        """Corrects the mapping before ``packet``, which comes ``gap`` samples after the last one of the same source.

        ``waiting`` are the packets behind it; ``step`` is its offset minus that of the packet before. Anchors anew after a
        step back, and where the sender's clock stood still.
        """
        lowest = lowest_offset(packet, waiting)
        floor = self.floor
        if not 0 <= gap <= FORGOTTEN:
            self.anchor(packet.timestamp, lowest)
            return
        if self.undo_standstill(packet.timestamp, lowest):
            floor = self.floor
        if lowest - floor.value > STALL:
            self._judge(packet, waiting, step, STALL)
        elif gap > STALE:
            self.anchor(packet.timestamp, min(lowest, floor.value + gap * UNHEARD_DRIFT))
        else:
            floor.lower(lowest)
            self.base = _whole(floor.value, packet.timestamp)
            floor.drift_from(0.0)
            self._late = None

    def undo_standstill(self, timestamp: int, offset: float) -> bool:
        """Anchors as before an assumed standstill if the packet at ``timestamp`` shows by its ``offset`` that it was a queue;
        returns whether.
        """
        stood = self._standstill
        if stood is None or not stood.is_refuted_by(timestamp, offset):
            return False
        self.anchor(timestamp, stood.before)
        return True

    def move_earlier(self, timestamp: int, offset: float) -> None:
        """Anchors anew at a packet whose ``offset`` shows that places are too late; a standstill may still be undone."""
        stood = self._standstill
        self.anchor(timestamp, offset)
        self._standstill = stood

    def check_stall(self, packet: Packet, waiting: Iterable[Packet], step: float) -> bool:
        """Anchors anew at ``packet``, in the middle of speech, if the sender's clock stood still before it; returns whether.

        ``step`` is its offset minus that of the packet before.
        """
        return self._judge(packet, waiting, step, STALL_IN_SPEECH)

    def roll(self, timestamp: int) -> None:
        """Computes the floor again at ``timestamp``, once a second."""
        low = self.floor.block_low
        if low - self.floor.value < STALL:
            self._late = self._level = None
        elif self._level is None or abs(low - self._level[1]) > LEVEL:
            self._level = timestamp, low
        elif timestamp - self._level[0] >= STANDS:
            # No queue fills or drains, so the path has become longer. Places follow after the next pause.
            self.floor = ArrivalFloor(low, timestamp)
            self._late = self._level = None
            return
        self.floor.roll(timestamp)

    def _judge(self, packet: Packet, waiting: Iterable[Packet], step: float, least: int) -> bool:
        """Anchors anew before ``packet`` if it is late because the sender's clock stood still; returns whether.

        It did not if packets come faster than real time: a queue drains, and its packets are late while the clock runs on. If
        the packet before was as late, it takes longer to tell.
        """
        timestamp = packet.timestamp
        late = self._late
        if step <= least and late is not None and timestamp - late[0] < STANDS:
            return False
        packets = same_source(packet, waiting)
        lowest = lowest_of(packets)
        floor = self.floor.value
        if lowest - floor <= least:
            return False
        if step > least:
            stood = step > LONGEST_STALL or not comes_faster(packets)
        else:
            stood = late is not None and late[1] - lowest < SLOWEST_DRAIN * (timestamp - late[0])
        if stood:
            self.anchor(timestamp, lowest)
            self._standstill = _Standstill(timestamp, floor, lowest)
        else:
            self._late = timestamp, lowest
        return stood

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


def _whole(offset: float, timestamp: int) -> int:
    """The offset nearest to ``offset`` that gives ``timestamp`` a place that is a multiple of 2.5 ms."""
    return round((offset + timestamp) / QUANTUM) * QUANTUM - timestamp
