"""One slot of a platform that sends a mix: its packets put right and given their places, whoever is in them (pure).

The mixer has one clock whoever speaks, so that a change of speakers is no break, as it is where each source has its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from worker.audio.opus import voice_activity
from worker.stems.jitter_buffer import JitterBuffer, Packet
from worker.stems.placement import SlotPlacement
from worker.stems.speaker_track import SpeakerTrack, SpeechSink


class Sound(msgspec.Struct, gc=False):
    """A packet of the mix at its place.

    ``position`` and ``samples`` count at 48 kHz from meeting time 0. ``csrcs`` stand as they came, the dominant speaker's
    first. ``lost`` packets of the slot are missing before it. ``voiced``: it lists a source, or its encoder found a voice,
    or does not say. ``near_voice``: it, or something close by, is voiced.
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
    """The packets of one SSRC of a mix. What is placed waits for whoever attributes it."""

    refused = 0

    def __init__(self, ssrc: int, sinks: Sequence[SpeechSink]) -> None:
        self.buffer = JitterBuffer(_one_clock)
        self.track = SpeakerTrack(self, sinks)
        """The mix as it came: the mixed audio is made of this, so that no packet is in it twice."""
        self._placed: list[Sound] = []
        self._ssrc = ssrc
        self._placement = SlotPlacement(self.buffer, lambda _: self.track)
        self._packet: Packet | None = None
        self._lost = 0

    def place(self, packet: Packet) -> None:
        """Takes the slot's next packet in sequence order."""
        self._packet = packet
        self._placement.place(packet)

    def take(self) -> list[Sound]:
        """What was placed since the last call."""
        placed, self._placed = self._placed, []
        return placed

    def write(self, position: int, samples: int, payload: bytes) -> None:
        """The packet has its place: called by the track, out of ``place``."""
        packet = self._packet
        assert packet is not None
        lost = self.track.lost - self._lost
        self._lost = self.track.lost
        voiced = bool(packet.csrcs) or voice_activity(payload) is not False
        csrcs = tuple(dict.fromkeys(packet.csrcs))
        self._placed.append(
            Sound(position, samples, payload, csrcs, self._ssrc, packet.recovered, lost, voiced, voiced)
        )

    def be_silent(self, position: int, samples: int) -> None:
        """Nothing to attribute."""


def _one_clock(_csrcs: tuple[int, ...]) -> int | None:
    return None
