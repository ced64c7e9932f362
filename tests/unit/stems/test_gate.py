"""Attribution packet by packet: rules and orders of events that whole tapes do not show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.rendering.renderer import SETTLED_AFTER
from worker.roster.speaking import Caption, Dominance
from worker.stems.attribution import SpeakerEvidence
from worker.stems.gate import CAPTIONS_WAIT, NOISE, UNKNOWN, Attribution, Gate
from worker.stems.lag_estimate import BIN_SECONDS, LagEstimate
from worker.stems.mix_slot import MixPacket


def packet(at: float, *csrcs: int, voiced: bool = True) -> MixPacket:
    """20 ms at ``at`` seconds."""
    voiced = voiced or bool(csrcs)
    return MixPacket(round(at * 48_000), 960, b"\x78\x80\x00", csrcs, 7001, False, 0, voiced, voiced)


class Decided:
    """A gate and its output: the attribution of each packet by its place in seconds."""

    def __init__(self) -> None:
        self.attributions: dict[float, Attribution] = {}
        self.gate = Gate(self._note)

    def _note(self, heard: MixPacket, attribution: Attribution) -> None:
        self.attributions[heard.position / 48_000] = attribution

    def speak(self, begin: float, end: float, *csrcs: int, voiced: bool = True) -> None:
        for tick in range(round(begin * 50), round(end * 50)):
            self.gate.push(packet(tick / 50, *csrcs, voiced=voiced))

    def owners(self) -> dict[Attribution, float]:
        """Seconds of each attribution."""
        return {
            each: sum(one == each for one in self.attributions.values()) / 50
            for each in self.attributions.values()
        }


def dsh(*source: int) -> Attribution:
    return Attribution(source, SpeakerEvidence.DSH)


def test_a_csrc_list_attributes_at_once_in_its_order() -> None:
    decided = Decided()
    decided.speak(0, 0.02, 9, 4)
    decided.gate.decide(0.5)
    assert decided.attributions == {0.0: Attribution((9, 4), SpeakerEvidence.CSRC)}


def test_packets_without_csrcs_in_a_call_with_csrcs_are_noise_or_unknown() -> None:
    decided = Decided()
    decided.speak(0, 1, 9)
    decided.speak(1, 2, voiced=False)
    decided.speak(2, 3)
    decided.gate.decide(3.5)
    assert decided.owners() == {Attribution((9,), SpeakerEvidence.CSRC): 1, NOISE: 1, UNKNOWN: 1}


def test_after_five_seconds_of_speech_without_a_csrc_hints_count() -> None:
    decided = Decided()
    decided.speak(0, 1, 9)
    decided.speak(1, 5.9)
    decided.gate.decide(6)
    assert decided.owners() == {Attribution((9,), SpeakerEvidence.CSRC): 1, UNKNOWN: 4.9}
    decided.gate.add_hint(Dominance((7,)), 6.2)
    decided.speak(5.9, 9)
    decided.gate.decide(20)
    assert decided.owners()[dsh(7)] == pytest.approx(3.1)


def test_the_dominant_speaker_gets_voiced_packets_and_those_nearby() -> None:
    decided = Decided()
    decided.speak(0, 2, voiced=False)
    decided.speak(2, 4)
    decided.gate.add_hint(Dominance((9,)), 2.4)
    decided.speak(4, 7, voiced=False)
    decided.gate.decide(4.4)
    assert set(decided.attributions.values()) == {NOISE}
    decided.gate.decide(20)
    assert decided.owners() == {NOISE: pytest.approx(4.0, abs=0.05), dsh(9): pytest.approx(3.0, abs=0.05)}


def test_a_change_without_a_pause_is_moved_back_by_the_lag_learned_at_pauses() -> None:
    """Twenty changes after pauses, announced 0.6 s late; then one without a pause."""
    decided = Decided()
    for turn in range(20):
        begin = 3.0 * turn
        decided.speak(begin, begin + 2.5)
        decided.gate.add_hint(Dominance((turn % 2 + 1,)), begin + 0.6)
        decided.gate.decide(begin + 2.9)
    decided.speak(60, 65)
    decided.gate.add_hint(Dominance((1,)), 60.6)
    decided.gate.add_hint(Dominance((2,)), 63.6)
    decided.gate.decide(100)
    assert decided.attributions[62.9] == dsh(1)
    assert decided.attributions[63.1] == dsh(2)
    assert decided.attributions[36.0] == dsh(1) and decided.attributions[35.0] == dsh(2)


def test_the_first_history_also_names_the_speaker_before() -> None:
    decided = Decided()
    decided.speak(0, 5)
    decided.speak(5.5, 8)
    decided.gate.add_hint(Dominance((2, 1)), 5.9)
    decided.gate.decide(20)
    assert decided.owners() == {dsh(1): 5.0, dsh(2): 2.5}


def test_packets_wait_for_captions_and_may_belong_to_two_users() -> None:
    decided = Decided()
    decided.speak(0, 4)
    decided.gate.decide(6.9)
    assert decided.attributions == {}
    decided.gate.add_hint(Caption(user_id="ann", start=0.0, end=2.0, final=True), 6.9)
    decided.gate.add_hint(Caption(user_id="bo", start=1.5, end=2.5, final=True), 6.9)
    decided.gate.decide(6.9)
    assert decided.attributions[0.5] == Attribution(("ann",), SpeakerEvidence.CAPTIONS)
    assert decided.attributions[1.8] == Attribution(("ann", "bo"), SpeakerEvidence.CAPTIONS)
    decided.gate.decide(30)
    assert decided.attributions[0.0] == Attribution(("ann",), SpeakerEvidence.CAPTIONS)
    assert decided.attributions[3.4] == Attribution(("bo",), SpeakerEvidence.CAPTIONS)
    assert decided.attributions[3.8] == UNKNOWN


def test_an_unfinished_caption_counts_for_three_more_seconds() -> None:
    decided = Decided()
    decided.speak(0, 6)
    decided.gate.add_hint(Caption(user_id="ann", start=0.0, end=2.0, final=False), 2.5)
    decided.gate.decide(float("inf"))
    assert decided.attributions[4.9] == Attribution(("ann",), SpeakerEvidence.CAPTIONS)
    assert decided.attributions[5.1] == UNKNOWN


def test_the_wait_for_captions_ends_before_silence_is_written() -> None:
    assert CAPTIONS_WAIT < SETTLED_AFTER - 1


@given(st.lists(st.floats(-5, 5), max_size=60))
def test_a_lag_estimate_is_the_default_or_near_a_compared_lag(lags: list[float]) -> None:
    estimate = LagEstimate(0.3)
    estimate.learn(lags)
    assert estimate.value == 0.3 or min(abs(lag - estimate.value) for lag in lags) <= BIN_SECONDS


def test_a_lag_estimate_finds_the_common_lag_among_random_ones() -> None:
    estimate = LagEstimate(0.3)
    for turn in range(30):
        estimate.learn([0.82 + turn % 3 * 0.02, turn * 0.37 % 2.0])
    assert estimate.value == pytest.approx(0.85, abs=0.05)


hints = st.one_of(
    st.builds(Dominance, st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple)),
    st.builds(
        Caption,
        user_id=st.sampled_from("ab"),
        start=st.floats(-5, 30),
        end=st.floats(-5, 30),
        final=st.booleans(),
    ),
)


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("hint"), hints, st.floats(-5, 30)),
            st.tuples(st.just("speak"), st.lists(st.integers(1, 4), max_size=2).map(tuple), st.booleans()),
            st.tuples(st.just("pause"), st.floats(0, 12), st.none()),
        ),
        max_size=40,
    )
)
def test_every_packet_comes_out_once_in_order_and_none_waits_too_long(
    steps: list[tuple[str, object, object]],
) -> None:
    out: list[int] = []
    gate = Gate(lambda heard, _: out.append(heard.position))
    now, pushed = 0.0, []
    for step, first, second in steps:
        if step == "hint":
            gate.add_hint(first, second)  # type: ignore[arg-type]
        elif step == "pause":
            now += first  # type: ignore[operator]
        else:
            heard = packet(now, *first, voiced=bool(second))  # type: ignore[misc]
            pushed.append(heard.position)
            gate.push(heard)
            now += 0.02
        gate.decide(now)
        assert [place for place in pushed if place / 48_000 <= now - CAPTIONS_WAIT - 0.001] == [
            place for place in out if place / 48_000 <= now - CAPTIONS_WAIT - 0.001
        ]
    gate.decide(float("inf"))
    assert out == pushed
