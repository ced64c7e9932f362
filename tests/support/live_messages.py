"""Messages of live streams as the vendors' guides show them, made by hand."""

from __future__ import annotations

import json
import math
import struct
from base64 import b64encode
from typing import Any, Final

from worker.iso_time import iso_utc

BEGAN: Final = 1_800_000_000.0
"""When the recording of these messages began, in Unix seconds."""

HOSTILE: Final = "[red]Mallory[/red]\x1b[2J\u202e\n../" + "x" * 300


def tone(seconds: float, rate: int = 16_000, level: float = 0.5) -> bytes:
    """S16LE samples of a tone."""
    count = round(seconds * rate)
    return struct.pack(
        f"<{count}h", *(round(level * 32_767 * math.sin(440 * math.tau * i / rate)) for i in range(count))
    )


def recall(
    event: str, person: int | None, name: str | None, at: float, *, bot: str = "bot-1", **data: Any
) -> str:
    """A message of Recall.ai's; ``data`` are more fields of the inner data."""
    inner: dict[str, Any] = {"timestamp": {"relative": at, "absolute": iso_utc(BEGAN + at, "microseconds")}}
    if person is not None:
        inner["participant"] = {
            "id": person,
            "name": name,
            "is_host": False,
            "platform": None,
            "extra_data": {},
        }
    reference = {"id": "x", "metadata": {}}
    return json.dumps(
        {
            "event": event,
            "data": {
                "data": inner | data,
                "realtime_endpoint": reference,
                "recording": reference,
                "bot": {"id": bot, "metadata": {}},
            },
        }
    )


def separate(person: int, name: str | None, at: float, pcm: bytes, *, bot: str = "bot-1") -> str:
    """Sound of one speaker."""
    return recall("audio_separate_raw.data", person, name, at, bot=bot, buffer=b64encode(pcm).decode())


def meetstream(speaker: str, name: str, pcm: bytes) -> bytes:
    """A binary frame of MeetStream's live audio."""
    texts = (text.encode() for text in (speaker, name))
    return b"\x01" + b"".join(struct.pack("<H", len(text)) + text for text in texts) + pcm
