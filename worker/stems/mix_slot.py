"""One slot of a platform that sends a mix: orders its packets and gives them their places, for all sources alike (pure).

The platform's mixer has one clock for all speakers, so a change of speakers does not anchor the clock anew.
"""

from __future__ import annotations

import msgspec

from worker.roster.voice import is_voiced
from worker.stems.jitter_buffer import JitterBuffer, Packet
from worker.stems.placement import SlotPlacement
from worker.stems.speaker_track import SpeakerTrack


class MixPacket(msgspec.Struct, gc=False):
    """A packet of the mix at its place.

    ``position`` and ``samples`` count at 48 kHz from meeting time 0. ``csrcs`` are in wire order, the dominant speaker's first.
    ``slot`` numbers the call's slots. ``stream`` is the number of the first slot of the same SSRC of the same receiver: a
    pause of the recording divides a stream into slots. ``lost`` packets of the slot are missing before it, and ``concealed``
    samples at ``concealed_at`` are to be concealed for them. ``arrival`` is in seconds of meeting time. ``voiced``: it lists
    a source, or its encoder found a voice in it, or the payload does not show that. ``near_voice``: it or a packet nearby is
    voiced.
    """

    position: int
    samples: int
    payload: bytes
    csrcs: tuple[int, ...]
    ssrc: int
    recovered: bool
    lost: int
    voiced: bool
    near_voice: bool
    slot: int = 0
    stream: int = 0
    concealed_at: int = 0
    concealed: int = 0
    arrival: float = 0.0


class MixSlot:
    """The packets of one SSRC of a mix; placed packets are kept until ``take``."""

    def __init__(
        self,
        number: int,
        ssrc: int,
        stream: int,
        buffer: JitterBuffer | None = None,
        placement: type[SlotPlacement] = SlotPlacement,
    ) -> None:
        """``number`` counts the call's slots; ``stream`` is the number of the first one of the same stream.

        ``buffer`` orders its packets, by ``one_clock``; None: one of its own. ``placement`` gives them their places.
        """
        self.number = number
        self.stream = stream
        self.last_arrival = 0.0
        self.buffer = buffer or JitterBuffer(one_clock)
        self.track = SpeakerTrack(self, [self])
        """The mix as received."""
        self._placed: list[MixPacket] = []
        self._ssrc = ssrc
        self._placement = placement(self.buffer, lambda _: self.track)
        self._packet: Packet | None = None
        self._lost = 0
        self._concealed = (0, 0)

    def place(self, packet: Packet) -> None:
        """Places the slot's next packet in sequence order."""
        self._packet = packet
        self._placement.place(packet)

    def take(self) -> list[MixPacket]:
        """The packets that were placed since the last call."""
        placed, self._placed = self._placed, []
        return placed

    def write(self, position: int, samples: int, payload: bytes) -> None:
        """Called by the track, during ``place``: the packet has its place."""
        packet = self._packet
        assert packet is not None
        lost = self.track.lost - self._lost
        self._lost = self.track.lost
        voiced = is_voiced(packet.csrcs, payload)
        csrcs = tuple(dict.fromkeys(packet.csrcs))
        self._placed.append(
            MixPacket(
                position,
                samples,
                payload,
                csrcs,
                self._ssrc,
                packet.recovered,
                lost,
                voiced,
                voiced,
                self.number,
                self.stream,
                *self._concealed,
                packet.arrival,
            )
        )
        self._concealed = (0, 0)

    def be_silent(self, position: int, samples: int) -> None:
        """Called by the track: silence needs no attribution."""

    def speak(self, position: int, samples: int, payload: bytes) -> None:
        """Called by the track beside ``write``."""

    def conceal(self, position: int, samples: int) -> None:
        """Called by the track: what was lost is concealed in the mix before the next packet."""
        self._concealed = (position, samples)


def one_clock(_csrcs: tuple[int, ...]) -> int | None:
    """The source of every packet of a mix, whose mixer has one clock for all."""
    return None
