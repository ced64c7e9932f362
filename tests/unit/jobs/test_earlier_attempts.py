from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.uploaded_tapes import KEYS, events, put_tape, write_tape
from worker.delivery.object_store import S3Store
from worker.jobs.earlier_attempts import Earlier, look_back
from worker.jobs.recovery import recover
from worker.platforms.registry import Platform
from worker.tape.events import StateChanged, TapeEvent


def test_look_back_of_a_first_attempt_is_empty(store: S3Store, tmp_path: Path) -> None:
    assert look_back(store, KEYS, tmp_path) == Earlier([], 0.0, None)
    assert Earlier([], 0.0, None).meeting_may_go_on


def test_look_back_measures_a_tape_without_an_end(store: S3Store, tmp_path: Path) -> None:
    put_tape(store, 1, write_tape(tmp_path / "tape", events())[:3])
    earlier = look_back(store, KEYS, tmp_path / "look")
    assert (earlier.numbers, earlier.ended_reason) == ([1], "cut_off")
    assert earlier.meeting_may_go_on
    (recovered,) = recover(
        store, KEYS, [1], tmp_path / "work", platform=Platform.GOOGLE_MEET, separate_audio=True
    )
    assert abs(earlier.recorded_seconds - recovered.manifest.recording.duration_seconds) < 0.2


@pytest.mark.parametrize(
    ("reason", "goes_on"),
    [("meeting_ended", False), ("drained", True), ("interrupted", False), ("tap_deaf", True)],
)
def test_look_back_at_a_tape_agrees_with_its_rendered_files(
    store: S3Store, tmp_path: Path, reason: str, goes_on: bool
) -> None:
    put_tape(store, 1, write_tape(tmp_path / "tape", events(reason=reason)))
    earlier = look_back(store, KEYS, tmp_path / "look")
    (recovered,) = recover(
        store, KEYS, [1], tmp_path / "work", platform=Platform.GOOGLE_MEET, separate_audio=True
    )
    assert earlier.ended_reason == recovered.manifest.recording.ended_reason == reason
    assert earlier.meeting_may_go_on is goes_on
    later = look_back(store, KEYS, tmp_path / "again")
    assert later.recorded_seconds == pytest.approx(earlier.recorded_seconds, abs=0.03)
    assert later._replace(recorded_seconds=0) == earlier._replace(recorded_seconds=0)
    assert not (tmp_path / "again").exists()


def test_look_back_finds_the_beginning_after_a_long_waiting_room(store: S3Store, tmp_path: Path) -> None:
    def waiting_first() -> Iterator[TapeEvent]:
        first, *rest = list(events())
        yield first
        for second in range(0, 120, 2):
            yield StateChanged(at=first.at - 120 + second, state="waiting_room")  # type: ignore[union-attr]
        yield from rest

    parts = write_tape(tmp_path / "tape", waiting_first())
    assert len(parts) > 20
    put_tape(store, 1, parts)
    assert 11 < look_back(store, KEYS, tmp_path / "look").recorded_seconds < 13


def test_a_bot_whose_attempts_recorded_nothing_joins_again(store: S3Store, tmp_path: Path) -> None:
    put_tape(store, 1, write_tape(tmp_path / "tape", iter(list(events())[:1])))
    store.put(f"{KEYS.attempt(2).folder}attempt.json", b"{}", content_type="application/json")
    store.put(KEYS.attempt(3).tape_part("part-000000.mcap"), b"no tape", content_type="text/plain")
    earlier = look_back(store, KEYS, tmp_path / "look")
    (part,) = store.list(KEYS.attempt(3).tape)
    assert earlier == Earlier([1, 2, 3], 0.0, None, part.modified, {1: 1, 2: 0, 3: 1})
    assert earlier.meeting_may_go_on
