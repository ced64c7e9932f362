"""How often senders are asked for key frames where a slot of Teams shows one person after another."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Final

import pytest

from fixtures.replica.comparison.recording import TRUTH_FILE
from fixtures.replica.truth import read_truth
from tests.browser.test_scenarios import run
from worker.recording.key_frame_requests import MOST_REQUESTS, PERIOD

SCENARIO = Path(__file__).parent / "changing_slot.toml"

LEAST_TURNS = 10
"""Owners of the slot, of twelve, that have to be shown for the answers to bring more requests than are allowed."""

CHROMIUMS: Final = 1
"""Key frames of a line that Chromium itself asks for at most, where a stream begins on a busy machine."""


@pytest.mark.timeout(180)
def test_only_the_slot_that_changes_is_asked_for_key_frames_and_seldom(tmp_path: Path) -> None:
    run("demo", "--scenario", SCENARIO, "--video", "--output", tmp_path / "recording")
    truth = read_truth(tmp_path / "recording" / TRUTH_FILE)
    turns = Counter(slot for (slot, _), _ in groupby(truth.frames, lambda frame: (frame.slot, frame.name)))
    ((changing, most),) = turns.most_common(1)
    assert most >= LEAST_TURNS
    assert len(turns) == 3
    assert truth.header.duration < PERIOD
    # Those for the beginning of the recording come before the media.
    requests = Counter(request.slot for request in truth.key_requests)
    assert 0 < requests.pop(changing) <= MOST_REQUESTS + CHROMIUMS
    assert max(requests.values(), default=0) <= CHROMIUMS
