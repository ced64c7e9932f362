"""What writer and reader agree on beyond MCAP itself."""

from __future__ import annotations

from pathlib import Path
from typing import Final

PROFILE: Final = "meetstems"
"""The profile in the MCAP header of every part."""

METADATA: Final = "meetstems.tape"
"""Name of the MCAP metadata record that stands first in every part and holds the version."""

VERSION_KEY: Final = "version"

PART_SECONDS: Final = 5.0
"""A part spans less than this in log time."""

PART_PATTERN: Final = "part-*.mcap"


def part_path(folder: Path, number: int) -> Path:
    """Where part ``number`` (from 0) of a tape lies."""
    return folder / f"part-{number:06d}.mcap"


def part_number(path: Path) -> int | None:
    """The number in a part's name, or None where the name is not a part's."""
    digits = path.name.removeprefix("part-").removesuffix(".mcap")
    return int(digits) if digits.isdecimal() and digits.isascii() else None
