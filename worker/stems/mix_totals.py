"""Counts the packets of a gated mix by the evidence for their speakers (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from worker.audio.opus import SAMPLE_RATE
from worker.manifest.schema import ByEvidence, GatedMix, Packets
from worker.stems.attribution import SpeakerEvidence
from worker.stems.mix_slot import MixSlot

NOTE = (
    "The platform sends one mix of everybody. Each file is that mix while its speaker talks: where several talk at once, "
    "all of them are heard in the file of each, and nothing separates them."
)


class MixTotals:
    """Counts each packet of the mix once, however many stems it is in."""

    def __init__(self) -> None:
        self._packets: Counter[SpeakerEvidence] = Counter()
        self._samples: Counter[SpeakerEvidence] = Counter()
        self._shared_packets = 0
        self._shared_samples = 0
        self._noise_packets = 0
        self._closed = Packets()

    def count(self, samples: int, evidence: SpeakerEvidence, *, shared: bool) -> None:
        """Counts a packet that lasts ``samples`` and that is in stems; ``shared``: several speakers are in it."""
        self._packets[evidence] += 1
        self._samples[evidence] += samples
        if shared:
            self._shared_packets += 1
            self._shared_samples += samples

    def count_noise(self) -> None:
        """Counts a packet that is in no stem."""
        self._noise_packets += 1

    def close_slot(self, slot: MixSlot) -> None:
        """Adds the counts of a slot that is closed before the end."""
        self._closed += _packets(slot)

    def gated_mix(self, slots: Iterable[MixSlot]) -> GatedMix:
        """The manifest's entry; ``slots`` are those that are not closed."""
        return GatedMix(
            note=NOTE,
            packets=ByEvidence(**{evidence.value: self._packets[evidence] for evidence in SpeakerEvidence}),
            seconds=ByEvidence(
                **{
                    evidence.value: round(self._samples[evidence] / SAMPLE_RATE, 4)
                    for evidence in SpeakerEvidence
                }
            ),
            shared_packets=self._shared_packets,
            shared_seconds=round(self._shared_samples / SAMPLE_RATE, 4),
            noise_packets=self._noise_packets,
            mix=sum(map(_packets, slots), self._closed),
        )


def _packets(slot: MixSlot) -> Packets:
    track, counts = slot.track, slot.buffer.counts
    return Packets(
        received=track.received,
        recovered=track.recovered,
        lost=track.lost,
        late=sum(counts.late.values()),
        duplicate=sum(counts.duplicate.values()),
        trimmed=track.trimmed,
    )
