"""Scenarios as a perfect capture would record them, without a browser: all speech is in its files, where it belongs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from fixtures.replica.comparison.recording import TRUTH_FILE, compare, read_recording
from fixtures.replica.comparison.stems import StemComparison
from fixtures.replica.comparison.summed import compare_sum
from fixtures.replica.scenario import Scenario, load_scenario, scenario_names
from fixtures.replica.truth import audible, read_truth
from tests.support.places import assert_in_place
from tests.support.plan_tapes import render_plan
from worker.manifest.schema import Manifest

OF_TAPES = (
    "tape/csrc-reuse",  # a source belongs to its owner at the time
    "tape/half-hour-quiet",
    "tape/routes",  # a path that gets shorter trims no speech
    "tape/sequence-restart",
    "tape/stalls",  # a burst after a stall is a backlog, not a stopped clock
    "wire/foreign-payloads",  # what is no Opus becomes silence of its length
    "wire/make-before-break",  # one connection owns a source while it delivers it; the other's packets are duplicates
)
"""Scenarios that need no browser, or none could play, and those whose tape shows what a browser's would."""

OF_MIXES = (
    "teams/standup",
    "teams/swap",
    "teams-wire/repeated-track",  # a second track that repeats the mix is not summed
    "teams-wire/silent-main",
)

WITH_FILES = 250
"""How many sources have a file of their own; what the others say is in one file."""

HIDDEN = {"late-names": {"Somebody who is never named"}}
"""Participants whose names the roster withholds."""


def play(scenario: Scenario, folder: Path, *, mix: bool = True) -> tuple[Manifest, list[StemComparison]]:
    """Renders a scenario; checks that each stem is exact and in its place."""
    manifest = render_plan(scenario, folder, mix=mix)
    stems = compare(folder, read_truth(folder / TRUTH_FILE))
    for stem in stems:
        assert stem.exact, stem
        assert_in_place(stem, scenario.network.jitter)
    return manifest, stems


@pytest.mark.parametrize("name", [*scenario_names(), *OF_TAPES])
def test_scenarios_are_recorded_exactly(name: str, tmp_path: Path) -> None:
    scenario = load_scenario(name)
    manifest, stems = play(scenario, tmp_path)
    assert len(stems) == len({(stem.csrc, stem.expected_name) for stem in stems})
    assert {stem.name for stem in stems} >= {stem.expected_name for stem in stems} - HIDDEN.get(name, set())
    assert manifest.recording.duration_seconds == pytest.approx(scenario.duration, abs=0.0025)
    if not scenario.network.loss:
        assert compare_sum(tmp_path).exact


def test_hours_of_quiet_drop_nothing(tmp_path: Path) -> None:
    scenario = load_scenario("tape/two-hours-quiet")
    manifest, _ = play(scenario, tmp_path, mix=False)
    assert manifest.recording.duration_seconds == pytest.approx(scenario.duration, abs=0.0025)
    assert manifest.recording.warnings == []


@pytest.mark.parametrize("name", OF_MIXES)
def test_mixes_are_recorded_exactly(name: str, tmp_path: Path) -> None:
    play(load_scenario(name), tmp_path)


def test_a_track_that_repeats_the_mix_is_not_summed(tmp_path: Path) -> None:
    repeated = load_scenario("teams-wire/repeated-track")
    scenario = msgspec.structs.replace(repeated, mix=msgspec.structs.replace(repeated.mix, pauses="nothing"))
    play(scenario, tmp_path)
    assert compare_sum(tmp_path).exact


def test_a_silent_main_track_beside_a_speaking_one_is_warned_of(tmp_path: Path) -> None:
    silent, _ = play(load_scenario("teams-wire/silent-main"), tmp_path / "silent")
    usual, _ = play(load_scenario("teams/swap"), tmp_path / "usual")
    assert len(silent.recording.warnings) == 1
    assert usual.recording.warnings == []


def test_packets_that_list_several_people_are_in_each_ones_file_as_a_mix(tmp_path: Path) -> None:
    manifest, _ = play(load_scenario("tape/several-csrcs"), tmp_path)
    isolation = {
        person.participant_name: {
            segment.isolation for stream in person.streams for segment in stream.segments
        }
        for person in manifest.participants
    }
    assert isolation == {
        "Ann Archer": {"gated-mix"},
        "Bo Baker": {"gated-mix"},
        "Cem Cooper": {"separated"},
    }
    assert len(manifest.recording.warnings) == 1 and "150 packets" in manifest.recording.warnings[0]


def test_payloads_that_are_no_opus_are_counted_by_kind(tmp_path: Path) -> None:
    manifest, _ = play(load_scenario("wire/foreign-payloads"), tmp_path)
    counted = {int(warning.split()[0]) for warning in manifest.recording.warnings}
    assert counted == {50, 20, 30, 25}


def test_sources_past_the_bound_are_in_the_mix_and_in_one_file(tmp_path: Path) -> None:
    manifest = render_plan(load_scenario("tape/many-sources"), tmp_path)
    truth = read_truth(tmp_path / TRUTH_FILE)
    stems = compare(tmp_path, truth)
    assert sum(stem.exact for stem in stems) == WITH_FILES
    recorded = [packet for stem in read_recording(tmp_path).stems for packet in stem.spoken]
    kept = Counter(packet.sha256 for packet in recorded)
    sent = Counter(packet.sha256 for packet in truth.packets if audible(packet))
    assert kept == sent
    assert compare_sum(tmp_path).exact
    assert len(manifest.participants) == WITH_FILES + 1


def test_the_wav_of_a_mix_is_the_sum_of_its_stems(tmp_path: Path) -> None:
    standup = load_scenario("teams/standup")
    scenario = msgspec.structs.replace(standup, mix=msgspec.structs.replace(standup.mix, pauses="nothing"))
    play(scenario, tmp_path)
    assert compare_sum(tmp_path).exact
