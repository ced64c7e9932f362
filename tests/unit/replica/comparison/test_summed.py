from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from fixtures.replica.comparison.summed import compare_sum
from fixtures.replica.scenario import Participant, Scenario
from tests.support.plan_tapes import render_plan

TWO = Scenario(
    title="two",
    duration=4.0,
    participants=[
        Participant(name="Ann", voice="aria", csrc=7, says=[(0.5, 2.5)]),
        Participant(name="Bo", voice="bruno", csrc=8, says=[(1.5, 3.5)]),
    ],
)


def test_the_sum_is_exact_and_one_step_of_one_sample_is_found(tmp_path: Path) -> None:
    render_plan(TWO, tmp_path)
    assert compare_sum(tmp_path).exact
    with wave.open(str(tmp_path / "audio.wav")) as mix:
        parameters, samples = mix.getparams(), np.frombuffer(mix.readframes(mix.getnframes()), "<i2").copy()
    samples[100_000] += 1
    with wave.open(str(tmp_path / "audio.wav"), "wb") as mix:
        mix.setparams(parameters)
        mix.writeframes(samples.tobytes())
    found = compare_sum(tmp_path)
    assert (found.differing, found.largest, found.exact) == (1, 1, False)
