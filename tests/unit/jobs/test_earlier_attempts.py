from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.support.tapes import STARTED_AT
from tests.support.uploaded_tapes import KEYS, events, put_tape, write_tape
from worker.delivery.object_store import S3Store
from worker.jobs.earlier_attempts import Earlier, look_back
from worker.jobs.recovery import recover
from worker.jobs.start_limits import is_too_late
from worker.platforms.registry import Platform
from worker.tape.events import FrameBatch, RecordingStarted, StateChanged, TapeEvent, VideoBatch


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
    assert later.active_until == pytest.approx(earlier.active_until, abs=0.05)
    assert later == earlier._replace(recorded_seconds=later.recorded_seconds, active_until=later.active_until)
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


def silent(began: float) -> list[TapeEvent]:
    """A recording without sound that began at this time."""
    return [
        msgspec.structs.replace(event, at=event.at + began - STARTED_AT)
        for event in events()
        if not isinstance(event, FrameBatch | VideoBatch)
    ]


@pytest.mark.parametrize("recorded", [True, False])
def test_a_bot_was_at_work_until_the_newest_event_of_its_tape_whenever_that_was_stored(
    store: S3Store, tmp_path: Path, recorded: bool
) -> None:
    """A worker was killed a day ago; the parts that it left on the disk are uploaded today."""
    day = 86_400.0
    began = time.time() - day
    tape = [event for event in silent(began) if recorded or not isinstance(event, RecordingStarted)]
    last = StateChanged(at=began + 15, state="waiting_room")
    put_tape(store, 1, write_tape(tmp_path / "tape", iter([*tape, last])))
    earlier = look_back(store, KEYS, tmp_path / "look")
    assert earlier.ended_reason == ("cut_off" if recorded else None)
    assert earlier.active_until == pytest.approx(began + 15, abs=0.01)
    assert is_too_late(began, earlier.active_until, time.time(), day / 2)
    assert not is_too_late(began, earlier.active_until, time.time(), day)


def test_an_event_of_the_future_prolongs_no_meeting(store: S3Store, tmp_path: Path) -> None:
    tomorrow = time.time() + 86_400.0
    put_tape(store, 1, write_tape(tmp_path / "tape", iter(silent(tomorrow))))
    stored = max(part.modified or 0.0 for part in store.list(KEYS.attempt(1).tape))
    assert look_back(store, KEYS, tmp_path / "look").active_until == stored
