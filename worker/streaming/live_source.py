"""The live sound of one source while it is put together: its PCM in chunks, and its Opus packets (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from worker.audio.decoder import Samples
from worker.audio.live_mixer import LiveMixer
from worker.audio.opus import SAMPLE_RATE
from worker.audio.pcm_chunks import Chunk, PcmChunks
from worker.audio.pcm_stream import PcmStream
from worker.contracts.live_items import Isolation, LiveOpus, LivePcm, LivePerson
from worker.roster.tenures import split_key
from worker.stems.speaker_track import COPIED_WITHIN

FORGOTTEN: Final = 60.0
"""Seconds of silence after which a source is over; its next word begins another. After a pause of 30 s its clock is anchored
anew in any case, and worker.streaming.connections closes the connection of a silent speaker after 60 s."""

GIVES_WAY: Final = 1.0
"""Seconds of silence after which a source gives its place to a new one, where there is a bound on their number."""


class PacketNow(msgspec.Struct):
    """What is known of the packet that is being placed. ``arrived`` is in Unix seconds.

    ``into_mix``: it is not in the mix yet, as another speaker's.
    """

    arrived: float = 0.0
    isolation: Isolation = Isolation.SEPARATED
    into_mix: bool = True


class LiveSource:
    """Collects what is sent of one source; ``key`` is one of worker.roster.tenures.

    ``rate`` None: it has no PCM. ``mixer`` gets its PCM as well. ``opus``: its packets are sent, too. All positions are samples
    of meeting time at 48 kHz. ``stream_from``: its PCM is one stream without gaps (worker.audio.pcm_stream), which
    does not begin before that; None: it is not.
    """

    def __init__(
        self,
        key: int,
        now: PacketNow,
        rate: int | None,
        *,
        mixer: LiveMixer | None,
        opus: bool,
        stream_from: int | None,
    ) -> None:
        self.key = key
        self._now = now
        self._mixer = mixer
        self._stream = PcmStream(rate, stream_from) if stream_from is not None and rate is not None else None
        self._chunks = self._stream or (None if rate is None else PcmChunks(rate))
        self._packets: list[LiveOpus] | None = [] if opus else None
        self._cut: list[tuple[Chunk, Isolation]] = []
        self._isolation = now.isolation
        self._into_mix = True
        self.arrived = now.arrived
        """When the newest of what is sent arrived, in Unix seconds; of silence, the time up to which it is known."""
        self.heard = now.arrived
        """When the newest of its packets arrived, in Unix seconds."""

    @property
    def stream_end(self) -> int:
        """Up to where its stream was sent; 0 where it has none."""
        return 0 if self._stream is None else self._stream.end

    def take_trimmed(self) -> int:
        """The samples since the last call that are not in the stream, because it had passed their place."""
        return 0 if self._stream is None else self._stream.take_trimmed()

    def is_over(self, at: float, tenure: int) -> bool:
        """Whether nothing more is sent of it at ``at`` (Unix seconds), when the source is in its tenure ``tenure``.

        It is over after FORGOTTEN seconds of silence. Where its person left, or the source was passed on, it is over as soon
        as no copies can come.
        """
        silence = at - self.heard
        passed_on = tenure > split_key(self.key)[1]
        return silence > FORGOTTEN or (passed_on and silence > COPIED_WITHIN / SAMPLE_RATE)

    def begins_other(self, now: PacketNow) -> bool:
        """Whether a packet of ``now`` is not like those before it, which must be decoded first."""
        return now.isolation is not self._isolation or now.into_mix is not self._into_mix

    def begin_packet(self, position: int, samples: int, payload: bytes, now: PacketNow) -> None:
        """The next packet of the source; its PCM follows by ``add``."""
        if now.isolation is not self._isolation and self._chunks is not None:
            self._cut += [(chunk, self._isolation) for chunk in self._chunks.take()]
        self._isolation = now.isolation
        self._into_mix = now.into_mix
        self.heard = max(self.heard, now.arrived)
        self.arrived = max(self.arrived, now.arrived)
        if self._packets is not None:
            self._packets.append(
                LiveOpus(
                    person=None,
                    source=self.key,
                    position=position,
                    samples=samples,
                    payload=payload,
                    arrived=now.arrived,
                    isolation=now.isolation,
                )
            )

    def add(self, position: int, samples: Samples) -> None:
        """Adds PCM at the session's rate at ``position``."""
        if self._chunks is not None:
            self._chunks.add(position, samples)
        if self._mixer is not None and self._into_mix:
            self._mixer.add(position, samples)

    def be_silent_until(self, position: int, at: float) -> None:
        """Adds the silence that is certain at ``position``, which is ``at`` in Unix seconds; only a stream has it."""
        if self._stream is not None and self._stream.be_silent_until(position):
            self.arrived = max(self.arrived, at)

    def take(self, person: LivePerson | None) -> list[LiveOpus | LivePcm]:
        """Removes and returns what is there, as ``person``'s."""
        items: list[LiveOpus | LivePcm] = []
        if self._packets:
            items += [msgspec.structs.replace(each, person=person) for each in self._packets]
            self._packets.clear()
        if self._chunks is not None:
            cut, self._cut = self._cut, []
            cut += [(chunk, self._isolation) for chunk in self._chunks.take()]
            items += [
                LivePcm(
                    person=person,
                    source=self.key,
                    position=chunk.position,
                    pcm=chunk.pcm,
                    arrived=self.arrived,
                    isolation=isolation,
                )
                for chunk, isolation in cut
            ]
        return items


def longest_silent(sources: Iterable[LiveSource], at: float) -> LiveSource | None:
    """The source that gives its place to a new one at ``at`` (Unix seconds); None: all have spoken within GIVES_WAY."""
    longest = min(sources, key=lambda source: source.heard, default=None)
    return longest if longest is not None and longest.heard < at - GIVES_WAY else None
