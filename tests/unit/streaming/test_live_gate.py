"""Whose speech a packet of a mix is by what is known when it arrives."""

from __future__ import annotations

import pytest

from worker.roster.speaking import Caption, Dominance
from worker.stems.attribution import SpeakerEvidence
from worker.stems.gate import NOISE, UNKNOWN, Attribution
from worker.stems.mix_slot import MixPacket
from worker.streaming.live_gate import LiveGate


def packet(at: float, csrcs: tuple[int, ...] = (), *, voiced: bool = True) -> MixPacket:
    return MixPacket(round(at * 48_000), 960, b"\x78\x80\x00", csrcs, 7001, False, 0, voiced, voiced)


def caption(user: str, start: float, end: float) -> Caption:
    return Caption(user_id=user, start=start, end=end, final=True)


def test_a_packets_own_list_decides_whatever_hints_say() -> None:
    gate = LiveGate()
    gate.add_hint(Dominance((9,)), 0.0)
    assert gate.attribution(packet(1.0, (7, 8))) == Attribution((7, 8), SpeakerEvidence.CSRC)


def test_in_a_call_that_lists_sources_a_packet_without_is_unknown_or_noise() -> None:
    gate = LiveGate()
    gate.add_hint(Dominance((9,)), 0.0)
    gate.attribution(packet(1.0, (7,)))
    assert gate.attribution(packet(1.02)) == UNKNOWN
    assert gate.attribution(packet(1.04, voiced=False)) == NOISE


def test_the_latest_dominant_speaker_counts_from_its_arrival_on() -> None:
    gate = LiveGate()
    assert gate.attribution(packet(1.0)) == UNKNOWN
    gate.add_hint(Dominance((9,)), 1.01)
    assert gate.attribution(packet(1.02)) == Attribution((9,), SpeakerEvidence.DSH)
    gate.add_hint(Dominance((8, 9)), 1.03)
    assert gate.attribution(packet(1.04)) == Attribution((8,), SpeakerEvidence.DSH)


def test_the_latest_caption_counts_until_three_seconds_after_it_came() -> None:
    gate = LiveGate()
    gate.add_hint(caption("ann", 0.0, 2.0), 2.5)
    gate.add_hint(caption("bo", -3.0, -1.0), 2.6)
    assert gate.attribution(packet(2.6)) == Attribution(("ann",), SpeakerEvidence.CAPTIONS)
    assert gate.attribution(packet(5.49)) == Attribution(("ann",), SpeakerEvidence.CAPTIONS)
    assert gate.attribution(packet(5.5)) == UNKNOWN


@pytest.mark.parametrize("offset", [-3_600.0, -5.0, -3.0, -1.0, 0.0, 1.0, 2.0, 5.0, 3_600.0])
@pytest.mark.parametrize("strange", [None, (8.0, 1e9), (1e9, 1e9), (-1e9, 1e9), (-1e9, -1e9)])
def test_captions_count_when_they_come_whatever_their_clock_says(
    offset: float, strange: tuple[float, float] | None
) -> None:
    """Ann speaks until 20, then Bo; captions of 2 s come 1 s after their end. A strange one of Ann's comes while Bo speaks."""
    hints = [
        (start + 3.0, caption("ann" if start < 20 else "bo", start + offset, start + 2 + offset))
        for start in range(0, 120, 2)
    ]
    if strange is not None:
        hints.append((40.5, caption("ann", *strange)))
    hints.sort(key=lambda each: each[0])
    gate, wrong = LiveGate(), 0
    for number in range(50 * 118):
        at = number / 50
        while hints and hints[0][0] <= at:
            came, hint = hints.pop(0)
            gate.add_hint(hint, came)
        meant = () if at < 3 else ("ann",) if at < 23 else ("bo",)
        wrong += gate.attribution(packet(at)).speakers != meant
    assert wrong <= 50, "the strange one counts until the next"


def test_a_caption_that_does_not_count_any_more_holds_nobody_up() -> None:
    """The server's clock went back."""
    gate = LiveGate()
    gate.add_hint(caption("ann", 38.0, 40.0), 40.5)
    gate.add_hint(caption("bo", 8.0, 10.0), 43.4)
    assert gate.attribution(packet(43.45)).speakers == ("ann",)
    gate.add_hint(caption("bo", 8.0, 13.0), 43.5)
    assert gate.attribution(packet(43.6)).speakers == ("bo",)


def test_the_final_words_of_an_utterance_do_not_interrupt_the_next_one() -> None:
    gate = LiveGate()
    gate.add_hint(caption("bo", 5.0, 5.8), 6.0)
    gate.add_hint(caption("ann", 0.0, 5.0), 6.4)
    assert gate.attribution(packet(6.5)).speakers == ("bo",)
    gate.add_hint(caption("ann", 0.0, 6.5), 6.7)
    assert gate.attribution(packet(6.8)).speakers == ("ann",), "she speaks on"


def test_unvoiced_packets_are_speech_only_shortly_after_a_voice() -> None:
    gate = LiveGate()
    gate.add_hint(Dominance((9,)), 0.0)
    assert gate.attribution(packet(0.5, voiced=False)) == NOISE
    gate.attribution(packet(1.0))
    assert gate.attribution(packet(1.5, voiced=False)).speakers == (9,)
    assert gate.attribution(packet(1.52, voiced=False)) == NOISE
