"""Whose a packet is, decided packet by packet: rules and orders that whole tapes do not show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.rendering.renderer import SETTLED_AFTER
from worker.roster.speaking import Caption, Dominance
from worker.stems.attribution import ToldBy
from worker.stems.gate import CAPTIONS_WAIT, NOISE, UNKNOWN, Attribution, Gate
from worker.stems.lag_estimate import BIN_SECONDS, LagEstimate
from worker.stems.mix_slot import Sound


def sound(at: float, *csrcs: int, voiced: bool = True) -> Sound:
    """20 ms at ``at`` seconds."""
    voiced = voiced or bool(csrcs)
    return Sound(round(at * 48_000), 960, b"\x78\x80\x00", csrcs, 7001, False, 0, voiced, voiced)


class Decided:
    """A gate and what came out of it: the attribution of each packet by its place in seconds."""

    def __init__(self) -> None:
        self.attributions: dict[float, Attribution] = {}
        self.gate = Gate(self._note)

    def _note(self, heard: Sound, attribution: Attribution) -> None:
        self.attributions[heard.position / 48_000] = attribution

    def speak(self, begin: float, end: float, *csrcs: int, voiced: bool = True) -> None:
        for tick in range(round(begin * 50), round(end * 50)):
            self.gate.push(sound(tick / 50, *csrcs, voiced=voiced))

    def owners(self) -> dict[Attribution, float]:
        """Seconds of each attribution."""
        return {
            each: sum(one == each for one in self.attributions.values()) / 50
            for each in self.attributions.values()
        }


def dsh(*source: int) -> Attribution:
    return Attribution(source, ToldBy.DSH)


def test_a_list_decides_at_once_in_its_order() -> None:
    decided = Decided()
    decided.speak(0, 0.02, 9, 4)
    decided.gate.decide(0.5)
    assert decided.attributions == {0.0: Attribution((9, 4), ToldBy.CSRC)}


def test_among_packets_with_lists_others_are_noise_or_unknown() -> None:
    decided = Decided()
    decided.speak(0, 1, 9)
    decided.speak(1, 2, voiced=False)
    decided.speak(2, 3)
    decided.gate.decide(3.5)
    assert decided.owners() == {Attribution((9,), ToldBy.CSRC): 1, NOISE: 1, UNKNOWN: 1}


def test_the_dominant_speaker_has_words_and_what_is_close_by() -> None:
    decided = Decided()
    decided.speak(0, 2, voiced=False)
    decided.speak(2, 4)
    decided.gate.tell(Dominance((9,)), 2.4)
    decided.speak(4, 7, voiced=False)
    decided.gate.decide(4.4)
    assert set(decided.attributions.values()) == {NOISE}
    decided.gate.decide(20)
    assert decided.owners() == {NOISE: pytest.approx(4.0, abs=0.05), dsh(9): pytest.approx(3.0, abs=0.05)}


def test_who_cuts_in_is_set_back_by_the_lag_that_pauses_have_shown() -> None:
    """Twenty changes behind pauses, told 0.6 s late; then one without a pause."""
    decided = Decided()
    for turn in range(20):
        begin = 3.0 * turn
        decided.speak(begin, begin + 2.5)
        decided.gate.tell(Dominance((turn % 2 + 1,)), begin + 0.6)
        decided.gate.decide(begin + 2.9)
    decided.speak(60, 65)
    decided.gate.tell(Dominance((1,)), 60.6)
    decided.gate.tell(Dominance((2,)), 63.6)
    decided.gate.decide(100)
    assert decided.attributions[62.9] == dsh(1)
    assert decided.attributions[63.1] == dsh(2)
    assert decided.attributions[36.0] == dsh(1) and decided.attributions[35.0] == dsh(2)


def test_the_history_tells_who_was_dominant_before_the_first_change_that_is_told() -> None:
    decided = Decided()
    decided.speak(0, 5)
    decided.speak(5.5, 8)
    decided.gate.tell(Dominance((2, 1)), 5.9)
    decided.gate.decide(20)
    assert decided.owners() == {dsh(1): 5.0, dsh(2): 2.5}


def test_captions_are_waited_for_and_may_be_shared() -> None:
    decided = Decided()
    decided.speak(0, 4)
    decided.gate.decide(6.9)
    assert decided.attributions == {}
    decided.gate.tell(Caption(user_id="ann", start=0.0, end=2.0, final=True), 6.9)
    decided.gate.tell(Caption(user_id="bo", start=1.5, end=2.5, final=True), 6.9)
    decided.gate.decide(6.9)
    assert decided.attributions[0.5] == Attribution(("ann",), ToldBy.CAPTIONS)
    assert decided.attributions[1.8] == Attribution(("ann", "bo"), ToldBy.CAPTIONS)
    decided.gate.decide(30)
    assert decided.attributions[0.0] == Attribution(("ann",), ToldBy.CAPTIONS)
    assert decided.attributions[3.4] == Attribution(("bo",), ToldBy.CAPTIONS)
    assert decided.attributions[3.8] == UNKNOWN


def test_a_caption_that_the_end_cut_off_goes_on() -> None:
    decided = Decided()
    decided.speak(0, 6)
    decided.gate.tell(Caption(user_id="ann", start=0.0, end=2.0, final=False), 2.5)
    decided.gate.decide(float("inf"))
    assert decided.attributions[4.9] == Attribution(("ann",), ToldBy.CAPTIONS)
    assert decided.attributions[5.1] == UNKNOWN


def test_no_packet_waits_until_its_place_is_gone() -> None:
    assert CAPTIONS_WAIT < SETTLED_AFTER - 1


@given(st.lists(st.floats(-5, 5), max_size=60))
def test_a_lag_is_one_that_was_seen_or_the_default(lags: list[float]) -> None:
    estimate = LagEstimate(0.3)
    estimate.learn(lags)
    assert estimate.value == 0.3 or min(abs(lag - estimate.value) for lag in lags) <= BIN_SECONDS


def test_the_lag_that_most_agree_on_is_found_among_chance() -> None:
    estimate = LagEstimate(0.3)
    for turn in range(30):
        estimate.learn([0.82 + turn % 3 * 0.02, turn * 0.37 % 2.0])
    assert estimate.value == pytest.approx(0.85, abs=0.05)


tellings = st.one_of(
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
            st.tuples(st.just("tell"), tellings, st.floats(-5, 30)),
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
        if step == "tell":
            gate.tell(first, second)  # type: ignore[arg-type]
        elif step == "pause":
            now += first  # type: ignore[operator]
        else:
            heard = sound(now, *first, voiced=bool(second))  # type: ignore[misc]
            pushed.append(heard.position)
            gate.push(heard)
            now += 0.02
        gate.decide(now)
        assert [place for place in pushed if place / 48_000 <= now - CAPTIONS_WAIT - 0.001] == [
            place for place in out if place / 48_000 <= now - CAPTIONS_WAIT - 0.001
        ]
    gate.decide(float("inf"))
    assert out == pushed
