import os
from pathlib import Path

import pytest

from worker.rendering import processors
from worker.rendering.processors import cgroup_quota, usable_processors


@pytest.mark.parametrize(
    ("own", "maximum", "expected"),
    [
        ("0::/", "max 100000", None),
        ("0::/", "200000 100000", 2.0),
        ("0::/", "50000 100000", 0.5),
        ("0::/", "150000 50000", 3.0),
        ("0::/", "", None),
        ("0::/", "1 0", None),
        ("0::/pod/bot", "300000 100000", 3.0),
        ("4:cpu:/pod", "200000 100000", None),
    ],
)
def test_the_quota_of_the_cgroup(own: str, maximum: str, expected: float | None, tmp_path: Path) -> None:
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroups"
    folder = cgroups / own.partition("::/")[2]
    (proc / "self").mkdir(parents=True)
    folder.mkdir(parents=True)
    (proc / "self" / "cgroup").write_text(f"{own}\n")
    (folder / "cpu.max").write_text(maximum)
    assert cgroup_quota(cgroups, proc) == expected


def test_without_a_cgroup_there_is_no_quota(tmp_path: Path) -> None:
    assert cgroup_quota(tmp_path, tmp_path) is None


@pytest.mark.parametrize(
    ("allowed", "quota", "expected"),
    [(8, None, 8), (8, 2.0, 2), (2, 8.0, 2), (8, 1.9, 1), (8, 0.3, 1), (1, None, 1)],
)
def test_the_scarcer_of_affinity_and_quota_counts(
    allowed: int, quota: float | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(allowed)), raising=False)
    monkeypatch.setattr(processors, "cgroup_quota", lambda *_: quota)
    assert usable_processors() == expected
