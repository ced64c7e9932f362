"""Every committed scenario, recorded by the command in a real Chromium and compared with what the replica sent."""

from __future__ import annotations

import subprocess
import sys
import wave
from pathlib import Path

import msgspec
import pytest

from fixtures.replica.comparison.recording import TRUTH_FILE, compare
from fixtures.replica.comparison.summed import compare_sum
from fixtures.replica.scenario import load_scenario, scenario_names
from fixtures.replica.truth import read_truth
from tests.support.live_truth import compare_recorded
from tests.support.places import assert_in_place
from worker.manifest.schema import Manifest

NAMES_TO_FIND = {"late-names": {"Anna Kowalska", "Sam O'Neill", "Beatriz Fonseca", "Unknown 1"}}
"""The expected names in scenarios where a name is missing."""

LOSSY = {"lossy", "reconnect"}

LIVE_PLACE = 0.040
"""Seconds by which a packet of live sound may be away from its place."""


def run(*arguments: object) -> str:
    command = [sys.executable, "-m", "worker.cli", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def files_of(folder: Path) -> dict[str, bytes]:
    """The files that a recording and its replay have in common."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.parent.name != "tape" and path.name != TRUTH_FILE
    }


def decoded_seconds(path: Path) -> float:
    """The duration after ffmpeg has decoded the file to WAV."""
    wav = path.with_suffix(".wav")
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", path, wav], check=True)
    with wave.open(str(wav)) as decoded:
        seconds: float = decoded.getnframes() / decoded.getframerate()
    wav.unlink()
    return seconds


def probed_seconds(path: Path) -> float:
    command = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", str(path)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", scenario_names())
def test_a_recorded_scenario_matches_the_truth(name: str, tmp_path: Path) -> None:
    output = tmp_path / name
    run("demo", "--scenario", name, "--output", output)
    scenario = load_scenario(name)
    truth = read_truth(output / TRUTH_FILE)
    manifest = msgspec.json.decode((output / "audio_streams.json").read_bytes(), type=Manifest)
    stems = compare(output, truth)

    assert len(stems) == len(
        {packet.csrc for packet in truth.packets if packet.participant in truth.speakers()}
    )
    for stem in stems:
        assert stem.exact, stem
        assert_in_place(stem, scenario.network.jitter)
        assert stem.timestamp_error <= 0.0025, stem.name

    for source in compare_recorded(output, truth):
        assert (source.missing, source.foreign) == (0, 0), source
        assert not source.too_late or name in LOSSY, source
        assert max(map(abs, source.place_errors)) <= LIVE_PLACE, source
        assert source.runs and not source.unequal, source

    named = {person.participant_name for person in manifest.participants}
    expected = {scenario.participants[index].name for index in truth.speakers()}
    assert named == NAMES_TO_FIND.get(name, expected)
    assert len(manifest.participants) == len(truth.speakers())

    with wave.open(str(output / "audio.wav")) as mix:
        seconds = mix.getnframes() / mix.getframerate()
    assert seconds == pytest.approx(manifest.recording.duration_seconds, abs=0.0001)
    for person in manifest.participants:
        for stream in person.streams:
            for segment in stream.segments:
                path = output / segment.url
                assert segment.isolation == "separated"
                assert decoded_seconds(path) == pytest.approx(seconds, abs=0.02)
                assert probed_seconds(path) == pytest.approx(seconds, abs=0.02)
                if name not in LOSSY:
                    assert segment.packets.lost == 0
    if name not in LOSSY:
        assert compare_sum(output).exact
    assert manifest.recording.complete
    assert manifest.recording.audio_path == ("receivers" if stems else "unknown")
    assert manifest.recording.warnings == []

    run("replay", output / "tape", "--output", tmp_path / "replayed")
    assert files_of(tmp_path / "replayed") == files_of(output)
