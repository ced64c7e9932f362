"""How often senders are asked for key frames where a slot of Teams shows one person after another."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from pathlib import Path

import pytest

from fixtures.replica.comparison.recording import TRUTH_FILE
from fixtures.replica.truth import read_truth
from tests.browser.test_scenarios import run
from worker.recording.key_frame_requests import MOST_REQUESTS, PERIOD

SCENARIO = Path(__file__).parent / "changing_slot.toml"

LEAST_TURNS = 10
"""Owners of the slot, of twelve, that have to be shown for the answers to bring more requests than are allowed."""


@pytest.mark.timeout(180)
def test_only_the_slot_that_changes_is_asked_for_key_frames_and_seldom(tmp_path: Path) -> None:
    run("demo", "--scenario", SCENARIO, "--video", "--output", tmp_path / "recording")
    truth = read_truth(tmp_path / "recording" / TRUTH_FILE)
    turns = Counter(slot for (slot, _), _ in groupby(truth.frames, lambda frame: (frame.slot, frame.name)))
    ((changing, most),) = turns.most_common(1)
    assert most >= LEAST_TURNS
    assert len(turns) == 3
    assert truth.header.duration < PERIOD
    # The page's own requests at the beginning of a stream, and those for the beginning of the recording, come before the media.
    requests = Counter(request.slot for request in truth.key_requests)
    assert requests.keys() == {changing}
    assert requests[changing] <= MOST_REQUESTS
