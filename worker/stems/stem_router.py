"""Routes the attributed packets of a mix into the stems of their speakers, and opens stems."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, Protocol, TypeVar

from worker.audio.opus import SAMPLE_RATE
from worker.manifest.assemble import FIRST_CAPTION_SOURCE
from worker.manifest.schema import Source
from worker.roster.tenures import split_key, tenure_key
from worker.stems.attribution import SpeakerEvidence
from worker.stems.gate import Attribution
from worker.stems.mix_slot import MixPacket
from worker.stems.overflow import MOST_SOURCES, OVERFLOW, OverflowFloor
from worker.stems.repeating_streams import RepeatingStreams
from worker.stems.speaker_track import SpeakerTrack

MAX_STEP_BACK = SAMPLE_RATE // 20
"""A packet at most 50 ms before the end of its stem (another stream's clock) is appended; one further back is in the stem
already, from another track."""

MOST_DELAY = SAMPLE_RATE
"""A stream that repeats another brings each moment at most a second after it."""

FIRST_UNKNOWN = -1
"""The source of the first unknown speaker; further ones count down."""


class Routed(NamedTuple):
    """The ``evidence`` that was used. A ``repeated`` packet brings a moment that another stream had brought of all speakers."""

    evidence: SpeakerEvidence
    repeated: bool


class RoutedStem(Protocol):
    """One source's stem of a mix."""

    duplicates: int
    """Packets that were left out because another slot had brought that moment of this source."""

    @property
    def stream(self) -> int:
        """The stream that brought the last packet; -1 before the first."""

    @property
    def track(self) -> SpeakerTrack: ...

    def add(self, source: Source, packet: MixPacket, evidence: str, others: tuple[int, ...]) -> None:
        """Writes a packet of the mix at its place. ``others`` are the keys of the stems that share it."""


StemT = TypeVar("StemT", bound=RoutedStem)


class StemRouter(Generic[StemT]):
    """The stems of a gated mix by key, in order of first speech.

    ``open_stem`` creates the stem with a key. ``source_of_user`` returns the source of a captioned user; ``tenure_of`` the
    number of a source's tenure at a moment of meeting time in seconds; ``delivers`` whether something arrived in a stream at
    or after a moment, in samples.
    """

    def __init__(
        self,
        open_stem: Callable[[int], StemT],
        source_of_user: Callable[[str], int],
        tenure_of: Callable[[int, float], int],
        delivers: Callable[[int, int], bool],
    ) -> None:
        self.stems: dict[int, StemT] = {}
        self.repeating = RepeatingStreams()
        """By the packets that list their sources."""
        self.overflow = OverflowFloor()
        self._open_stem = open_stem
        self._source_of_user = source_of_user
        self._tenure_of = tenure_of
        self._delivers = delivers
        self._overflowed: MixPacket | None = None
        """The last packet in the overflow stem."""
        self._settled = 0

    def settle(self, position: int) -> None:
        """Writes silence up to ``position``, in stems that are opened later as well."""
        self._settled = position
        for stem in self.stems.values():
            stem.track.be_silent_until(position)

    def write(self, packet: MixPacket, attribution: Attribution) -> Routed:
        """Writes a packet into the stems of all its speakers, or of an unknown one."""
        moment = packet.position / SAMPLE_RATE
        speakers = [self._key(speaker, moment) for speaker in attribution.speakers]
        evidence = attribution.evidence
        written = [self._write_to(key, speakers, packet, evidence) for key in speakers]
        if speakers and evidence is SpeakerEvidence.CSRC:
            copied = not any(written)
            self.repeating.note(packet.stream, copied=copied)
            return Routed(evidence, repeated=copied)
        if any(written):
            return Routed(evidence, repeated=False)
        self._write_to_unknown(packet)
        return Routed(SpeakerEvidence.NONE, repeated=False)

    def _key(self, speaker: int | str, moment: float) -> int:
        source = speaker if isinstance(speaker, int) else self._source_of_user(speaker)
        if not 0 <= source < FIRST_CAPTION_SOURCE:
            return source
        return tenure_key(source, self._tenure_of(source, moment))

    def _write_to(self, key: int, speakers: list[int], packet: MixPacket, evidence: SpeakerEvidence) -> bool:
        """Writes into the stem with that key; returns False if it has that moment already.

        By CSRC the packet is a copy then, by hints it is another speaker's.
        """
        stem = self._stem(key)
        others = tuple(each for each in speakers if each != key)
        source, _ = split_key(key)
        listed = Source(ssrc=packet.ssrc, csrc=source if 0 <= source < FIRST_CAPTION_SOURCE else None)
        if stem is None:
            self._write_to_overflow(key, packet, listed, evidence, others)
            return True
        if self._has(stem, packet, evidence):
            stem.duplicates += evidence is SpeakerEvidence.CSRC
            return False
        stem.add(listed, packet, evidence, others)
        return True

    def _has(self, stem: StemT, packet: MixPacket, evidence: SpeakerEvidence) -> bool:
        """Whether the stem has the packet's moment already, or gets it from another stream.

        A stream that repeats others is later than they are, by its delay: what it brings of a source
        after another one brought it last is the end of the same words, as long as that one still delivers.
        """
        if packet.stream == stem.stream or packet.stream not in self.repeating:
            return _is_behind(packet, stem)
        step_back = stem.track.end - packet.position
        if step_back > packet.samples // 2:
            return True
        return (
            evidence is SpeakerEvidence.CSRC
            and packet.position - stem.track.speech_end < MOST_DELAY
            and self._delivers(stem.stream, packet.position)
        )

    def _write_to_unknown(self, packet: MixPacket) -> None:
        """Writes into the first unknown speaker's stem that has room: two tracks at once are two unknown speakers."""
        key = FIRST_UNKNOWN
        while key in self.stems and _is_behind(packet, self.stems[key]):
            key -= 1
        stem = self._stem(key)
        listed = Source(ssrc=packet.ssrc, csrc=None)
        if stem is None:
            self._write_to_overflow(key, packet, listed, SpeakerEvidence.NONE, ())
        else:
            stem.add(listed, packet, SpeakerEvidence.NONE, ())

    def _write_to_overflow(
        self, key: int, packet: MixPacket, listed: Source, evidence: SpeakerEvidence, others: tuple[int, ...]
    ) -> None:
        """Writes into the stem of all sources past MOST_SOURCES, once, unless another stream brings them at that moment."""
        self.overflow.add_source(key)
        if packet is self._overflowed or not self.overflow.take(
            packet.stream, packet.position, packet.samples
        ):
            return
        self._overflowed = packet
        stem = self.stems.get(OVERFLOW) or self._open(OVERFLOW)
        stem.add(listed, packet, evidence, others)

    def _stem(self, key: int) -> StemT | None:
        """The stem with that key, opened when it is first heard; None past MOST_SOURCES."""
        stem = self.stems.get(key)
        if stem is None and len(self.stems) < MOST_SOURCES:
            stem = self._open(key)
        return stem

    def _open(self, key: int) -> StemT:
        stem = self.stems[key] = self._open_stem(key)
        stem.track.be_silent_until(self._settled)
        return stem


def _is_behind(packet: MixPacket, stem: RoutedStem) -> bool:
    """Whether the stem holds the packet's moment from another stream.

    A stream holds none of its own twice: after a pause of the recording its clock is anchored anew, so its first packets may
    lie before its last ones.
    """
    return packet.stream != stem.stream and stem.track.end - packet.position > MAX_STEP_BACK
