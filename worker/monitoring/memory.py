"""The memory of the worker and its descendants, counted as the kernel or the kubelet counts it before it kills."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import psutil

PROC: Final = Path("/proc")
CGROUPS: Final = Path("/sys/fs/cgroup")
NO_LIMIT: Final = "max"


def memory_in_use() -> int:
    """Bytes: the container's own figure where there is one, else that of this process and its descendants."""
    charged = cgroup_memory(CGROUPS, PROC)
    return charged if charged is not None else tree_memory()


def cgroup_memory(cgroups: Path, proc: Path) -> int | None:
    """What counts against the limit of this process's cgroup, in bytes; None without a cgroup (version 2) that has a limit.

    Without a limit, as in a desktop session, a cgroup may contain other programs. Inactive file
    pages are reclaimed before the limit kills, so they do not count; the kubelet's "working set" is computed in the same way
    (https://docs.kernel.org/admin-guide/cgroup-v2.html#memory).
    """
    try:
        own = re.search(r"^0::/(.*)$", (proc / "self" / "cgroup").read_text(), re.MULTILINE)
        if own is None:
            return None
        folder = cgroups / own[1]
        if (folder / "memory.max").read_text().strip() == NO_LIMIT:
            return None
        current = int((folder / "memory.current").read_text())
        inactive = re.search(r"^inactive_file (\d+)$", (folder / "memory.stat").read_text(), re.MULTILINE)
    except (OSError, ValueError):
        return None
    return max(0, current - int(inactive[1])) if inactive else current


def tree_memory() -> int:
    """This process and its descendants, in bytes; pages that several of them share count once."""
    us = psutil.Process()
    return sum(process_memory(process.pid, PROC) for process in [us, *us.children(recursive=True)])


def process_memory(pid: int, proc: Path) -> int:
    """A process's proportional set size (PSS) in bytes; its resident set where the kernel has no PSS; 0 once it has ended."""
    try:
        rollup = (proc / str(pid) / "smaps_rollup").read_text()
    except OSError:
        rollup = ""
    if share := re.search(r"^Pss:\s+(\d+) kB$", rollup, re.MULTILINE):
        return int(share[1]) * 1024
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
