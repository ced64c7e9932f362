"""Tapes of earlier attempts in a store, and parts of tapes on the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.support.tapes import Talker, synthetic_tape
from worker.delivery.bucket_layout import BotKeys, bot_keys
from worker.delivery.object_store import S3Store
from worker.tape.events import FrameBatch, RecordingEnded, TapeEvent, VideoBatch
from worker.tape.writer import TapeWriter

KEYS: BotKeys = bot_keys("", "bot-1")
ATTEMPT_KEYS = bot_keys("p", "bot").attempt(1)
"""Those of an attempt whose parts have any content."""

SPEECH = [bytes([0xF8, number, 7]) * 20 for number in range(50)]


def events(seconds: float = 12.0, reason: str | None = None) -> Iterator[TapeEvent]:
    """One person talks; the recording has an end only with a ``reason``."""
    talker = Talker(csrc=1001, slot=0, turns=[(0.5, seconds - 0.5)], payloads=SPEECH)
    for event in synthetic_tape([talker], seconds):
        if isinstance(event, RecordingEnded):
            if reason is not None:
                yield msgspec.structs.replace(event, reason=reason)
        else:
            yield event


def write_tape(folder: Path, tape_events: Iterator[TapeEvent], *, video: bool = False) -> list[Path]:
    """Parts of four seconds, as the events' own clock has it."""
    now = 0.0
    with TapeWriter(folder, part_seconds=4.0, video=video) as tape:
        for event in tape_events:
            now = event.frames[-1].arrival if isinstance(event, FrameBatch | VideoBatch) else event.at
            tape.write(event, now)
    return sorted(folder.glob("*.mcap"))


def put_tape(store: S3Store, attempt: int, parts: list[Path]) -> None:
    """Uploads the parts as those of the attempt with this number."""
    for part in parts:
        store.put(KEYS.attempt(attempt).tape_part(part.name), part, content_type="application/octet-stream")


def some_parts(folder: Path, count: int, size: int = 100) -> list[Path]:
    """Files with the names of parts, and random content."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"part-{number:06d}.mcap" for number in range(count)]
    for path in paths:
        path.write_bytes(os.urandom(size))
    return paths
