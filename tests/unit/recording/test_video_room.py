from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.recording.video_room import CHECK_SECONDS, ENOUGH, RESERVE, VideoRoom, free_bytes


def test_video_stops_below_the_reserve_and_goes_on_only_with_more() -> None:
    sizes = (RESERVE, RESERVE - 1, RESERVE, ENOUGH - 1, ENOUGH, RESERVE, 0, None, 0)
    room = VideoRoom(partial(next, iter(sizes)))
    seen = []
    for number in range(len(sizes)):
        changed = room.check(number * CHECK_SECONDS)
        seen.append((changed, room.is_left))
    assert seen == [
        (False, True),
        (True, False),
        (False, False),
        (False, False),
        (True, True),
        (False, True),
        (True, False),
        (True, True),
        (True, False),
    ]


def test_the_disk_is_looked_at_every_few_seconds_and_after_a_step_of_the_clock() -> None:
    looks: list[int] = []

    def free() -> int:
        looks.append(ENOUGH)
        return ENOUGH

    room = VideoRoom(free)
    for now in (100.0, 100.0, 100.0 + CHECK_SECONDS - 0.01):
        room.check(now)
    assert len(looks) == 1
    for now in (100.0 + CHECK_SECONDS, 50.0):
        room.check(now)
    assert len(looks) == 3


@given(st.lists(st.integers(0, 2 * ENOUGH), max_size=30))
def test_no_video_below_the_reserve_and_none_left_out_with_enough(sizes: list[int]) -> None:
    room = VideoRoom(partial(next, iter(sizes)))
    for number, size in enumerate(sizes):
        room.check(number * CHECK_SECONDS)
        assert room.is_left or size < ENOUGH
        assert not room.is_left or size >= RESERVE


def test_the_free_bytes_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = free_bytes(tmp_path)
    assert free is not None
    assert free > 0
    assert free_bytes(tmp_path / "gone") is None
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(total=0, free=0))
    assert free_bytes(tmp_path) is None
