"""Totals of a gated mix."""

from worker.manifest.schema import ByEvidence, Packets
from worker.stems.attribution import SpeakerEvidence
from worker.stems.mix_slot import MixSlot
from worker.stems.mix_totals import MixTotals


def test_packets_and_seconds_are_counted_once_by_evidence() -> None:
    totals = MixTotals()
    totals.count(960, SpeakerEvidence.CSRC, shared=False)
    totals.count(960, SpeakerEvidence.CSRC, shared=True)
    totals.count(480, SpeakerEvidence.NONE, shared=False)
    totals.count_noise()
    mix = totals.gated_mix([])
    assert (mix.packets, mix.seconds) == (ByEvidence(csrc=2, none=1), ByEvidence(csrc=0.04, none=0.01))
    assert (mix.shared_packets, mix.shared_seconds, mix.noise_packets) == (1, 0.02, 1)
    assert mix.mix == Packets()


def test_the_mixs_own_packets_are_added_up_over_its_slots() -> None:
    slots = [MixSlot(0, 6666, 0), MixSlot(1, 6667, 1)]
    for number, slot in enumerate(slots, start=1):
        slot.track.received, slot.track.lost = 10 * number, number
        slot.buffer.counts.late = {None: number}
        slot.buffer.counts.duplicate = {None: number, 7: 1}
    mix = MixTotals().gated_mix(slots)
    assert mix.mix == Packets(received=30, lost=3, late=3, duplicate=5)
