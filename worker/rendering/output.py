"""The output folder of a recording or a replay, the names of its files, and how they are written."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from worker.errors import InputError

AUDIO_FILE: Final = "audio.wav"
MANIFEST_FILE: Final = "audio_streams.json"
MEETING_FILE: Final = "meeting.json"
TIMELINE_FILE: Final = "timeline.html"
STREAMS_FOLDER: Final = "streams"
VIDEO_FOLDER: Final = "video"
TAPE_FOLDER: Final = "tape"

_PROBE: Final = bytes(4096)


class OutputError(InputError):
    """The output folder cannot be used."""


def replace_file(path: Path, content: bytes) -> None:
    """Writes a whole file or, where that fails, leaves what was there. Raises OSError."""
    unfinished = path.with_name(f"{path.name}.part")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError:
        with suppress(OSError):
            unfinished.unlink()
        raise


def claim_output(folder: Path) -> None:
    """Creates ``folder`` if needed and checks that it is empty and can be written. Raises OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise OutputError(f"output {folder}: is not empty, expected a new or an empty folder")
        with TemporaryFile(dir=folder, buffering=0) as probe:
            if probe.write(_PROBE) != len(_PROBE):
                raise OutputError(f"output {folder}: cannot be written: the disk is full")
    except FileExistsError as error:
        raise OutputError(f"output {folder}: is a file, expected a new or an empty folder") from error
    except OSError as error:
        raise OutputError(f"output {folder}: cannot be written: {error.strerror}") from error
