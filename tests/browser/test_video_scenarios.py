"""Every committed scenario with video, recorded by the command in a real Chromium and compared with what the replica sent."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from statistics import median

import msgspec
import pytest

from fixtures.replica.comparison.recording import TRUTH_FILE, compare
from fixtures.replica.comparison.video import compare_video
from fixtures.replica.scenario import load_scenario, scenario_names
from fixtures.replica.truth import read_truth
from tests.browser.test_scenarios import files_of, run
from worker.manifest.schema import Manifest, VideoSegment

MOST_HEADLESS = 15
"""Frames of a camera that may reach the page without a key frame before them: a second, in which another one is requested."""


def assert_plays(path: Path, segment: VideoSegment) -> None:
    """FFmpeg decodes all frames without a word, and the file is as long as the manifest says, within a frame."""
    decode = ["ffmpeg", "-v", "error", "-xerror", "-i", str(path), "-f", "null", "-"]
    assert not subprocess.run(decode, check=True, capture_output=True, text=True).stderr
    probe = ["ffprobe", "-v", "error", "-count_packets", "-show_format", "-show_streams", "-of", "json"]
    probed = json.loads(subprocess.run([*probe, str(path)], check=True, capture_output=True).stdout)
    (stream,) = probed["streams"]
    assert stream["codec_name"] == segment.codec
    assert int(stream["nb_read_packets"]) == segment.frames
    assert float(probed["format"]["duration"]) == pytest.approx(segment.duration_seconds, abs=1 / 15)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", scenario_names("video"))
def test_recorded_video_matches_the_truth(name: str, tmp_path: Path) -> None:
    output = tmp_path / "recording"
    run("demo", "--scenario", name, "--video", "--output", output)
    scenario = load_scenario(name)
    truth = read_truth(output / TRUTH_FILE)
    manifest = msgspec.json.decode((output / "audio_streams.json").read_bytes(), type=Manifest)
    stems = compare(output, truth)
    assert stems
    for stem in stems:
        assert stem.exact, stem.name
    shown = compare_video(output, truth)
    people = [person for person in scenario.participants if person.cameras]
    screens = [person for person in scenario.participants if person.presents]
    assert {(each.name, each.kind) for each in shown} == {
        *((person.name, "webcam") for person in people),
        *((person.name, "screenshare") for person in screens),
    }
    heard = median(error for stem in stems for error in stem.place_errors)
    for each in shown:
        assert each.exact, (
            each.name,
            each.kind,
            each.missing,
            each.foreign,
            each.disordered,
            each.unreadable,
        )
        assert each.headless <= MOST_HEADLESS, each.name
        assert each.place_error(0.99) <= 0.05
        assert abs(median(each.place_errors) - heard) <= 0.08

    for _, segment in manifest.video_segments():
        assert_plays(output / segment.url, segment)
        assert segment.frames == pytest.approx(
            segment.fps * sum(end - start for start, end in segment.intervals), rel=0.1
        )
    assert not [warning for warning in manifest.recording.warnings if "video" in warning]
    run("replay", output / "tape", "--output", tmp_path / "replayed")
    assert files_of(tmp_path / "replayed") == files_of(output)
