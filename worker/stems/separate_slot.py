"""One slot of a platform that sends speakers apart: finds the stem of each packet, also of one that lists several speakers."""

from __future__ import annotations

from typing import Protocol

from worker.roster.sources import contributing_sources
from worker.stems.jitter_buffer import JitterBuffer, Packet
from worker.stems.placement import SlotPlacement
from worker.stems.speaker_track import SpeakerTrack


class Tracks(Protocol):
    """The tracks of the sources in a call's slots."""

    def key(self, csrc: int | None, ssrc: int, arrival: float) -> int:
        """The key of the stem of a packet that arrived at ``arrival`` (seconds of meeting time)."""

    def track(self, key: int, csrc: int | None, ssrc: int) -> SpeakerTrack | None:
        """The track with that key, opened when it is first heard; None: its packets are left out."""

    def share(self, placed: SpeakerTrack, packet: Packet, keys: list[int], ssrc: int) -> None:
        """Writes the packet that ``placed`` just took as the first of ``keys`` into the stems of the others as well."""


class SeparateSlot(SlotPlacement):
    """The packets of one SSRC, which carries one source at a time.

    A packet that lists several sources is placed as the first one's, and shared with the others.
    """

    def __init__(self, ssrc: int, tracks: Tracks, buffer: JitterBuffer | None = None) -> None:
        """``buffer`` orders its packets; None: one of its own."""
        super().__init__(buffer or JitterBuffer(), self._open_track)
        self.ssrc = ssrc
        self.last_arrival = 0.0
        self._tracks = tracks
        self._key: int | None = None

    def place(self, packet: Packet) -> None:
        """Places the slot's next packet in sequence order."""
        if packet.payload:
            key = self._tracks.key(packet.csrc, self.ssrc, packet.arrival)
            if key != self._key and packet.csrc == self._csrc:
                self._track = None  # the source is in another participant's hands
            self._key = key
        if len(packet.csrcs) < 2 or len(sources := contributing_sources(packet.csrcs)) < 2:
            super().place(packet)
            return
        before, count = self._track, self._placed(self._track)
        super().place(packet)
        track = self._track
        if track is not None and (track is not before or self._placed(track) > count):
            keys = [self._tracks.key(csrc, self.ssrc, packet.arrival) for csrc in sources]
            self._tracks.share(track, packet, keys, self.ssrc)

    def drop_track(self, track: SpeakerTrack) -> None:
        """``track`` is closed: the next packet of its source gets another."""
        if self._track is track:
            self._track = None

    def _open_track(self, csrc: int | None) -> SpeakerTrack | None:
        assert self._key is not None
        return self._tracks.track(self._key, csrc, self.ssrc)

    @staticmethod
    def _placed(track: SpeakerTrack | None) -> int:
        return 0 if track is None else track.received + track.recovered
