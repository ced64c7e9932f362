"""Counts what outcome_rows.py recorded: false admissions, false ends, wrong outcomes; and shows how fast the bot decided.

    python -m tests.support.outcome_summary FILE [EARLIER]

With a second file, the times of an earlier version are shown, too, for the rows of both. The status is 1 if anything is wrong.
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

    @property
    def named(self) -> tuple[str, str]:
        """What names the row among those of all platforms."""
        return self.platform, self.row


def read(path: Path) -> list[Visit]:
    """All visits of a file."""
    return [msgspec.json.decode(line, type=Visit) for line in path.read_bytes().splitlines()]


def summary(visits: Sequence[Visit], earlier: Sequence[Visit] = ()) -> str:
    """The counts and the times, line by line. Two versions are compared over the rows that both have."""
    wrong = [visit for visit in visits if visit.faults]
    lines = [
        f"{len(visits)} visits of {len(_rows(visits))} rows",
        f"false admissions: {sum(visit.admitted_early for visit in visits)}",
        f"false ends: {sum(visit.left_early for visit in visits)}",
        f"visits with any fault: {len(wrong)}",
        *(f"  {visit.platform} {visit.row}: {'; '.join(visit.faults)}" for visit in wrong),
        "seconds (median / slowest):",
        *_table(visits),
    ]
    if earlier:
        common = _rows(visits) & _rows(earlier)
        lines.append(f"in the {len(common)} rows of both versions:")
        lines += _table([visit for visit in visits if visit.named in common])
        lines.append("earlier:")
        lines += _table([visit for visit in earlier if visit.named in common])
    return "\n".join(lines)


def _rows(visits: Iterable[Visit]) -> set[tuple[str, str]]:
    return {visit.named for visit in visits}


def _table(visits: Sequence[Visit]) -> list[str]:
    return [
        f"  {platform:16} {what.replace('_', ' '):15} {_shown(_times(visits, platform, what))}"
        for platform in sorted({visit.platform for visit in visits})
        for what in ("asked_after", "admitted_after", "decided_after")
    ]


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
