"""How many processors this process may use."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
CGROUPS: Final = Path("/sys/fs/cgroup")


def usable_processors() -> int:
    """The processors that this process may run on, at most as many as its container's quota pays for; at least 1."""
    if not hasattr(os, "sched_getaffinity"):
        return 1
    allowed = len(os.sched_getaffinity(0))
    quota = cgroup_quota(CGROUPS, PROC)
    return allowed if quota is None else max(1, min(allowed, int(quota)))


def cgroup_quota(cgroups: Path, proc: Path) -> float | None:
    """Processors by the quota of this process's cgroup; None without a cgroup (version 2) that has one.

    ``cpu.max`` holds microseconds of processor time and the period that they are for, or "max" and the period
    (https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files).
    """
    try:
        own = re.search(r"^0::/(.*)$", (proc / "self" / "cgroup").read_text(), re.MULTILINE)
        if own is None:
            return None
        time, period = (cgroups / own[1] / "cpu.max").read_text().split()
        return None if time == "max" else int(time) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
