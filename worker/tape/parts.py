"""The format of a tape's parts beyond MCAP itself: file names, profile, metadata, length."""

from __future__ import annotations

from pathlib import Path
from typing import Final

PROFILE: Final = "meetstems"
"""The profile in the MCAP header of every part."""

METADATA: Final = "meetstems.tape"
"""Name of the MCAP metadata record at the beginning of every part, which holds the version."""

VERSION_KEY: Final = "version"

PART_SECONDS: Final = 5.0
"""A part spans less than this in log time."""

PART_BYTES: Final = 8 * 1024 * 1024
"""A part of this size takes no further message."""

MOST_PART_BYTES: Final = 24 * 1024 * 1024
"""A larger part is not read, nor one whose chunks are larger in all. A part ends once it has PART_BYTES, and no message has as
much as the rest. The reader needs about twice as much memory."""

PART_PATTERN: Final = "part-*.mcap"


def part_path(folder: Path, number: int) -> Path:
    """The path of part ``number`` (from 0) of the tape in ``folder``."""
    return folder / f"part-{number:06d}.mcap"


def part_number(path: Path) -> int | None:
    """The number in a part's name, or None if the name is not a part's."""
    digits = path.name.removeprefix("part-").removesuffix(".mcap")
    return int(digits) if digits.isdecimal() and digits.isascii() else None
