from __future__ import annotations

import errno
import os
import shutil
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.full_disk import files_limited_to
from worker.recording import video_room
from worker.recording.video_room import (
    CHECK_SECONDS,
    ENOUGH,
    FULL_SECONDS,
    RESERVE,
    SET_ASIDE,
    AudioReserve,
    VideoRoom,
    free_bytes,
)


def test_video_stops_below_the_reserve_and_goes_on_only_with_more() -> None:
    sizes = (RESERVE, RESERVE - 1, RESERVE, ENOUGH - 1, ENOUGH, RESERVE, 0, None, 0)
    room = VideoRoom(partial(next, iter(sizes)))
    seen = []
    for number in range(len(sizes)):
        room.check(number * CHECK_SECONDS)
        seen.append(room.is_left)
    assert seen == [True, False, False, False, True, True, False, True, False]


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


class Disk:
    """A disk that says that it has room; ``left`` bytes of a quota are what it has."""

    def __init__(self, left: int) -> None:
        self.left = left


class Quota(AudioReserve):
    """Takes its bytes of a Disk."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._is_held = False

    @property
    def is_held(self) -> bool:
        return self._is_held

    def hold(self) -> bool:
        if not self._is_held and self._disk.left >= SET_ASIDE:
            self._disk.left -= SET_ASIDE
            self._is_held = True
        return self._is_held

    def release(self) -> bool:
        was_held, self._is_held = self._is_held, False
        self._disk.left += SET_ASIDE * was_held
        return was_held


def test_what_is_set_aside_is_given_back_once_and_video_goes_on_only_with_as_much_again() -> None:
    disk = Disk(SET_ASIDE + 10)
    reserve = Quota(disk)
    room = VideoRoom(lambda: 10 * ENOUGH, reserve)
    room.check(0.0)
    assert (room.is_left, disk.left) == (True, 10)
    assert room.refused(1.0)
    assert (room.is_left, disk.left) == (False, SET_ASIDE + 10)
    assert not room.refused(1.5), "there is nothing more to give"
    disk.left -= 11
    for now in range(2, 300):
        room.check(now)
        assert not room.is_left
    disk.left += 1
    for now in range(300, 300 + int(FULL_SECONDS + CHECK_SECONDS)):
        room.check(now)
    assert (room.is_left, reserve.is_held) == (True, True)
    room.close()
    assert not reserve.is_held


def test_nothing_is_set_aside_while_the_disk_is_nearly_full() -> None:
    """The audio has all that is left."""
    sizes = (ENOUGH, RESERVE - 1, ENOUGH)
    reserve = Quota(Disk(SET_ASIDE))
    room = VideoRoom(partial(next, iter(sizes)), reserve)
    seen = []
    for number in range(len(sizes)):
        room.check(number * CHECK_SECONDS)
        seen.append(reserve.is_held)
    assert seen == [True, False, True]


def test_a_reserve_takes_its_bytes_of_the_disk_and_leaves_no_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    size = 64 * 1024 * 1024
    reserve = AudioReserve(tmp_path, size)
    assert reserve.hold()
    if "Operation not supported" in caplog.text:
        pytest.skip("this file system sets nothing aside")
    assert reserve.hold()
    (held,) = [each for each in opened(tmp_path) if each.st_size == size]
    assert held.st_blocks * 512 >= size
    assert list(tmp_path.iterdir()) == []
    assert reserve.release()
    assert opened(tmp_path) == []
    assert not reserve.release()


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_without_the_bytes_has_no_room_for_video(
    error: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: int, size: int) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(video_room, "_allocate", refuse)
    reserve = AudioReserve(tmp_path)
    room = VideoRoom(lambda: None, reserve)
    room.check(0.0)
    assert not room.is_left
    assert not reserve.release()
    assert opened(tmp_path) == []


def test_where_nothing_can_be_set_aside_there_is_room(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    reserve = AudioReserve(tmp_path)
    room = VideoRoom(lambda: None, reserve)
    with files_limited_to(1_000):
        for number in range(3):
            room.check(number * CHECK_SECONDS)
    assert room.is_left
    assert [each.message for each in caplog.records] == ["no room is set aside for audio: File too large"]
    assert not reserve.release()
    gone = AudioReserve(tmp_path / "gone")
    assert gone.hold()


def opened(folder: Path) -> list[os.stat_result]:
    """The files of this process whose folder is, or was, ``folder``."""
    found = []
    for each in Path("/proc/self/fd").iterdir():
        try:
            if each.readlink().is_relative_to(folder):
                found.append(each.stat())
        except OSError:  # the folder's own, which is closed by now
            continue
    return found
