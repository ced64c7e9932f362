from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.writer import CompressionType

from tests.support.mcap_files import an_mcap
from tests.support.tape_samples import EPOCH, a_meeting, a_meeting_with_video, batch, video_batch
from worker.tape import codec
from worker.tape.errors import NewerTapeError, NotATapeError, TapeNotFoundError, TapeReadError
from worker.tape.events import TAPE_VERSION, TapeEvent
from worker.tape.reader import TapeReader, read_tape
from worker.tape.writer import TapeWriter

EVENTS = [event for _, event in a_meeting(12)]


@cache
def parts() -> list[bytes]:
    """The three parts of a small tape."""
    with TemporaryDirectory() as folder:
        with TapeWriter(Path(folder)) as tape:
            for at, event in a_meeting(12):
                tape.write(event, at)
        return [path.read_bytes() for path in sorted(Path(folder).iterdir())]


@cache
def a_part_with_video() -> tuple[bytes, list[TapeEvent]]:
    """One part, and its events."""
    events = [(at, event) for at, event in a_meeting_with_video(3.0)]
    with TemporaryDirectory() as folder:
        with TapeWriter(Path(folder), video=True) as tape:
            for at, event in events:
                tape.write(event, at)
        (path,) = Path(folder).iterdir()
        return path.read_bytes(), [event for _, event in events]


def write_parts(folder: Path, contents: list[bytes]) -> Path:
    for number, content in enumerate(contents):
        (folder / f"part-{number:06d}.mcap").write_bytes(content)
    return folder


def test_events_are_read_in_written_order_across_parts(tmp_path: Path) -> None:
    assert len(parts()) == 3
    assert list(read_tape(write_parts(tmp_path, parts()))) == EVENTS


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TapeNotFoundError, match=r"^tape .*none: is not a folder, expected the tape folder"):
        TapeReader(tmp_path / "none")


def test_a_folder_without_parts_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "part-of-something.mcap").write_text("not counted")
    with pytest.raises(TapeNotFoundError, match=r"^tape .*: is empty, expected files like part-000000.mcap$"):
        TapeReader(tmp_path)


@pytest.mark.parametrize(
    "content", [b"RIFF....WAVE", b"\x00" * 4096, an_mcap(profile="ros2"), an_mcap(profile="")]
)
def test_files_that_are_no_parts_of_a_tape_are_an_error(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(
        NotATapeError, match=r"^tape .*: is not a tape of meetstems: part-000000.mcap: is damaged"
    ):
        list(read_tape(write_parts(tmp_path, [content])))


def test_a_tape_of_a_newer_version_is_an_error(tmp_path: Path) -> None:
    newer = an_mcap(version=str(TAPE_VERSION + 1), messages=[("events", codec.encode(EVENTS[0])[1])])
    with pytest.raises(
        NewerTapeError,
        match=rf"^tape .*: has version {TAPE_VERSION + 1}, expected at most {TAPE_VERSION}; a newer meetstems",
    ):
        list(read_tape(write_parts(tmp_path, [newer])))


@pytest.mark.parametrize("version", ["one", "-1", "9" * 5000, "\u0661"])
def test_a_part_whose_version_is_no_number_is_damaged(tmp_path: Path, version: str) -> None:
    reader = TapeReader(write_parts(tmp_path, [an_mcap(version=version), parts()[1]]))
    assert len(list(reader)) > 0
    assert "part-000000.mcap: is damaged: its version is" in reader.warnings[0]


@pytest.mark.parametrize("compression", list(CompressionType))
def test_a_part_that_a_tool_rewrote_in_chunks_is_read(tmp_path: Path, compression: CompressionType) -> None:
    messages = [codec.encode(event) for event in EVENTS]
    content = an_mcap(messages=messages, chunked=True, compression=compression)
    reader = TapeReader(write_parts(tmp_path, [content]))
    assert list(reader) == EVENTS
    assert reader.warnings == []


def test_unknown_topics_are_skipped_and_unknown_events_reported(tmp_path: Path) -> None:
    messages = [
        ("subtitles", b"\x00"),
        codec.encode(EVENTS[0]),
        ("events", b'{"type":"volcano","at":1}'),
        ("events", b'{"type":"state_changed","at":1}'),
        ("frames", b"\x93\x01"),
        codec.encode(EVENTS[-1]),
    ]
    reader = TapeReader(write_parts(tmp_path, [an_mcap(messages=messages)]))
    assert list(reader) == [EVENTS[0], EVENTS[-1]]
    assert reader.warnings == [
        "part-000000.mcap: 3 messages cannot be read: Invalid value 'volcano' - at `$.type`"
    ]


@pytest.mark.parametrize(
    ("topic", "data", "sound"),
    [
        ("events", b'{"type":"volcano","at":1}', False),
        ("frames", b"\x93\x01", True),
        ("video", b"\x93\x01", False),
        ("video", b"\x94\x01\x00\x00\x91\x01", False),
        ("video", bytes(codec.MOST_VIDEO_BYTES + 1), False),
    ],
)
def test_sound_may_be_missing_where_frames_cannot_be_read(
    topic: str, data: bytes, sound: bool, tmp_path: Path
) -> None:
    content = an_mcap(messages=[codec.encode(EVENTS[0]), (topic, data)])
    reader = TapeReader(write_parts(tmp_path, [content]))
    list(reader)
    assert [damage.sound for damage in reader.damage] == [sound]
    assert [damage.warning for damage in reader.damage] == reader.warnings


def test_a_damaged_part_loses_no_events_of_other_parts(tmp_path: Path) -> None:
    first, middle, last = parts()
    somewhere = middle.index(b'"type":"channel_message"')
    damaged = middle[:somewhere] + b"\xff" * 200 + middle[somewhere + 200 :]
    reader = TapeReader(write_parts(tmp_path, [first, damaged, last]))
    events = list(reader)
    assert [event for event in EVENTS if event in events] == events
    assert events[: len(_read(first))] == _read(first)
    assert events[-len(_read(last)) :] == _read(last)
    assert not reader.torn
    assert reader.warnings[0].startswith("part-000001.mcap: is ")


def test_a_flipped_bit_in_a_payload_fails_the_checksum(tmp_path: Path) -> None:
    content = bytearray(parts()[0])
    content[content.index(bytes([0xF8, 2]) * 20)] ^= 1
    reader = TapeReader(write_parts(tmp_path, [bytes(content)]))
    list(reader)
    assert reader.warnings == ["part-000000.mcap: is damaged: its checksum does not match"]


def test_a_missing_part_is_reported(tmp_path: Path) -> None:
    write_parts(tmp_path, parts())
    (tmp_path / "part-000001.mcap").unlink()
    reader = TapeReader(tmp_path)
    assert list(reader) == _read(parts()[0]) + _read(parts()[2])
    assert reader.warnings == ["1 parts are missing, the first is part 1"]


def test_a_part_that_cannot_be_opened_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied")

    write_parts(tmp_path, parts())
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(TapeReadError, match=r"^tape .*part-000000.mcap: cannot be read: Permission denied$"):
        list(read_tape(tmp_path))


def _read(part: bytes) -> list[TapeEvent]:
    with TemporaryDirectory() as folder:
        return list(read_tape(write_parts(Path(folder), [part])))


def test_a_tape_that_begins_with_video_spans_its_time(tmp_path: Path) -> None:
    first, late = video_batch(0, EPOCH), video_batch(1, EPOCH + 1)
    far = video_batch(2, EPOCH + 1e6)
    with TapeWriter(tmp_path, video=True) as tape:
        tape.write(first, EPOCH)
        tape.write(far, EPOCH + 1)
        tape.write(late, EPOCH + 9e5)
    reader = TapeReader(tmp_path)
    # The log time counts, not what the page said of its frames.
    assert list(reader) == [first, far]
    assert [damage.sound for damage in reader.damage] == [False]


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_any_truncation_of_a_part_with_video_yields_a_prefix(data: st.DataObject) -> None:
    part, events = a_part_with_video()
    length = data.draw(st.integers(0, len(part) - 1))
    with TemporaryDirectory() as folder:
        reader = TapeReader(write_parts(Path(folder), [part[:length]]))
        read = list(reader)
    assert read == events[: len(read)]
    assert reader.torn == (length < len(part) - 8)


@given(data=st.data(), count=st.integers(1, 3))
@settings(deadline=None, max_examples=150)
def test_any_truncation_of_the_last_part_yields_a_prefix(data: st.DataObject, count: int) -> None:
    contents = parts()[:count]
    length = data.draw(st.integers(0, len(contents[-1]) - 1))
    with TemporaryDirectory() as folder:
        reader = TapeReader(write_parts(Path(folder), [*contents[:-1], contents[-1][:length]]))
        events = list(reader)
    assert events == EVENTS[: len(events)]
    assert len(events) >= sum(len(_read(part)) for part in contents[:-1])
    footer_ends = len(contents[-1]) - 8
    assert reader.torn == (length < footer_ends)


@given(st.binary(max_size=300), st.booleans())
@settings(deadline=None, max_examples=150)
def test_garbage_raises_only_tape_read_error(garbage: bytes, after_magic: bool) -> None:
    content = b"\x89MCAP0\r\n" + garbage if after_magic else garbage
    with TemporaryDirectory() as folder:
        try:
            events = list(read_tape(write_parts(Path(folder), [content])))
        except TapeReadError:
            return
    assert events == []


@given(st.data())
@settings(deadline=None, max_examples=150)
def test_flipped_bytes_raise_only_newer_tape_error(data: st.DataObject) -> None:
    content = bytearray(parts()[0])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with TemporaryDirectory() as folder:
        try:
            list(read_tape(write_parts(Path(folder), [bytes(content), parts()[1]])))
        except TapeReadError as error:
            assert isinstance(error, NewerTapeError)


def test_a_tape_of_many_parts_is_read_completely(tmp_path: Path) -> None:
    with TapeWriter(tmp_path) as tape:
        for number in range(600):
            tape.write(batch(number, EPOCH), EPOCH + number / 10)
    assert sum(1 for _ in read_tape(tmp_path)) == 600
