"""Parts that are made to eat memory and time are refused, or read, within bounds; other parts are read all the same."""

from __future__ import annotations

import struct
import time
import tracemalloc
from collections.abc import Callable
from functools import reduce
from pathlib import Path

import lz4.frame  # type: ignore[import-untyped]
import msgspec
import pytest
import zstandard
from mcap.writer import MCAP0_MAGIC

from tests.support.tape_samples import EPOCH
from worker.tape import codec
from worker.tape.codec import MOST_EVENT_BYTES, MOST_LISTED_BYTES
from worker.tape.errors import TapeReadError
from worker.tape.events import (
    MOST_FRAMES,
    ChannelMessage,
    Frame,
    FrameBatch,
    RecordingEnded,
    StateChanged,
    TapeEvent,
)
from worker.tape.parts import METADATA, MOST_PART_BYTES, PART_BYTES, PROFILE, VERSION_KEY
from worker.tape.reader import MOST_TAPE_SECONDS, TapeReader
from worker.tape.writer import TapeWriter

MEBIBYTE = 1024 * 1024
MOST_MEMORY = 64 * MEBIBYTE
MOST_CPU_SECONDS = 1.5
"""One second, and something for a busy machine's caches."""

FRAME = Frame(0, 1, (), 0, 0, 111, "", None, EPOCH, None, b"")
LOGGED = round(EPOCH) * 10**9


def record(opcode: int, content: bytes) -> bytes:
    return struct.pack("<BQ", opcode, len(content)) + content


def text(value: str) -> bytes:
    return struct.pack("<I", len(value)) + value.encode()


def metadata(pairs: bytes) -> bytes:
    return record(0x0C, text(METADATA) + struct.pack("<I", len(pairs)) + pairs)


def channel(number: int, topic: str) -> bytes:
    return record(4, struct.pack("<HH", number, 0) + text(topic) + text("") + struct.pack("<I", 0))


def message(number: int, data: bytes, logged: int = LOGGED) -> bytes:
    return record(5, struct.pack("<HIQQ", number, 0, logged, logged) + data)


def event(value: TapeEvent, logged: int = LOGGED) -> bytes:
    topic, data = codec.encode(value)
    return message(1 if topic == codec.FRAMES else 2, data, logged)


def chunk(content: bytes, compression: str = "", claims: int | None = None) -> bytes:
    packed = {"": bytes, "zstd": zstandard.compress, "lz4": lz4.frame.compress}[compression](content)
    size = len(content) if claims is None else claims
    head = struct.pack("<QQQI", 0, 0, size, 0) + text(compression) + struct.pack("<Q", len(packed))
    return record(6, head + packed)


def filled(unit: bytes, size: int = 23 * MEBIBYTE) -> bytes:
    return unit * (size // len(unit))


HEAD = b"".join(
    [
        MCAP0_MAGIC,
        record(1, text(PROFILE) + text("x")),
        metadata(text(VERSION_KEY) + text("2")),
        channel(1, codec.FRAMES),
        channel(2, codec.EVENTS),
    ]
)
BOMB = 200 * MEBIBYTE
MINIMAL = msgspec.msgpack.encode(FRAME)


def frames(count: int) -> bytes:
    return message(1, b"\x94\x00\x00\x00\xdd" + struct.pack(">I", count) + MINIMAL * count)


def listed(count: int) -> bytes:
    tile = b'{"participant_id":"","name":"","sources":[%s]}' % b",".join([b'"a"'] * 100)
    tiles = b",".join([tile] * count)
    return message(2, b'{"type":"tiles_seen","at":1790000000,"document":1,"tiles":[%s]}' % tiles)


HOSTILE: dict[str, Callable[[], bytes]] = {
    "zstd bomb": lambda: chunk(bytes(BOMB), "zstd"),
    "zstd bomb with a false size": lambda: chunk(bytes(BOMB), "zstd", 1000),
    "lz4 bomb": lambda: chunk(bytes(BOMB), "lz4"),
    "lz4 bomb with a false size": lambda: chunk(bytes(BOMB), "lz4", 1000),
    "a claim of 2^63": lambda: chunk(b"x", "zstd", 2**63),
    "less than was claimed": lambda: chunk(b"x", "zstd", 20 * MEBIBYTE),
    "many chunks": lambda: (
        chunk(event(StateChanged(at=EPOCH, state="x")) + bytes(8 * MEBIBYTE), "zstd") * 200
    ),
    "nested": lambda: chunk(chunk(chunk(b""))),
    "deeply nested": lambda: reduce(lambda inner, _: chunk(inner), range(1000), b""),
    "ten chunks in each": lambda: reduce(
        lambda inner, _: chunk(inner * 10, "zstd"), range(8), record(0x7F, b"")
    ),
    "unknown compression": lambda: record(
        6, struct.pack("<QQQI", 0, 0, 5, 0) + text("xz") + struct.pack("<Q", 0)
    ),
    "a record of 2^64": lambda: struct.pack("<BQ", 5, 2**64 - 1),
    "a large part": lambda: bytes(100 * MEBIBYTE),
    "unreadable messages": lambda: filled(message(2, b"x")),
    "empty messages in a chunk": lambda: chunk(filled(message(9, b"")), "zstd"),
    "empty batches in a chunk": lambda: chunk(filled(event(FrameBatch(0, 0, 0, []))), "zstd"),
    "unknown records in a chunk": lambda: chunk(filled(record(0x7F, b"")), "zstd"),
    "channels in a chunk": lambda: chunk(filled(channel(3, "x")), "zstd"),
    "a large map": lambda: metadata(b"".join(text(f"{number:07d}") + text("") for number in range(500_000))),
    "too many frames": lambda: frames(MOST_FRAMES * 20),
    "full batches": lambda: frames(MOST_FRAMES) * 40,
    "long lists": lambda: listed(50_000),
    "deep JSON": lambda: message(2, b'{"type":"tiles_seen","x":' + b"[" * 10_000_000),
}


def read(folder: Path, part: bytes) -> tuple[list[TapeEvent], list[str]]:
    """The last two events of a tape of this part and a good one, and the warnings."""
    (folder / "part-000000.mcap").write_bytes(part)
    (folder / "part-000001.mcap").write_bytes(HEAD + GOOD)
    reader = TapeReader(folder)
    last: list[TapeEvent] = []
    for each in reader:
        last = [*last[-1:], each]
    return last, reader.warnings


GOOD = event(StateChanged(at=EPOCH + 5, state="done"), LOGGED + 5 * 10**9)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_part_costs_little_and_no_other_part(name: str, tmp_path: Path) -> None:
    part = HEAD + HOSTILE[name]()
    began = time.process_time()
    last, warnings = read(tmp_path, part)
    assert time.process_time() - began <= MOST_CPU_SECONDS
    assert last[-1] == StateChanged(at=EPOCH + 5, state="done")
    assert warnings[0].startswith("part-000000.mcap: ")
    assert all(len(warning) < 300 for warning in warnings)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_part_needs_little_memory(name: str, tmp_path: Path) -> None:
    part = HEAD + HOSTILE[name]()
    (tmp_path / "part-000000.mcap").write_bytes(part)
    del part
    tracemalloc.start()
    try:
        for _ in TapeReader(tmp_path):
            pass
    except TapeReadError:
        assert name == "a large part"
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak <= MOST_MEMORY


@pytest.mark.parametrize("seconds", ["9e9", "1e300", "1e999", "-5", "NaN", "1e-999", "null"])
def test_an_event_of_another_age_is_left_out(seconds: str, tmp_path: Path) -> None:
    ended = b'{"type":"recording_ended","at":%s,"reason":"x"}' % seconds.encode()
    begun = event(StateChanged(at=EPOCH, state="joining"))
    _, warnings = read(tmp_path, HEAD + begun + message(2, ended))
    assert warnings[0].startswith("part-000000.mcap: ")
    (problem,) = [warning for warning in warnings if "1 messages cannot be read: " in warning]
    assert problem


@pytest.mark.parametrize("logged", [0, LOGGED - round(MOST_TAPE_SECONDS * 1.01e9), 2**64 - 1])
def test_a_log_time_of_another_age_is_left_out(logged: int, tmp_path: Path) -> None:
    good = event(StateChanged(at=EPOCH, state="joining"))
    ended = event(RecordingEnded(at=EPOCH, reason="x"), logged)
    for content in (good + ended + GOOD, ended + good + GOOD):
        last, warnings = read(tmp_path, HEAD + content)
        assert last == [StateChanged(at=EPOCH + 5, state="done")] * 2
        assert any("1 messages cannot be read: its log time" in warning for warning in warnings)


@pytest.mark.parametrize("field", ["arrival", "captured"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e300, -1.0])
def test_a_frame_without_a_possible_time_is_unreadable(field: str, value: float, tmp_path: Path) -> None:
    odd = msgspec.structs.replace(FRAME, **{field: value})
    _, warnings = read(tmp_path, HEAD + event(FrameBatch(0, 0, 0, [FRAME, odd])))
    assert any("1 messages cannot be read" in warning for warning in warnings)


def test_the_largest_events_that_the_page_sends_are_read(tmp_path: Path) -> None:
    large = ChannelMessage(at=EPOCH, document=1, connection=0, label="x", payload=bytes(6 * MEBIBYTE))
    assert MOST_LISTED_BYTES < len(codec.encode(large)[1]) < MOST_EVENT_BYTES
    with TapeWriter(tmp_path) as tape:
        for number in range(6):
            tape.write(large, EPOCH + number / 10)
    reader = TapeReader(tmp_path)
    assert sum(1 for _ in reader) == 6
    assert reader.warnings == []
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) > 1
    assert max(sizes) <= PART_BYTES + MOST_EVENT_BYTES < MOST_PART_BYTES
