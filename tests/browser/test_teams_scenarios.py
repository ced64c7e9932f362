"""Every committed recording of Teams, made by the command in a real Chromium and compared with what the replica sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from fixtures.replica.comparison.mix import Attribution
from fixtures.replica.comparison.recording import TRUTH_FILE, attribution, compare, read_recording
from fixtures.replica.scenario import scenario_names
from fixtures.replica.truth import read_truth
from tests.browser.test_scenarios import files_of, run
from tests.support.places import assert_in_place
from worker.manifest.schema import GatedMix, Manifest

LABELLED = ("standup", "swap")
"""Scenarios whose packets list their sources."""
UNLABELLED = ("captions-only", "no-csrc", "unlabelled")


def test_no_recording_is_left_out() -> None:
    assert scenario_names("teams") == sorted(f"teams/{name}" for name in (*LABELLED, *UNLABELLED))


@pytest.mark.parametrize("names", [LABELLED, UNLABELLED], ids=["labelled", "unlabelled"])
async def test_recorded_teams_scenarios_match_the_truth(names: Sequence[str], tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(
                asyncio.to_thread(run, "demo", "--scenario", f"teams/{name}", "--output", tmp_path / name)
            )
    for name in names:
        if name in LABELLED:
            check_stems(tmp_path / name)
        else:
            check_attribution(tmp_path / name, has_evidence=name != "unlabelled")
        run("replay", tmp_path / name / "tape", "--output", tmp_path / "replayed" / name)
        assert files_of(tmp_path / "replayed" / name) == files_of(tmp_path / name)


def check_stems(folder: Path) -> None:
    """Checks that each packet is in exactly the stems of its CSRCs, at its time, and that overlaps are listed."""
    truth = read_truth(folder / TRUTH_FILE)
    stems = compare(folder, truth)
    assert {stem.expected_name for stem in stems} == {
        truth.header.participants[who] for who in truth.speakers()
    }
    manifest = msgspec.json.decode((folder / "audio_streams.json").read_bytes(), type=Manifest)
    assert isinstance(manifest.recording.gated_mix, GatedMix)
    for stem in stems:
        assert stem.exact, (folder.name, stem)
        assert stem.name == stem.expected_name
        assert_in_place(stem)
        assert stem.timestamp_error <= 0.0025, (folder.name, stem.name)
    segments = [
        segment
        for person in manifest.participants
        for stream in person.streams
        for segment in stream.segments
    ]
    assert {segment.isolation for segment in segments} == {"gated-mix"}
    assert any(segment.overlaps for segment in segments)


def check_attribution(folder: Path, *, has_evidence: bool) -> None:
    """Checks that enough time is attributed correctly and the rest is kept; without evidence, all of it is unknown."""
    found = attribution(read_recording(folder), read_truth(folder / TRUTH_FILE))
    if has_evidence:
        assert found.good, (folder.name, found)
    else:
        assert found == Attribution(unknown=found.unknown, shared=found.shared), (folder.name, found)
