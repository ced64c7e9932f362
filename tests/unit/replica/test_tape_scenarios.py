"""Scenarios as a perfect capture would record them, without a browser: all speech is in its files, where it belongs."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from fixtures.replica.comparison.recording import TRUTH_FILE, compare
from fixtures.replica.comparison.stems import StemComparison
from fixtures.replica.comparison.summed import compare_sum
from fixtures.replica.scenario import Scenario, load_scenario, scenario_names
from fixtures.replica.truth import read_truth
from tests.support.places import assert_in_place
from tests.support.plan_tapes import render_plan
from worker.manifest.schema import Manifest

OF_TAPES = ("tape/half-hour-quiet", "tape/sequence-restart")
"""Scenarios that need no browser, or none could play."""


def play(scenario: Scenario, folder: Path) -> tuple[Manifest, list[StemComparison]]:
    """Renders a scenario; checks that each stem is exact and in its place."""
    manifest = render_plan(scenario, folder)
    stems = compare(folder, read_truth(folder / TRUTH_FILE))
    for stem in stems:
        assert stem.exact, stem
        assert_in_place(stem, scenario.network.jitter)
    return manifest, stems


@pytest.mark.parametrize("name", [*scenario_names(), *OF_TAPES])
def test_scenarios_are_recorded_exactly(name: str, tmp_path: Path) -> None:
    scenario = load_scenario(name)
    manifest, stems = play(scenario, tmp_path)
    assert len(stems) == len({stem.csrc for stem in stems})
    assert manifest.recording.duration_seconds == pytest.approx(scenario.duration, abs=0.0025)
    if not scenario.network.loss:
        assert compare_sum(tmp_path).exact


@pytest.mark.parametrize("name", ["teams/standup", "teams/swap"])
def test_mixes_are_recorded_exactly(name: str, tmp_path: Path) -> None:
    play(load_scenario(name), tmp_path)


def test_the_wav_of_a_mix_is_the_sum_of_its_stems(tmp_path: Path) -> None:
    standup = load_scenario("teams/standup")
    scenario = msgspec.structs.replace(standup, mix=msgspec.structs.replace(standup.mix, pauses="nothing"))
    play(scenario, tmp_path)
    assert compare_sum(tmp_path).exact
