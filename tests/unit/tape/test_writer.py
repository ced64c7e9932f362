from __future__ import annotations

import errno
import hashlib
import math
import os
import re
import struct
import tempfile
import zlib
from io import FileIO
from pathlib import Path
from typing import Any, NoReturn, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap.writer import Writer

from tests.support.full_disk import files_limited_to
from tests.support.tape_samples import EPOCH, a_meeting, a_meeting_with_video, batch, video_batch
from worker.tape import codec, writer
from worker.tape.errors import NoRoomForVideoError, TapeWriteError, UnwritableEventError
from worker.tape.events import (
    FrameBatch,
    StateChanged,
    TapeEvent,
    Tile,
    TilesSeen,
    VideoBatch,
    VideoTrackSeen,
)
from worker.tape.parts import PART_BYTES
from worker.tape.reader import TapeReader
from worker.tape.writer import TapeWriter


def test_the_standard_mcap_reader_reads_each_part_by_itself(tmp_path: Path) -> None:
    events = a_meeting(12)
    with TapeWriter(tmp_path / "tape") as tape:
        for at, event in events:
            tape.write(event, at)
    parts = sorted((tmp_path / "tape").iterdir())
    assert [part.name for part in parts] == [f"part-00000{number}.mcap" for number in range(3)]
    messages = 0
    for part in parts:
        with part.open("rb") as stream:
            reader = make_reader(stream, validate_crcs=True)
            summary = reader.get_summary()
            assert summary is not None
            assert summary.statistics is not None
            assert reader.get_header().profile == "meetstems"
            assert {channel.topic for channel in summary.channels.values()} == {"frames", "events"}
            assert {schema.encoding for schema in summary.schemas.values()} == {"jsonschema"}
            span = summary.statistics.message_end_time - summary.statistics.message_start_time
            assert span <= 5_000_000_000
            messages += summary.statistics.message_count
            read = [(channel.topic, message.data) for _, channel, message in reader.iter_messages()]
            assert len(read) == summary.statistics.message_count
    assert messages == len(events)


def test_a_part_that_is_still_open_can_be_read_to_its_last_message(tmp_path: Path) -> None:
    tape = TapeWriter(tmp_path)
    for number in range(3):
        tape.write(batch(number, EPOCH), EPOCH + number / 10)
        reader = TapeReader(tmp_path)
        assert len(list(reader)) == number + 1
        assert reader.torn
    tape.finish()
    reader = TapeReader(tmp_path)
    assert len(list(reader)) == 3
    assert not reader.torn
    assert reader.warnings == []


@given(st.lists(st.floats(EPOCH - 2e5, EPOCH + 2e5), min_size=1, max_size=20))
def test_write_returns_the_event_and_the_log_time_that_a_reader_gets(times: list[float]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with TapeWriter(Path(folder)) as tape:
            written = [tape.write(batch(number, EPOCH), at) for number, at in enumerate(times)]
        assert written == list(TapeReader(Path(folder)).logged_events())
    assert [event for _, event in written] == [batch(number, EPOCH) for number in range(len(times))]
    assert [logged for logged, _ in written] == pytest.approx(times, abs=1e-6)


def test_on_part_closed_gets_complete_parts_in_order(tmp_path: Path) -> None:
    closed: list[str] = []

    def closing(part: Path) -> None:
        assert part.read_bytes().endswith(b"\x89MCAP0\r\n")
        closed.append(part.name)

    tape = TapeWriter(tmp_path, on_part_closed=closing)
    for number in range(12):
        tape.write(batch(number, EPOCH), EPOCH + number)
    assert closed == ["part-000000.mcap", "part-000001.mcap"]
    tape.finish()
    tape.finish()
    assert closed == ["part-000000.mcap", "part-000001.mcap", "part-000002.mcap"]


def test_a_clock_that_steps_back_begins_a_new_part(tmp_path: Path) -> None:
    with TapeWriter(tmp_path) as tape:
        for at in (EPOCH, EPOCH - 60, EPOCH - 59):
            tape.write(StateChanged(at=at, state="joining"), at)
    assert len(list(tmp_path.iterdir())) == 2
    assert [event.at for event in TapeReader(tmp_path) if isinstance(event, StateChanged)] == [
        EPOCH,
        EPOCH - 60,
        EPOCH - 59,
    ]


def test_an_existing_tape_is_not_overwritten(tmp_path: Path) -> None:
    with TapeWriter(tmp_path) as tape:
        tape.write(batch(0, EPOCH), EPOCH)
    before = (tmp_path / "part-000000.mcap").read_bytes()
    second = TapeWriter(tmp_path)
    with pytest.raises(TapeWriteError, match=r"tape .*: cannot write: File exists"):
        second.write(batch(0, EPOCH), EPOCH)
    assert (tmp_path / "part-000000.mcap").read_bytes() == before


def test_a_folder_that_cannot_be_made_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TapeWriteError, match=r"^tape .*file/tape: cannot make the folder: Not a directory$"):
        TapeWriter(tmp_path / "file" / "tape")


def test_events_from_before_the_disk_was_full_can_be_read(tmp_path: Path) -> None:
    tape = TapeWriter(tmp_path)
    accepted = 0
    with files_limited_to(20_000), pytest.raises(TapeWriteError) as failure:
        for number in range(100):
            tape.write(batch(number, EPOCH), EPOCH + number / 100)
            accepted += 1
    assert str(failure.value) == f"tape {tmp_path}: cannot write: {os.strerror(errno.EFBIG)}"
    assert accepted > 3
    assert list(TapeReader(tmp_path)) == [batch(number, EPOCH) for number in range(accepted)]
    with pytest.raises(TapeWriteError, match="is closed"):
        tape.write(batch(0, EPOCH), EPOCH)
    tape.finish()


class FullOnce(FileIO):
    """A file of which the disk takes ``room`` bytes, a part of the write that goes beyond it, and after that error more."""

    room = 0
    error = errno.ENOSPC

    def write(self, data: Any) -> int:
        left = FullOnce.room - self.tell()
        if 0 < left < len(data):
            return super().write(data[:left])
        if left == 0:
            FullOnce.room = -1
            raise OSError(FullOnce.error, os.strerror(FullOnce.error))
        return super().write(data)


def test_a_disk_that_is_full_at_any_byte_costs_one_batch_of_video_or_what_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_open_new", lambda path: FullOnce(path, "xb"))
    monkeypatch.setattr(os, "fsync", lambda _: None)
    sound = [FrameBatch(7, number, 0, []) for number in range(3)]
    (frame,) = video_batch(0, EPOCH, frames=1).frames
    video = VideoBatch(7, 0, 0, [msgspec.structs.replace(frame, payload=b"frame" * 20)])
    events: list[TapeEvent] = [sound[0], video, sound[1], video, sound[2]]
    whole = tmp_path / "whole"
    monkeypatch.setattr(FullOnce, "room", -1)
    with TapeWriter(whole, video=True) as tape:
        for event in events:
            tape.write(event, EPOCH)
    outcomes = set()
    with TapeWriter(tmp_path / "one", video=True) as tape:
        tape.write(events[0], EPOCH)
        header = (tape.folder / "part-000000.mcap").stat().st_size
    size, messages_end = (whole / "part-000000.mcap").stat().st_size, header + 700
    # At each byte of the messages, and at some of what comes before and after them.
    for room in [*range(0, header, 997), *range(header, messages_end), *range(messages_end, size, 997)]:
        FullOnce.room = room
        FullOnce.error = (errno.ENOSPC, errno.EDQUOT)[room % 2]
        tape = TapeWriter(tmp_path / f"{room}", video=True)
        kept, outcome, written = list[TapeEvent](), "whole", 0
        try:
            for event in events:
                try:
                    tape.write(event, EPOCH)
                    kept.append(event)
                except NoRoomForVideoError:
                    assert event is video
                    outcome = "without video"
                    # A worker that is killed now leaves no half record.
                    assert (tape.folder / "part-000000.mcap").stat().st_size == written
                written = (tape.folder / "part-000000.mcap").stat().st_size
            tape.finish()
        except TapeWriteError:
            outcome = "ended"
        outcomes.add(outcome)
        assert FullOnce.room == -1, "the disk was not full"
        if not kept:
            continue
        (part,) = tape.folder.iterdir()
        reader = TapeReader(tape.folder)
        assert list(reader) == kept, f"full at byte {room}"
        if outcome == "without video":
            assert [event for event in kept if event is not video] == sound
            assert reader.warnings == []
            with part.open("rb") as stream:
                messages = list(make_reader(stream, validate_crcs=True).iter_messages())
            assert len(messages) == len(kept) == 4
            data = part.read_bytes()
            assert checksum_of_data(data) == zlib.crc32(data[: data.index(data_end(data))])
            assert data == part_of(tmp_path / f"{room}-kept", kept), (
                "the library counts something else as well"
            )
    assert outcomes == {"ended", "without video"}


def part_of(folder: Path, events: list[TapeEvent]) -> bytes:
    """The only part of a tape with ``events``, on a disk that is never full."""
    with TapeWriter(folder, video=True) as tape:
        for event in events:
            tape.write(event, EPOCH)
    (part,) = folder.iterdir()
    return part.read_bytes()


def test_sound_that_a_full_disk_refuses_is_tried_once_more_where_room_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At whatever byte: of the beginning, of a message or of the end, the tape is the same as if there had been room."""
    monkeypatch.setattr(writer, "_open_new", lambda path: FullOnce(path, "xb"))
    monkeypatch.setattr(os, "fsync", lambda _: None)
    sound: list[TapeEvent] = [FrameBatch(7, number, 0, []) for number in range(3)]
    monkeypatch.setattr(FullOnce, "room", -1)
    whole = part_of(tmp_path / "whole", sound)
    messages_end = whole.index(data_end(whole))
    rooms = sorted({*range(0, len(whole), 997), *range(messages_end - 200, messages_end + 30, 3)})
    made: list[int] = []
    for room in rooms:
        FullOnce.room = room
        FullOnce.error = (errno.ENOSPC, errno.EDQUOT)[room % 2]
        with TapeWriter(tmp_path / f"{room}", video=True) as tape:
            tape.make_room = lambda room=room: made.append(room) or True  # type: ignore[misc, func-returns-value]
            for event in sound:
                tape.write(event, EPOCH)
        assert FullOnce.room == -1, "the disk was not full"
        (part,) = tape.folder.iterdir()
        assert part.read_bytes() == whole, f"full at byte {room}"
    assert made == rooms


@pytest.mark.parametrize("error", [errno.EIO, errno.EFBIG])
def test_room_is_made_only_where_there_is_none(
    error: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_open_new", lambda path: FullOnce(path, "xb"))
    monkeypatch.setattr(FullOnce, "room", 100)
    monkeypatch.setattr(FullOnce, "error", error)
    tape = TapeWriter(tmp_path, video=True)
    tape.make_room = lambda: pytest.fail("there is room")
    with pytest.raises(TapeWriteError, match=os.strerror(error)):
        tape.write(batch(0, EPOCH), EPOCH)


def data_end(part: bytes) -> bytes:
    """The record that ends the data: its opcode, its length, and the checksum of all before it."""
    (found,) = re.findall(rb"\x0f\x04\x00{7}.{4}(?=\x03|\x04)", part, re.DOTALL)
    return cast(bytes, found)


def checksum_of_data(part: bytes) -> int:
    return int.from_bytes(data_end(part)[-4:], "little")


def test_a_new_part_that_has_no_room_for_video_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_open_new", lambda path: FullOnce(path, "xb"))
    monkeypatch.setattr(FullOnce, "room", 100)
    with TapeWriter(tmp_path, video=True) as tape:
        with pytest.raises(NoRoomForVideoError):
            tape.write(video_batch(0, EPOCH), EPOCH)
        tape.write(batch(0, EPOCH), EPOCH)
    reader = TapeReader(tmp_path)
    assert list(reader) == [batch(0, EPOCH)]
    assert reader.warnings == []


def test_the_beginning_of_a_part_that_cannot_be_removed_is_told_of_and_the_sound_goes_on_in_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(writer, "_open_new", lambda path: FullOnce(path, "xb"))
    monkeypatch.setattr(FullOnce, "room", 100)
    monkeypatch.setattr(Path, "unlink", refuse)
    with TapeWriter(tmp_path, video=True) as tape:
        with pytest.raises(NoRoomForVideoError):
            tape.write(video_batch(0, EPOCH), EPOCH)
        tape.write(batch(0, EPOCH), EPOCH)
    assert [each.message for each in caplog.records] == [
        f"the beginning of {tmp_path}/part-000000.mcap stays, and nothing will follow it: Operation not permitted"
    ]
    assert list(TapeReader(tmp_path)) == [batch(0, EPOCH)]


def test_a_part_that_cannot_be_completed_is_an_error(tmp_path: Path) -> None:
    tape = TapeWriter(tmp_path)
    tape.write(batch(0, EPOCH), EPOCH)
    size = (tmp_path / "part-000000.mcap").stat().st_size
    with files_limited_to(size + 100), pytest.raises(TapeWriteError, match="cannot write"):
        tape.finish()
    assert list(TapeReader(tmp_path)) == [batch(0, EPOCH)]


UNWRITABLE = {
    "half a surrogate pair": StateChanged(at=EPOCH, state="\ud800"),
    "no number": StateChanged(at=math.nan, state="joining"),
    "endless": StateChanged(at=math.inf, state="joining"),
    "no field's type": StateChanged(at=EPOCH, state=cast(str, object())),
    "a number beyond 64 bits": FrameBatch(7, 1 << 70, 0, []),
    "too large": TilesSeen(
        at=EPOCH, document=7, tiles=[Tile(participant_id="a", name="x" * 3_000_000, sources=[])]
    ),
}


@pytest.mark.parametrize("event", UNWRITABLE.values(), ids=UNWRITABLE)
def test_an_event_that_no_tape_can_hold_is_lost_alone(event: TapeEvent, tmp_path: Path) -> None:
    with TapeWriter(tmp_path) as tape:
        tape.write(batch(0, EPOCH), EPOCH)
        with pytest.raises(
            UnwritableEventError, match=rf"^{type(event).__name__}: cannot be put on a tape: "
        ):
            tape.write(event, EPOCH)
        tape.write(batch(1, EPOCH), EPOCH)
    reader = TapeReader(tmp_path)
    assert list(reader) == [batch(0, EPOCH), batch(1, EPOCH)]
    assert reader.warnings == []


ERRORS = [
    OSError(errno.EIO, "Input/output error"),
    struct.error("int too large to convert"),
    ValueError("write to closed file"),
    OverflowError("cannot convert"),
    MemoryError(),
]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("method", ["add_message", "finish", "start"])
def test_all_errors_of_the_mcap_library_become_one_kind(
    method: str, error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    tape = TapeWriter(tmp_path)
    if method != "start":
        tape.write(batch(0, EPOCH), EPOCH)
    monkeypatch.setattr(Writer, method, fail)
    with pytest.raises(TapeWriteError, match=r"^tape .*: cannot write: "):
        tape.write(batch(1, EPOCH), EPOCH)
        tape.finish()
    with pytest.raises(TapeWriteError, match="is closed"):
        tape.write(batch(2, EPOCH), EPOCH)
    tape.finish()
    if method != "start":
        assert batch(0, EPOCH) in list(TapeReader(tmp_path))


@pytest.mark.parametrize("at", [-1.0, 1e12, math.nan, math.inf])
def test_a_log_time_that_no_tape_can_hold_is_an_error(at: float, tmp_path: Path) -> None:
    tape = TapeWriter(tmp_path)
    tape.write(batch(0, EPOCH), EPOCH)
    with pytest.raises(TapeWriteError, match="cannot write"):
        tape.write(batch(1, EPOCH), at)
    assert list(TapeReader(tmp_path)) == [batch(0, EPOCH)]


def test_a_tape_with_video_has_it_on_a_topic_of_its_own(tmp_path: Path) -> None:
    with TapeWriter(tmp_path, video=True) as tape:
        for at, event in a_meeting_with_video():
            tape.write(event, at)
    parts = sorted(tmp_path.iterdir())
    assert len(parts) == 3
    for part in parts:
        with part.open("rb") as stream:
            reader = make_reader(stream, validate_crcs=True)
            summary = reader.get_summary()
            assert summary is not None
            assert {channel.topic for channel in summary.channels.values()} == {"frames", "video", "events"}
            assert [schema.data for schema in summary.schemas.values()] == [codec.VIDEO_EVENT_SCHEMA]
            for _, channel, message in reader.iter_messages():
                expected = VideoBatch if channel.topic == "video" else object
                assert isinstance(codec.decode(channel.topic, message.data), expected)
    read = TapeReader(tmp_path)
    assert list(read) == [event for _, event in a_meeting_with_video()]
    assert read.warnings == []


def test_a_tape_without_video_is_the_same_bytes_as_before_video_was_known(tmp_path: Path) -> None:
    with TapeWriter(tmp_path) as tape:
        for at, event in a_meeting():
            tape.write(event, at)
    digest = hashlib.sha256()
    for part in sorted(tmp_path.iterdir()):
        digest.update(part.read_bytes())
    # Of the last version without video. Another event, or another library of MCAP, changes it.
    assert digest.hexdigest() == "80265816b6f71e7e3b9d271457aacf63e59f279b0c1b18ea27d7b75cb0ccdb7f"


@pytest.mark.parametrize(
    "event",
    [
        video_batch(0, EPOCH),
        VideoTrackSeen(at=EPOCH, document=7, connection=0, receiver=3, streams=[]),
    ],
    ids=lambda event: type(event).__name__,
)
def test_a_tape_without_video_takes_none(event: TapeEvent, tmp_path: Path) -> None:
    with TapeWriter(tmp_path) as tape:
        tape.write(batch(0, EPOCH), EPOCH)
        with pytest.raises(UnwritableEventError, match=r"cannot be put on a tape without video$"):
            tape.write(event, EPOCH)
    assert list(TapeReader(tmp_path)) == [batch(0, EPOCH)]


def test_a_batch_of_video_that_no_part_has_room_for_is_lost_alone(tmp_path: Path) -> None:
    huge = video_batch(0, EPOCH, frames=1)
    (frame,) = huge.frames
    payload = bytes(codec.MOST_VIDEO_BYTES - 200)
    largest = msgspec.structs.replace(huge, frames=[msgspec.structs.replace(frame, payload=payload)])
    larger = msgspec.structs.replace(
        huge, frames=[msgspec.structs.replace(frame, payload=payload + bytes(200))]
    )
    with TapeWriter(tmp_path, video=True) as tape:
        with pytest.raises(UnwritableEventError, match=r"video of 1258.* bytes, expected at most 12582912"):
            tape.write(larger, EPOCH)
        for _ in range(2):
            tape.write(largest, EPOCH)
    reader = TapeReader(tmp_path)
    assert list(reader) == [largest] * 2
    assert reader.warnings == []


def test_the_parts_of_seventeen_cameras_stay_within_their_bound(tmp_path: Path) -> None:
    """17 streams of 2.5 Mbit/s; the page ends a batch once it has 1 MiB."""
    payload = bytes(2_500_000 // 8 // 15)
    sent = 0
    with TapeWriter(tmp_path, video=True) as tape:
        for number in range(24):
            frames = [
                msgspec.structs.replace(frame, receiver=receiver, payload=payload)
                for receiver in range(17)
                for frame in video_batch(number, EPOCH + number / 4, frames=4).frames
            ]
            tape.write(VideoBatch(7, number, 0, frames), EPOCH + number / 4)
            sent += len(frames)
    parts = list(tmp_path.iterdir())
    assert max(part.stat().st_size for part in parts) < PART_BYTES + 2 * 1024 * 1024
    assert sum(len(event.frames) for event in TapeReader(tmp_path) if isinstance(event, VideoBatch)) == sent


def test_the_events_schema_names_every_event() -> None:
    for name in ("TapeStarted", "ChannelMessage", "RecordingEnded"):
        assert f'"{name}"'.encode() in codec.EVENT_SCHEMA
        assert f'"{name}"'.encode() in codec.VIDEO_EVENT_SCHEMA
    assert b"VideoTrackSeen" in codec.VIDEO_EVENT_SCHEMA
    assert b"VideoTrackSeen" not in codec.EVENT_SCHEMA
