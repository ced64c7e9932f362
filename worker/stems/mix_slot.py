"""One slot of a platform that sends a mix: orders its packets and gives them their places, for all sources alike (pure).

The platform's mixer has one clock for all speakers, so a change of speakers does not anchor the clock anew.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from worker.audio.opus import SAMPLE_RATE
from worker.roster.voice import is_voiced
from worker.stems.jitter_buffer import JitterBuffer, Packet
from worker.stems.placement import SlotPlacement
from worker.stems.speaker_track import SpeakerTrack, SpeechSink

COPIED_WITHIN = 3 * SAMPLE_RATE
"""A slot that has been silent for three seconds brings no copies."""


class MixPacket(msgspec.Struct, gc=False):
    """A packet of the mix at its place.

    ``position`` and ``samples`` count at 48 kHz from meeting time 0. ``csrcs`` are in wire order, the dominant speaker's first.
    ``lost`` packets of the slot are missing before it. ``voiced``: it lists a source, or its encoder found a voice in it, or
    the payload does not show that. ``near_voice``: it or a packet nearby is voiced.
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


class MixSlot:
    """The packets of one SSRC of a mix; placed packets are kept until ``take``.

    ``slots`` are all slots of the mix: a packet that another of them brought, on another connection, is left out.
    """

    refused = 0

    def __init__(self, ssrc: int, sinks: Sequence[SpeechSink], slots: Sequence[MixSlot] = ()) -> None:
        self.buffer = JitterBuffer(_one_clock)
        self.track = SpeakerTrack(self, sinks)
        """The mix as received: the mixed audio is made of this, so that each packet is in it once."""
        self._placed: list[MixPacket] = []
        self._ssrc = ssrc
        self._slots = slots
        self._placement = SlotPlacement(self.buffer, lambda _: self.track)
        self._packet: Packet | None = None
        self._lost = 0

    def place(self, packet: Packet) -> None:
        """Places the slot's next packet in sequence order."""
        if len(self._slots) > 1 and self._is_copy(packet):
            self._placement.leave_out(packet)
            return
        self._packet = packet
        self._placement.place(packet)

    def _is_copy(self, packet: Packet) -> bool:
        earliest = packet.arrival * SAMPLE_RATE - COPIED_WITHIN
        return any(
            slot.track.speech_end > earliest and slot.track.repeats(packet.payload)
            for slot in self._slots
            if slot is not self
        )

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
            MixPacket(position, samples, payload, csrcs, self._ssrc, packet.recovered, lost, voiced, voiced)
        )

    def be_silent(self, position: int, samples: int) -> None:
        """Called by the track: silence needs no attribution."""


def _one_clock(_csrcs: tuple[int, ...]) -> int | None:
    return None
