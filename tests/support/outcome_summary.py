"""Counts what outcome_rows.py recorded: false admissions, false ends, wrong outcomes; and shows how fast the bot decided.

    python -m tests.support.outcome_summary FILE [EARLIER]

With a second file, the times of an earlier version stand beside those of the first. The status is 1 where anything is wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

import msgspec


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One visit of the bot to a row's meeting; the times are in seconds, None: not known."""

    row: str
    platform: str
    reason: str
    asked_after: float | None
    admitted_after: float | None
    decided_after: float | None
    admitted_early: bool
    left_early: bool
    faults: list[str]


def read(path: Path) -> list[Visit]:
    """All visits of a file."""
    return [msgspec.json.decode(line, type=Visit) for line in path.read_bytes().splitlines()]


def summary(visits: Sequence[Visit], earlier: Sequence[Visit] = ()) -> str:
    """The counts and the times, line by line."""
    rows = {(visit.platform, visit.row) for visit in visits}
    wrong = [visit for visit in visits if visit.faults]
    lines = [
        f"{len(visits)} visits of {len(rows)} rows",
        f"false admissions: {sum(visit.admitted_early for visit in visits)}",
        f"false ends: {sum(visit.left_early for visit in visits)}",
        f"visits with any fault: {len(wrong)}",
        *(f"  {visit.platform} {visit.row}: {'; '.join(visit.faults)}" for visit in wrong),
        "seconds (median / slowest):",
    ]
    for platform in sorted({visit.platform for visit in visits}):
        for what in ("asked_after", "admitted_after", "decided_after"):
            now = _times(visits, platform, what)
            before = _times((visit for visit in earlier if (platform, visit.row) in rows), platform, what)
            compared = f"   earlier {_shown(before)}" if earlier else ""
            lines.append(f"  {platform:16} {what.replace('_', ' '):15} {_shown(now)}{compared}")
    return "\n".join(lines)


def _times(visits: Iterable[Visit], platform: str, what: str) -> list[float]:
    known = (getattr(visit, what) for visit in visits if visit.platform == platform)
    return [seconds for seconds in known if seconds is not None]


def _shown(seconds: Sequence[float]) -> str:
    if not seconds:
        return "not known"
    return f"{median(seconds):5.2f} / {max(seconds):5.2f} ({len(seconds)} visits)"


def main(arguments: Sequence[str]) -> int:
    """Prints the summary of the files that ``arguments`` name; returns the process's status."""
    visits, *earlier = [read(Path(name)) for name in arguments]
    print(summary(visits, *earlier))
    return int(any(visit.faults for visit in visits))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
